"""The services among the examples, as their clients see them: JSON, a chat over server-sent events, uploads in parts with progress."""

import hashlib
import json
import os
import re
import subprocess
import threading
import time
from pathlib import Path

import pytest
import requests
from browser import Browser, Page
from conftest import Server, read_answer, wait_until

NOISE = os.urandom(3_000_000)


@pytest.fixture(scope="module")
def notes(start_example):
    server = start_example("example-json")
    assert server.count == 1, "its state is a worker's own"
    yield server
    server.stop()


@pytest.fixture(scope="module")
def chat(start_example):
    server = start_example("example-chat")
    assert server.count == 1, "its room is a worker's own"
    yield server
    server.stop()


@pytest.fixture(scope="module")
def upload(start_example):
    server = start_example("example-upload")
    assert server.count == 1, "its progress is a worker's own"
    yield server
    server.stop()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("browser"))
    yield browser
    browser.close()


# JSON


def test_notes(notes: Server):
    url = f"{notes.url}/notes"
    made = requests.post(url, json={"text": "milk / Milch ü"})
    assert (made.status_code, made.headers["Content-Type"]) == (201, "application/json")
    note = made.json()
    assert note["text"] == "milk / Milch ü" and 58 <= note["expires"] - time.time() <= 62
    assert b"milk / Milch" in made.content
    place = notes.url + made.headers["Location"]
    assert made.headers["Location"] == f"/notes/{note['id']}"
    assert note["id"] in [other["id"] for other in requests.get(url).json()]

    tag = made.headers["ETag"]
    assert requests.get(place).headers["ETag"] == tag
    assert requests.get(place, headers={"If-None-Match": tag}).status_code == 304
    changed = requests.put(place, json={"text": "bread"}, headers={"If-Match": tag})
    assert changed.status_code == 200 and changed.headers["ETag"] != tag
    # Somebody else has not seen that.
    assert requests.put(place, json={"text": "cheese"}, headers={"If-Match": tag}).status_code == 412
    assert requests.delete(place, headers={"If-Match": tag}).status_code == 412
    assert requests.get(place).json()["text"] == "bread"
    assert requests.delete(place).status_code == 204
    assert requests.get(place).status_code == 404


@pytest.mark.parametrize(
    "body,kind,status,error",
    [
        ("{", "application/json", 400, "the body is not JSON"),
        (b'{"text": "\xe9"}', "application/json", 400, "the body is not JSON"),
        ("[]", "application/json", 422, "the body is of another type"),
        ("{}", "application/json", 422, "text is missing"),
        ('{"text": 1}', "application/json", 422, "text is of another type"),
        ('{"text": "a", "seconds": "b"}', "application/json", 422, "seconds is of another type"),
        ('{"text": "a"}', "text/plain", 415, "the body has to be JSON, and not text/plain"),
    ],
)
def test_what_is_wrong_with_a_body_is_told_in_json(notes: Server, body: str | bytes, kind: str, status: int, error: str):
    answer = requests.post(f"{notes.url}/notes", data=body, headers={"Content-Type": kind})
    assert (answer.status_code, answer.headers["Content-Type"], answer.json()) == (status, "application/json", {"error": error})


def test_notes_have_limits(notes: Server):
    assert requests.post(f"{notes.url}/notes", json={"text": ""}).status_code == 422
    assert requests.post(f"{notes.url}/notes", json={"text": "a", "seconds": 0}).status_code == 422
    assert requests.post(f"{notes.url}/notes", json={"text": "x" * 70_000}).status_code == 413
    # Errors are in JSON, too, also where there is no route.
    for path, status in (("/notes/none", 404), ("/nothing", 404), ("/notes", 405)):
        answer = requests.delete(notes.url + path)
        assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/json") and answer.json()["error"]


def test_an_entity_tag_stands_for_the_same_bytes(notes: Server):
    place = notes.url + requests.post(f"{notes.url}/notes", json={"text": "same"}).headers["Location"]
    first = requests.get(place)
    time.sleep(1.1)
    second = requests.get(place)
    assert first.headers["ETag"] == second.headers["ETag"] and first.content == second.content


def test_notes_expire(notes: Server):
    made = requests.post(f"{notes.url}/notes", json={"text": "short", "seconds": 1})
    place = notes.url + made.headers["Location"]
    assert requests.get(place).status_code == 200
    wait_until(lambda: requests.get(place).status_code == 404, 5, "the end of the note")


# Chat


class Listener:
    """Somebody who has the chat open: reads events as a browser does."""

    def __init__(self, server: Server, last: str | None = None):
        self.connection = server.connect()
        fields = f"Last-Event-ID: {last}\r\n" if last else ""
        self.connection.sendall(f"GET /events HTTP/1.1\r\nHost: a\r\n{fields}\r\n".encode())
        self.stream = self.connection.makefile("rb")
        head = b"".join(iter(self.stream.readline, b"\r\n"))
        assert head.startswith(b"HTTP/1.1 200 ") and b"Content-Type: text/event-stream\r\n" in head
        assert b"Transfer-Encoding: chunked\r\n" in head and b"Cache-Control: no-store\r\n" in head
        self.text = ""

    def event(self, kind: str = "message") -> dict[str, str]:
        """The next event of a kind."""
        while True:
            while "\n\n" not in self.text:
                size = int(self.stream.readline(), 16)
                self.text += self.stream.read(size + 2)[:-2].decode()
            text, self.text = self.text.split("\n\n", 1)
            fields: dict[str, str] = {"event": "message"}
            for line in text.split("\n"):
                name, value = line.split(": ", 1) if ": " in line else (line.rstrip(":"), "")
                fields[name] = f"{fields[name]}\n{value}" if name == "data" and name in fields else value
            if fields["event"] == kind and "data" in fields:
                return fields

    def close(self) -> None:
        self.stream.close()
        self.connection.close()


def say(server: Server, name: str, text: str) -> int:
    return requests.post(f"{server.url}/lines", data={"name": name, "text": text}).status_code


def test_two_see_each_others_lines(chat: Server):
    one = Listener(chat)
    assert one.event("people")["data"] == "1"
    two = Listener(chat)
    assert one.event("people")["data"] == "2"
    assert say(chat, "one", "hello") == 204
    assert say(chat, "two", "hello\nto you: <b>ü</b>") == 204
    for listener in (one, two):
        assert listener.event()["data"] == "one\nhello"
        last = listener.event()
        # A form's line end comes as it was sent.
        assert last["data"].replace("\r", "") == "two\nhello\nto you: <b>ü</b>"
    two.close()
    assert one.event("people")["data"] == "1"
    # Who comes back gets what he has missed, and nothing twice.
    assert say(chat, "", "third") == 204
    three = Listener(chat, last["id"])
    assert three.event()["data"] == "somebody\nthird"
    # Who comes from elsewhere gets all of it.
    four = Listener(chat, "other-1000")
    assert four.event()["data"] == "one\nhello"
    for listener in (one, three, four):
        listener.close()


def test_nothing_is_not_said(chat: Server):
    assert say(chat, "one", " \n") == 422
    assert requests.post(f"{chat.url}/lines", data={"text": "x" * 20_000}).status_code == 413
    assert requests.post(f"{chat.url}/lines", json={"text": "x"}).status_code == 415


def test_nobody_can_speak_for_others(chat: Server):
    listener = Listener(chat, "other-1")
    assert say(chat, "one\ntwo: hello\r\n\r\ndata: x", "\rdata: x\n\nevent: people") == 204
    while (event := listener.event())["data"].split("\n")[0] != "onetwo: hellodata: x":
        pass
    assert event["event"] == "message" and "people" in event["data"]
    listener.close()


def test_a_drain_ends_the_events(start_example):
    server = start_example("example-chat")
    listener = Listener(server)
    listener.event("people")
    server.stop(seconds=5)
    listener.close()


def test_the_chat_in_two_browsers(chat: Server, browser: Browser):
    wide, phone = browser.open(chat.url), browser.open(chat.url, 360, 640)
    wide.wait("document.getElementById('state').textContent === '2 people'")
    say_in(wide, "Ada", "Is somebody there? <i>as text</i>")
    phone.wait("document.querySelector('#lines li:last-child').innerText.includes('Is somebody there? <i>as text</i>')")
    say_in(phone, "Bob", "Yes, on a phone: " + "a long line " * 12)
    wide.wait("document.querySelector('#lines li:last-child b').textContent === 'Bob'")
    for page in (wide, phone):
        kinds = page.evaluate("[...document.querySelectorAll('#lines li')].slice(-2).map(line => line.className)")
        assert kinds == (["mine", ""] if page is wide else ["", "mine"])
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is wider than the screen"
        assert page.evaluate("document.querySelector('button').getBoundingClientRect().bottom <= innerHeight")
    keep(wide, "chat")
    keep(phone, "chat-phone")


def say_in(page: Page, name: str, text: str) -> None:
    page.evaluate(f"[name.value, text.value] = {json.dumps([name, text])}; form.requestSubmit()")
    page.wait("text.value === ''")


def keep(page: Page, name: str) -> None:
    """Takes a picture for people to look at where TEST_SCREENSHOTS names a directory for it."""
    if directory := os.environ.get("TEST_SCREENSHOTS"):
        page.screenshot(Path(directory) / f"{name}.png")


# Uploads


def test_upload_by_curl(upload: Server, tmp_path: Path):
    file = tmp_path / "noise ü.bin"
    file.write_bytes(NOISE)
    done = subprocess.run(
        ["curl", "-sS", "--fail", "-F", "note=hello;type=text/plain", "-F", f"file=@{file}", "-F", f'two=@{file};filename=a"b\\c.txt', f"{upload.url}/files"],
        capture_output=True, text=True, timeout=60,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "note: hello"
    first = re.fullmatch(r"(/files/\d+) 3000000 noise ü\.bin", lines[1])
    second = re.fullmatch(r"(/files/\d+) 3000000 (.*)", lines[2])
    assert second[2] in ('c.txt', 'a"b\\c.txt'), "without directories"
    answer = requests.get(upload.url + first[1])
    assert answer.content == NOISE
    assert answer.headers["Content-Disposition"] == "attachment; filename=\"noise _.bin\"; filename*=UTF-8''noise%20%C3%BC.bin"
    # A download that was cut off is gone on with.
    out = tmp_path / "out"
    out.write_bytes(NOISE[:1_000_001])
    subprocess.run(["curl", "-sSf", "-C", "-", "-o", out, upload.url + first[1]], check=True, timeout=30)
    assert out.read_bytes() == NOISE
    several = requests.get(upload.url + first[1], headers={"Range": "bytes=0-9,-10"})
    assert several.status_code == 206 and NOISE[:10] in several.content and NOISE[-10:] in several.content


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 1_000_000])
def test_upload_by_requests(upload: Server, size: int):
    content = (b"\r\n--" * (size // 4 + 1))[:size] if size % 2 else NOISE[:size]
    answer = requests.post(f"{upload.url}/files", data={"note": "ü"}, files={"file": ("ü.bin", content, "x/y")})
    assert answer.status_code == 200, answer.text
    lines = answer.text.splitlines()
    assert lines[0] == "note: ü"
    path = lines[1].split()[0]
    back = requests.get(upload.url + path)
    assert (back.content, back.headers["Content-Type"]) == (content, "x/y")


def body_of(content: bytes, boundary: bytes = b"b") -> bytes:
    head = b'Content-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
    return b"--" + boundary + b"\r\n" + head + content + b"\r\n--" + boundary + b"--\r\n"


def test_upload_byte_by_byte_and_in_chunks(upload: Server):
    content = b"--b\r\n--\r\n-\r--b"
    body = body_of(content, b"bb")
    def pieces():
        for byte in body:
            yield bytes([byte])
    answer = requests.post(f"{upload.url}/files", data=pieces(), headers={"Content-Type": 'multipart/form-data; boundary="bb"'})
    assert answer.status_code == 200 and f" {len(content)} f\n" in answer.text
    assert requests.get(upload.url + answer.text.split()[0]).content == content


def test_uploads_that_are_none(upload: Server):
    def send(body: bytes, kind: str = "multipart/form-data; boundary=b") -> int:
        return requests.post(f"{upload.url}/files", data=body, headers={"Content-Type": kind}).status_code

    assert send(body_of(b"x")) == 200
    assert send(body_of(b"x")[:-8]) == 400
    assert send(body_of(b"x"), "multipart/form-data") == 400
    assert send(body_of(b"x"), "application/octet-stream") == 415
    assert send(b"--b\r\nContent-Disposition: form-data; name=a\r\n\r\n" + b"x" * 5000 + b"\r\n--b--") == 413
    assert send(b"--b\r\nX: " + b"x" * 9000 + b"\r\n\r\n\r\n--b--") == 413
    part = body_of(b"x").removesuffix(b"--b--\r\n")
    assert send(part * 100 + b"--b--") == 200
    assert send(part * 101 + b"--b--") == 413


def test_an_upload_that_is_cut_off_leaves_nothing(upload: Server):
    worker = upload.workers()[0]
    before = len(os.listdir(f"/proc/{worker}/fd"))
    for _ in range(5):
        with upload.connect() as connection:
            head = "POST /files?transfer=cut HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000000\r\n\r\n"
            connection.sendall(head.encode() + body_of(b"x" * 100_000)[:-10])
            wait_until(lambda: any("example-upload" in os.readlink(f"/proc/{worker}/fd/{fd}") for fd in descriptors(worker)), 5, "a file")
        wait_until(lambda: len(os.listdir(f"/proc/{worker}/fd")) <= before, 5, "what was open to be closed")


def descriptors(pid: int) -> list[str]:
    found = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            os.readlink(f"/proc/{pid}/fd/{name}")
            found.append(name)
        except OSError:
            pass
    return found


def memory(pid: int) -> int:
    """What a process has in memory, in KiB."""
    return int(re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1])


def test_progress_is_told_and_memory_stays_flat(upload: Server):
    """Set TEST_UPLOAD_MIB=200 for the large one."""
    size = int(os.environ.get("TEST_UPLOAD_MIB", "24")) << 20
    worker = upload.workers()[0]
    body = body_of(b"")
    split = body.index(b"\r\n\r\n") + 4
    piece = os.urandom(1 << 20)
    seen: list[int] = []
    opened = threading.Event()

    def listen() -> None:
        with requests.get(f"{upload.url}/transfers/mine", stream=True, timeout=60) as answer:
            opened.set()
            kind = ""
            for line in answer.iter_lines(chunk_size=1, decode_unicode=True):
                if line.startswith("event: "):
                    kind = line[7:]
                elif line.startswith("data: ") and kind != "end":
                    seen.append(int(line[6:]))
                if kind == "end":
                    return

    listener = threading.Thread(target=listen)
    listener.start()
    assert opened.wait(10)
    requests.post(f"{upload.url}/files", files={"file": ("f", piece)})
    before, most = memory(worker), 0
    digest = hashlib.sha256()
    with upload.connect(60) as connection:
        length = len(body) + size
        head = f"POST /files?transfer=mine HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: {length}\r\n\r\n"
        connection.sendall(head.encode() + body[:split])
        for number in range(size >> 20):
            connection.sendall(piece)
            digest.update(piece)
            most = max(most, memory(worker))
            if number in (2, 10):
                so_far = len(seen)
                wait_until(lambda: len(seen) > so_far or seen and seen[-1] >= (number + 1) << 20, 10, "progress")
        connection.sendall(body[split:])
        answer = read_answer(connection.makefile("rb"))
        most = max(most, memory(worker))
    listener.join(10)
    assert not listener.is_alive(), "the progress ends with the upload"
    path, told, _ = answer.body.decode().split()
    assert answer.status == 200 and int(told) == size
    assert seen == sorted(seen) and len(set(seen)) >= 2 and 0 < seen[-1] <= size
    print(f"{size >> 20} MiB: {before} KiB before, {most} KiB at most")
    assert most - before < 2048
    digest_back = hashlib.sha256()
    with requests.get(upload.url + path, stream=True) as back:
        for part in back.iter_content(1 << 20):
            digest_back.update(part)
    assert digest_back.digest() == digest.digest()
    assert memory(worker) - before < 2048


def test_only_the_last_ten_are_kept(upload: Server):
    paths = [requests.post(f"{upload.url}/files", files={"f": b"x"}).text.split()[0] for _ in range(11)]
    assert [requests.get(upload.url + path).status_code for path in paths] == [404] + [200] * 10


def test_the_upload_page_in_a_browser(upload: Server, browser: Browser, tmp_path: Path):
    small, large = tmp_path / "small 'ü' \"q\".txt", tmp_path / "large.bin"
    small.write_bytes(b"small")
    large.write_bytes(NOISE * 4)
    for width, name in ((1000, "upload"), (360, "upload-phone")):
        page = browser.open(upload.url, width, 640)
        page.choose_files("#files", small, large)
        page.wait("document.querySelectorAll('#list a[href]').length === 2")
        assert page.evaluate("document.querySelectorAll('progress').length") == 0
        links = page.evaluate("[...document.querySelectorAll('#list a')].map(link => [link.textContent, link.href])")
        assert [link[0] for link in links] == ["large.bin", "small 'ü' \"q\".txt"]
        assert requests.get(links[0][1]).content == NOISE * 4
        back = requests.get(links[1][1])
        assert back.content == b"small" and "filename*=UTF-8''small%20%27%C3%BC%27%20%22q%22.txt" in back.headers["Content-Disposition"]
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is wider than the screen"
        keep(page, name)
