"""A real browser that tests drive: Chromium, by its DevTools protocol. Ended with the test that has started it."""

import asyncio
import base64
import subprocess
import time
from pathlib import Path

import aiohttp
from conftest import wait_until


class Browser:
    """Chromium with any number of pages; a page is a target that commands are sent to, one connection each."""

    def __init__(self, directory: Path):
        self.process = subprocess.Popen(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", f"--user-data-dir={directory}"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )
        place = directory / "DevToolsActivePort"
        wait_until(lambda: place.exists() and place.read_text().count("\n"), 30, "the browser's port")
        self.address = f"http://127.0.0.1:{place.read_text().split()[0]}"
        self.loop = asyncio.new_event_loop()
        self.session = self.run(self._session())
        self.pages: list[Page] = []

    async def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=60))

    def run(self, coroutine):
        return self.loop.run_until_complete(coroutine)

    def open(self, url: str, width: int = 1000, height: int = 700) -> "Page":
        async def begin():
            async with self.session.put(f"{self.address}/json/new?about:blank") as answer:
                return await self.session.ws_connect((await answer.json())["webSocketDebuggerUrl"], max_msg_size=0)

        page = Page(self, self.run(begin()))
        self.pages.append(page)
        page.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        page.call("Page.navigate", url=url)
        page.wait("document.readyState === 'complete' && location.href !== 'about:blank'")
        return page

    def close(self) -> None:
        async def end():
            for page in self.pages:
                await page.socket.close()
            await self.session.close()

        self.run(end())
        self.loop.close()
        self.process.terminate()
        self.process.wait(10)


class Page:
    """A page that is open."""

    def __init__(self, browser: Browser, socket: aiohttp.ClientWebSocketResponse):
        self.browser, self.socket, self.number = browser, socket, 0

    def call(self, method: str, **parameters):
        """A command of the protocol; what it answers."""
        self.number += 1

        async def exchange():
            await self.socket.send_json({"id": self.number, "method": method, "params": parameters})
            while True:
                answer = await self.socket.receive_json(timeout=30)
                if answer.get("id") == self.number:
                    return answer

        answer = self.browser.run(exchange())
        assert "error" not in answer, answer
        return answer["result"]

    def evaluate(self, expression: str):
        """The value of an expression, or of what it promises."""
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait(self, expression: str, seconds: float = 15):
        """Asks until the expression is true."""
        end = time.monotonic() + seconds
        while not (value := self.evaluate(expression)):
            assert time.monotonic() < end, f"{expression} did not come true: {self.evaluate('document.body.innerText')}"
            time.sleep(0.02)
        return value

    def choose_files(self, selector: str, *paths: Path) -> None:
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path) for path in paths])

    def screenshot(self, path: Path) -> None:
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))
