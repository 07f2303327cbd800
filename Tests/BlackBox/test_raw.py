"""Every case of the table against example-http: the exact outcome, a canary request behind it on the same connection, the same in pieces."""

import array
import fcntl
import re
import socket
import termios
import threading
from pathlib import Path

import h11
import pytest
from conftest import read_all
from raw_requests import CASES, Case

CANARY = b"GET /hello/canary HTTP/1.1\r\nHost: canary\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def server(start_example, tmp_path_factory):
    """example-http with one worker, on a Unix socket: there one can see when the server has read what was sent."""
    path = tmp_path_factory.mktemp("raw") / "socket"
    server = start_example("example-http", "-w", "1", bind=f"unix:{path}")
    server.path = str(path)
    before = server.workers()
    yield server
    assert server.workers() == before, "the worker has not survived"
    server.stop()


def exchange(path: str, *pieces: bytes) -> bytes:
    """Sends each piece when the server has read the one before; all that comes back until the server closes."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(path)
        waiting = array.array("i", [0])
        try:
            for piece in pieces:
                connection.sendall(piece)
                for _ in range(2000):
                    fcntl.ioctl(connection, termios.TIOCOUTQ, waiting)
                    if waiting[0] == 0:
                        break
        except (BrokenPipeError, ConnectionResetError):
            pass  # The server has refused what came before, and closed.
        return read_all(connection)


def answers(received: bytes, request: bytes) -> list[tuple[int, bytes]]:
    """Statuses and bodies, as an independent parser of HTTP sees them (h11); fails on anything that is not exactly answers."""
    methods = re.findall(rb"^(?:\r\n)*(HEAD|CONNECT)?", request)[:1] + [b""] * 999
    found = []
    while received:
        client = h11.Connection(h11.CLIENT)
        method = methods[len(found)] or b"GET"
        # A tunnel is not opened in this table: what a refused CONNECT is answered with is framed like others.
        client.send(h11.Request(method=method if method == b"HEAD" else b"GET", target="/", headers=[("Host", "a")]))
        client.send(h11.EndOfMessage())
        client.receive_data(received)
        status, body = 0, b""
        while True:
            event = client.next_event()
            if isinstance(event, h11.Response):
                status = event.status_code
                fields = {name.lower() for name, _ in event.headers}
                assert {b"date", b"server"} <= fields
                assert status != 405 or b"allow" in fields
                until_close = not fields & {b"content-length", b"transfer-encoding"} and status not in (204, 304)
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                break
            elif event is h11.NEED_DATA:
                assert until_close and method != b"HEAD", "the answer is cut off"
                return [*found, (status, body)]
            else:
                assert isinstance(event, h11.InformationalResponse), event
        found.append((status, body))
        received = client.trailing_data[0]
    return found


def check(case: Case, received: bytes) -> None:
    *statuses, end = case.outcome.split()
    found = answers(received, case.request)
    goes_on = [(200, b"canary")] if end == "+" else []
    assert [status for status, _ in found] == [*map(int, statuses), *[status for status, _ in goes_on]], received
    if goes_on:
        assert found[-1][1].startswith(b"Hello, canary! Visit"), "the canary got another one's answer"
    if case.body is not None:
        assert found[len(statuses) - 1][1] == case.body


def test_the_table_is_large_enough():
    assert len(CASES) >= 600 and len({case.request for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_outcome(server, case: Case):
    check(case, exchange(server.path, case.request + CANARY))


def pieces(case: Case):
    """Ways to cut: in two at every byte, each byte alone; the long ones, which only test limits, at a few places."""
    request = case.request
    cuts = range(1, len(request)) if len(request) < 400 else range(1, len(request), len(request) // 7)
    for cut in cuts:
        yield [request[:cut], request[cut:] + CANARY]
    if len(request) < 400:
        yield [bytes([byte]) for byte in request] + [CANARY]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_outcome_in_pieces(server, case: Case):
    for cut in pieces(case):
        check(case, exchange(server.path, *cut))


def test_input_that_comes_late_loses_no_answer(server):
    """A client that sends more behind its last request: a close that meets that unread would reset the connection, answer and all."""
    for number in range(6000):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(10)
            connection.connect(server.path)
            connection.sendall(b"POST /echo HTTP/1.0\r\nContent-Length: 5\r\n\r\nhell")
            connection.sendall(b"o")
            # A little later each time, so that it comes before, between and behind the server's last look.
            for _ in range(number % 400):
                pass
            try:
                connection.sendall(CANARY)
            except BrokenPipeError:
                pass
            assert read_all(connection).endswith(b"hello")


def test_answers_that_nobody_reads_come_whole_and_in_order(server):
    """So many at once that the socket takes them in parts, and the rest only when the client reads."""
    names = [f"number{number}" for number in range(5000)]
    requests = b"".join(f"GET /hello/{name} HTTP/1.1\r\nHost: a\r\n\r\n".encode() for name in names) + CANARY
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(server.path)
        sender = threading.Thread(target=connection.sendall, args=[requests])
        sender.start()
        # The server has more to say than the socket holds by now, or all is sent.
        sender.join(0.5)
        received = read_all(connection)
        sender.join(20)
    found = re.findall(rb"Hello, (\w+)! Visit \d+ to worker", received)
    assert found == [*(name.encode() for name in names), b"canary"]
    assert received.count(b"HTTP/1.1 200 OK\r\n") == len(found)
