"""Raw requests and what exactly becomes of them: the table that test_raw.py sends to example-http.

A case is its bytes and its outcome: the statuses of the answers, then "+" where the connection goes on and "-" where the server closes it, and
after a colon what the last answer's body has to be, where that says something. Interim answers (100) are statuses like others.
"""

from typing import NamedTuple


class Case(NamedTuple):
    name: str
    request: bytes
    outcome: str
    body: bytes | None = None


def _request(line: str, *fields: str, body: str = "") -> bytes:
    return ("\r\n".join([line, *fields]) + "\r\n\r\n" + body).encode("latin-1")


def _cases():
    get = "GET /hello HTTP/1.1"
    host = "Host: a"

    def case(request: bytes | str, outcome: str, body: str | None = None) -> Case:
        request = request.encode("latin-1") if isinstance(request, str) else request
        return Case("", request, outcome, None if body is None else body.encode("latin-1"))

    # Well-formed heads.
    for line in ["GET /hello HTTP/1.1", "GET http://b/hello HTTP/1.1", "GET HTTP://b:80/hello HTTP/1.1", "GET https://b/hello HTTP/1.1",
                 "GET /hello?a=b HTTP/1.1", "GET /hello? HTTP/1.1", "GET /%68ello HTTP/1.1", "GET /./hello HTTP/1.1", "GET /x/../hello HTTP/1.1",
                 "GET /%2e/hello HTTP/1.1", "GET /x/%2E%2e/hello HTTP/1.1", "GET /hello HTTP/1.2", "GET /hello HTTP/1.9",
                 "GET /hello?" + "q" * 7000 + " HTTP/1.1", "GET /hello?%zz HTTP/1.1", "GET /hello?\xe4 HTTP/1.1"]:
        yield case(_request(line, host), "200 +", "Hello, world!")
    for field in ["X: y", "X:y", "X:", "X: ", "X:\ty\t", "x-y_z.1!#$%&'*+^`|~: 1", "X: \xe4\xff\x80", "X: a\tb", "X: \"quoted\"", "X: (comment)",
                  "Accept: */*", "Connection: keep-alive", "Connection: x", "Connection: ", "Connection: ,,", "Cookie: a=b; c", "Cookie: =;;",
                  "Content-Length: 0", "Content-Length: 00", "Range: bytes=0-1", "If-None-Match: *", "Upgrade: h2c", "TE: trailers", "Trailer: x",
                  "X: " + "y" * 8000, "Keep-Alive: timeout=5", "Expect: 100-continue", "Referer: \x80", "Proxy-Connection: close",
                  "Max-Forwards: 0", "Host2: b", "X-Host: b"]:
        yield case(_request(get, host, field), "200 +", "Hello, world!")
    for value in ["", "a.example", "a.example:80", "a:", "127.0.0.1", "127.0.0.1:8000", "[::1]", "[::1]:80", "[::ffff:1.2.3.4]", "a_b", "a~b", "%41",
                  "a!$&'()*+,;=b", "A.EXAMPLE", "xn--bcher-kva.example", "\t a \t", "0", "a:65535", "a:00080"]:
        yield case(_request(get, f"Host: {value}"), "200 +", "Hello, world!")
    for spelling in ["host: a", "HOST: a", "hOsT: a", "Host:a", "Host:\ta"]:
        yield case(_request(get, spelling), "200 +", "Hello, world!")
    yield case(_request(get, host, *[f"X{number}: y" for number in range(99)]), "200 +", "Hello, world!")
    for empty in ["\r\n", "\r\n\r\n", "\r\n\r\n\r\n\r\n"]:
        yield case(empty.encode() + _request(get, host), "200 +", "Hello, world!")

    # Versions and persistence.
    yield case(_request("GET /hello HTTP/1.0"), "200 -", "Hello, world!")
    yield case(_request("GET /hello HTTP/1.0", host), "200 -")
    yield case(_request("GET /hello HTTP/1.0", "Connection: keep-alive"), "200 +", "Hello, world!")
    yield case(_request("GET /hello HTTP/1.0", "Connection: Keep-Alive, x"), "200 +")
    yield case(_request("GET /hello HTTP/1.0", "Connection: keep-alive, close"), "200 -")
    yield case(_request("GET /stream?chunks=2&bytes=3 HTTP/1.0", "Connection: keep-alive"), "200 -", "xxxxxx")
    yield case(_request("GET /stream?chunks=2&bytes=3 HTTP/1.1", host), "200 +", "xxxxxx")
    yield case(_request("GET /stream?chunks=0&bytes=3 HTTP/1.1", host), "200 +", "")
    yield case(_request("HEAD /stream?chunks=2&bytes=3 HTTP/1.1", host), "200 +", "")
    for value in ["close", "Close", "x, close", "close, x", "keep-alive, close", "CLOSE ,"]:
        yield case(_request(get, host, f"Connection: {value}"), "200 -", "Hello, world!")
    yield case(_request(get, host, "Connection: keep-alive", "Connection: close"), "200 -")
    yield case(_request(get, host, "Connection: closed"), "200 +")
    for version in ["HTTP/2.0", "HTTP/3.0", "HTTP/0.9", "HTTP/9.9", "HTTP/2.1", "HTTP/0.0"]:
        yield case(_request(f"GET /hello {version}", host), "505 -")
    for version in ["HTTP/1", "HTTP/1.", "HTTP/.1", "HTTP/1.1.1", "HTTP/11", "HTTP/1.10", "HTTP/01.1", "http/1.1", "Http/1.1", "HTTP 1.1", "HTTP/1,1", "HTTP/a.b",
                    "HTTP/ 1.1", "HTTP/-1.1", "XTTP/1.1", "1.1", "HTTP", "HTTP/1.1x", "HTTP/1.1 x", "HTTP/\xb9.1"]:
        yield case(_request(f"GET /hello {version}", host), "400 -")

    # Request lines.
    for line in ["GET /hello", "GET", "GET ", " GET /hello HTTP/1.1", "\tGET /hello HTTP/1.1", "GET  /hello HTTP/1.1", "GET /hello  HTTP/1.1", "GET /hello HTTP/1.1 ",
                 "GET /hello HTTP/1.1\t", "GET\t/hello HTTP/1.1", "GET /hello\tHTTP/1.1", "GET /he llo HTTP/1.1", "GET /he\x00llo HTTP/1.1", "GET /he\x01llo HTTP/1.1",
                 "GET /he\x7fllo HTTP/1.1", "GET /he\x0bllo HTTP/1.1", "GET /hello\r HTTP/1.1", "GET /hello HTTP/1.1\r", "GET /hello#x HTTP/1.1", "G@T /hello HTTP/1.1",
                 "G(T /hello HTTP/1.1", "GET\x00 /hello HTTP/1.1", "\xe4 /hello HTTP/1.1", "GET: /hello HTTP/1.1", "/hello HTTP/1.1", "GET hello HTTP/1.1",
                 "GET \\hello HTTP/1.1", "GET ?x HTTP/1.1", "GET hello/x HTTP/1.1", "GET a:80 HTTP/1.1", "GET * HTTP/1.1", "HEAD * HTTP/1.1", "POST * HTTP/1.1",
                 "OPTIONS ** HTTP/1.1", "GET ftp://a/ HTTP/1.1", "GET http:/hello HTTP/1.1", "GET http:///hello HTTP/1.1", "GET http://u@a/ HTTP/1.1",
                 "GET http://u:p@a/ HTTP/1.1", "GET http://a:x/ HTTP/1.1", "GET http://a b/ HTTP/1.1", "GET http://a:99999/ HTTP/1.1", "CONNECT / HTTP/1.1",
                 "CONNECT a HTTP/1.1", "CONNECT a: HTTP/1.1", "CONNECT http://a:80/ HTTP/1.1", "CONNECT u@a:80 HTTP/1.1", "CONNECT :80 HTTP/1.1"]:
        yield case(_request(line, host), "400 -")
    yield case("GET /hello HTTP/1.1\nHost: a\n\n", "400 -")
    yield case("GET /hello HTTP/1.1\nHost: a\r\n\r\n", "400 -")
    yield case("GET /hello HTTP/1.1\r\nHost: a\n\r\n", "400 -")
    yield case("GET /hello HTTP/1.1\r\nHost: a\r\n\n", "400 -")
    yield case("GET /hello HTTP/1.1\r\nHost: a\r\r\n\r\n", "400 -")
    yield case("\nGET /hello HTTP/1.1\r\nHost: a\r\n\r\n", "400 -")
    yield case("\rGET /hello HTTP/1.1\r\nHost: a\r\n\r\n", "400 -")
    yield case(b"\r\n" * 5 + _request(get, host), "400 -")
    yield case(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "400 -")
    yield case(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505 -")
    yield case(b"{}", "400 -")
    yield case(_request("GET /" + "a" * 9000 + " HTTP/1.1", host), "414 -")
    yield case(_request("G" * 9000 + " / HTTP/1.1", host), "414 -")
    yield case(_request(get, host, "X: " + "y" * 9000), "431 -")
    yield case(_request(get, host, "X" * 9000 + ": y"), "431 -")
    yield case(_request(get, host, *[f"X{number}: y" for number in range(100)]), "431 -")
    yield case(_request(get, host, *["X: " + "y" * 8000 for _ in range(5)]), "431 -")

    # Fields that are none, and Host.
    for field in ["X", "X y", ": y", " : y", "X : y", "X\t: y", " X: y", "\tX: y", "X(: y", "X y: z", "X\x00: y", "X: \x00", "X: a\x00b", "X: a\x01b", "X: a\x7f", "X: a\rb",
                  "\xe4: y", "X\xa0: y", "X;: y", "X[: y", "=: y", "\x0bX: y", "X: a\x0bb", "X: a\x0cb", "X: 1234567\x00", "X\\: y", "X,: y", "X@: y", "\"X\": y", "X/: y",
                  "X?: y", "{X}: y", "X: a\x1b[0m"]:
        yield case(_request(get, host, field), "400 -")
    yield case(_request(get, host, "X: y", " folded"), "400 -")
    yield case(_request(get, host, "X: y", "\tfolded"), "400 -")
    yield case(_request(get, " leading: x", host), "400 -")
    yield case(_request(get), "400 -")
    yield case(_request(get, "X: y"), "400 -")
    yield case(_request(get, host, host), "400 -")
    yield case(_request(get, host, "hOST: b"), "400 -")
    yield case(_request("GET /hello HTTP/1.0", host, host), "400 -")
    for value in ["a b", "u@a", "a/b", "a?b", "a#b", "a:x", "a:80:80", "a:-1", "a:+1", "a:65536", "a:99999999999999999999", ":80", "[::1", "::1", "[::1]x", "[]", "[g]", "[::::]",
                  "[1::2::3]", "a%", "a%4", "a%zz", "a,b c", "a\\b", "<a>", "a\xe4", "\"a\"", "a^b", "a|b", "http://a", "a;b/c", "[::1]:x"]:
        yield case(_request(get, f"Host: {value}"), "400 -")

    # Methods.
    yield case(_request("HEAD /hello HTTP/1.1", host), "200 +", "")
    yield case(_request("OPTIONS /hello HTTP/1.1", host), "204 +")
    yield case(_request("OPTIONS * HTTP/1.1", host), "204 +")
    yield case(_request("OPTIONS http://a HTTP/1.1", host), "204 +")
    yield case(_request("OPTIONS /nothing HTTP/1.1", host), "404 +")
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE"]:
        yield case(_request(f"{method} /hello HTTP/1.1", host), "405 +")
    yield case(_request("CONNECT a:443 HTTP/1.1", "Host: a:443"), "405 +")
    yield case(_request("CONNECT [::1]:443 HTTP/1.1", host), "405 +")
    for method in ["get", "Get", "BREW", "PROPFIND", "GETX", "M-SEARCH", "!#$%&'*+-.^_`|~"]:
        yield case(_request(f"{method} /hello HTTP/1.1", host), "501 +")

    # Paths.
    for path in ["/nothing", "/hello/", "//hello", "/hello//", "/HELLO", "/hello/a/b", "/hello%2Fa", "/hello/a%2F/b", "/;/hello"]:
        yield case(_request(f"GET {path} HTTP/1.1", host), "404 +")
    for path in ["/%", "/%4", "/%zz", "/%00", "/hello/%ff", "/hello/%c0%af", "/..", "/../hello", "/hello/../../x", "/%2e%2e/hello"]:
        yield case(_request(f"GET {path} HTTP/1.1", host), "400 +")
    yield case(_request("GET /hello/a%2Fb HTTP/1.1", host), "200 +")
    yield case(_request("GET /hello/%252e HTTP/1.1", host), "200 +")
    yield case(_request("GET /sleep?ms=x HTTP/1.1", host), "400 +")

    # Bodies with a length.
    def post(*fields: str, body: str = "", path: str = "/echo", method: str = "POST") -> bytes:
        return _request(f"{method} {path} HTTP/1.1", host, *fields, body=body)

    for method in ["POST", "PUT", "DELETE", "PATCH", "GET"]:
        yield case(post("Content-Length: 5", body="hello", method=method), "200 +", "hello")
    yield case(post("Content-Length: 0"), "200 +", "")
    yield case(post(), "200 +", "")
    yield case(post("Content-Length: 005", body="hello"), "200 +", "hello")
    yield case(post("Content-Length:5", body="hello"), "200 +", "hello")
    yield case(post("content-length:\t5 ", body="GET /"), "200 +", "GET /")
    yield case(post("Content-Length: 30000", body="x" * 30000), "200 +", "x" * 30000)
    yield case(post("Content-Length: 34", body="GET /crash HTTP/1.1\r\nHost: a\r\n\r\nxy"), "200 +", "GET /crash HTTP/1.1\r\nHost: a\r\n\r\nxy")
    # Nobody reads it: it is dropped, and is not the next request.
    yield case(post("Content-Length: 34", body="GET /crash HTTP/1.1\r\nHost: a\r\n\r\nxy", path="/hello", method="GET"), "200 +", "Hello, world!")
    yield case(post("Content-Length: 34", body="GET /crash HTTP/1.1\r\nHost: a\r\n\r\nxy", path="/hello"), "405 +")
    yield case(post("Content-Length: 5", body="hello", path="/nothing"), "404 +")
    yield case(post("Content-Length: 5", body="hello", path="/hello", method="HEAD"), "200 +", "")
    yield case(post("Content-Length: 5", body="hello", path="/hello", method="OPTIONS"), "204 +")
    yield case(post("Content-Length: 5", body="hello", path="/hello", method="BREW"), "501 +")
    yield case(post("Content-Length: 5", body="hello", path="/%", method="GET"), "400 +")
    for value in ["+5", "-5", "-0", "", "0x5", "5x", "1_0", "4 2", "5,5", "5, 5", "5;", "5.0", "5e0", "\"5\"", "99999999999999999999", "9223372036854775808", "\xb2", "five",
                  "5\t5", ",5", "5,"]:
        yield case(post(f"Content-Length: {value}", body="hello"), "400 -")
    yield case(post("Content-Length: 5", "Content-Length: 5", body="hello"), "400 -")
    yield case(post("Content-Length: 5", "Content-Length: 6", body="hello"), "400 -")
    yield case(post("Content-Length: 9223372036854775807"), "413 -")
    yield case(post("Content-Length: 1048577"), "413 -")
    yield case(post("Content-Length: 200000", "Content-Type: application/x-www-form-urlencoded", path="/"), "413 -")
    yield case(post("Content-Length: 6", "Content-Type: application/x-www-form-urlencoded", body="name=b", path="/"), "200 +")
    yield case(post("Content-Length: 6", "Content-Type: text/plain", body="name=b", path="/"), "415 +")

    # Chunks.
    chunked = "Transfer-Encoding: chunked"
    for body, content in [("0\r\n\r\n", ""), ("5\r\nhello\r\n0\r\n\r\n", "hello"), ("1\r\nh\r\n4\r\nello\r\n0\r\n\r\n", "hello"), ("005\r\nhello\r\n000\r\n\r\n", "hello"),
                          ("A\r\n0123456789\r\n0\r\n\r\n", "0123456789"), ("5;x\r\nhello\r\n0;y=z\r\n\r\n", "hello"), ("5;x=\"a;\\\"b\"\r\nhello\r\n0\r\n\r\n", "hello"),
                          ("5 ;x\r\nhello\r\n0\r\n\r\n", "hello"), ("5\r\nhello\r\n0\r\nX: y\r\n\r\n", "hello"), ("5\r\nhello\r\n0\r\nContent-Length: 3\r\nHost: b\r\n\r\n", "hello"),
                          ("4\r\n\r\n\r\n\r\n0\r\n\r\n", "\r\n\r\n"), ("22\r\nGET /crash HTTP/1.1\r\nHost: a\r\n\r\nxy\r\n0\r\n\r\n", "GET /crash HTTP/1.1\r\nHost: a\r\n\r\nxy")]:
        yield case(post(chunked, body=body), "200 +", content)
        # The same where nobody reads it.
        yield case(post(chunked, body=body, path="/nothing"), "404 +")
    for spelling in ["transfer-encoding: chunked", "Transfer-Encoding: CHUNKED", "Transfer-Encoding:chunked", "Transfer-Encoding:\tchunked ", "Transfer-Encoding: ,chunked,"]:
        yield case(post(spelling, body="5\r\nhello\r\n0\r\n\r\n"), "200 +", "hello")
    form = "Content-Type: application/x-www-form-urlencoded"
    yield case(post(chunked, form, body="6\r\nname=b\r\n0\r\n\r\n", path="/"), "200 +")
    # What are no chunks: read as a form, so that the refusal is the answer.
    for body in ["\r\n", " 5\r\nhello\r\n0\r\n\r\n", "+5\r\nhello\r\n0\r\n\r\n", "-5\r\nhello\r\n0\r\n\r\n", "0x5\r\nhello\r\n0\r\n\r\n", "5 \r\nhello\r\n0\r\n\r\n", "5;\r\nhello\r\n0\r\n\r\n",
                 "5;=x\r\nhello\r\n0\r\n\r\n", "5;x=\r\nhello\r\n0\r\n\r\n", "5;x\x00\r\nhello\r\n0\r\n\r\n", "5;x\ry\r\nhello\r\n0\r\n\r\n", "5;x\nhello\r\n0\r\n\r\n", "5\nhello\r\n0\r\n\r\n",
                 "5\r\nhello0\r\n\r\n", "5\r\nhello\n0\r\n\r\n", "5\r\nhell\r\n0\r\n\r\n", "5\r\nhellooo\r\n0\r\n\r\n", "g\r\n", "1_0\r\n", "5,5\r\nhello\r\n", "FFFFFFFFFFFFFFF0\r\n",
                 "fffffffffffffffff\r\n", "8000000000000000\r\n", "5;" + "x" * 300 + "\r\nhello\r\n0\r\n\r\n", "0\r\nX\r\n\r\n", "0\r\n X: y\r\n\r\n", "0\r\nX : y\r\n\r\n", "0\r\nX: \x00\r\n\r\n",
                 "0\r\n\n", "0\n\r\n", "0\r\nX: a\rb\r\n\r\n", "".join(f"1;{'e' * 200}\r\nx\r\n" for _ in range(22)) + "0\r\n\r\n"]:
        yield case(post(chunked, form, body=body, path="/"), "400 -")
    for trailer in ["X: " + "y" * 9000, "\r\n".join(f"X{number}: y" for number in range(40))]:
        yield case(post(chunked, form, body=f"0\r\n{trailer}\r\n\r\n", path="/"), "431 -")
    yield case(post(chunked, form, body="20000\r\n" + "x" * 0x20000 + "\r\n0\r\n\r\n", path="/"), "413 -")

    # Framing that two readers could understand differently.
    yield case(post(chunked, "Content-Length: 5", body="0\r\n\r\n"), "400 -")
    yield case(post("Content-Length: 5", chunked, body="0\r\n\r\n"), "400 -")
    yield case(post("Content-Length: 0", chunked, body="0\r\n\r\n"), "400 -")
    yield case(post(chunked, chunked, body="0\r\n\r\n"), "400 -")
    for value in ["chunked, chunked", "chunked, gzip", "chunked, identity", "", ",", "chunked,x"]:
        yield case(post(f"Transfer-Encoding: {value}", body="0\r\n\r\n"), "400 -")
    for value in ["gzip", "gzip, chunked", "identity", "identity, chunked", "xchunked", "chunkedx", "x chunked", "chunked;q=1", "\"chunked\"", "chunk", "deflate", "chunked\x0b"[:7] + "_"]:
        yield case(post(f"Transfer-Encoding: {value}", body="0\r\n\r\n"), "501 -")
    yield case(_request("POST /echo HTTP/1.0", chunked, body="0\r\n\r\n"), "400 -")
    yield case(_request("POST /echo HTTP/1.0", "Content-Length: 5", body="hello"), "200 -", "hello")
    yield case(post("Transfer-Encoding : chunked", body="0\r\n\r\n"), "400 -")
    yield case(post(" Transfer-Encoding: chunked", body="0\r\n\r\n"), "400 -")
    yield case(post("X: y", " Transfer-Encoding: chunked", body="0\r\n\r\n"), "400 -")
    yield case(post("Transfer-Encoding: \x00chunked", body="0\r\n\r\n"), "400 -")
    yield case(post("Content-Length : 5", body="hello"), "400 -")
    yield case(post("Content-Length: 5", "X: y\x00", body="hello"), "400 -")

    # Expectations. A client that has sent its body does not wait to be told.
    yield case(post("Expect: coffee", "Content-Length: 5", body="hello"), "417 -")
    yield case(_request(get, host, "Expect: 100-continue, x"), "417 -")
    yield case(_request("POST /echo HTTP/1.0", "Expect: 100-continue", "Content-Length: 5", body="hello"), "200 -", "hello")

    # Several at once.
    yield case(_request(get, host) * 3, "200 200 200 +", "Hello, world!")
    yield case(_request(get, host) + post("Content-Length: 5", body="hello"), "200 200 +", "hello")
    yield case(post(chunked, body="5\r\nhello\r\n0\r\n\r\n") + _request(get, host), "200 200 +", "Hello, world!")
    yield case(_request("HEAD /hello HTTP/1.1", host) + post("Content-Length: 5", body="hello"), "200 200 +", "hello")
    yield case(_request(get, host) + b"\r\n" + _request(get, host), "200 200 +", "Hello, world!")
    yield case(_request(get, host) + b"GET / HTTP/9.9\r\n\r\n", "200 505 -")
    yield case(_request("GET /sleep?ms=1 HTTP/1.1", host) + _request(get, host), "200 200 +", "Hello, world!")
    yield case(_request(get, host, "Connection: close") + _request(get, host), "200 -", "Hello, world!")
    yield from _named_in_studies(case, post)


def _named_in_studies(case, post):
    """What studies of other servers name beside all that: bodies where none is expected, spellings of framing, floods."""
    host, get, chunked = "Host: a", "GET /hello HTTP/1.1", "Transfer-Encoding: chunked"

    # An absolute target does not make up for Host (RFC 9112, 3.2), and its authority has to be one.
    yield case(_request("GET http://b/hello HTTP/1.1"), "400 -")
    yield case(_request("GET http://b/hello HTTP/1.1", "Host: a b"), "400 -")
    yield case(_request("GET http://b/hello HTTP/1.0"), "200 -", "Hello, world!")
    for target in ["http://b:/hello", "http://[::1]/hello", "http://[::1]:80/hello", "http://%62/hello", "http://b/x/../hello", "hTTp://b/hello?x"]:
        yield case(_request(f"GET {target} HTTP/1.1", host), "200 +", "Hello, world!")
    for target in ["http://b", "http://b?x=y", "http://b/?x=http://c/hello"]:
        yield case(_request(f"GET {target} HTTP/1.1", host), "200 +")
    for target in ["http://", "http://[::1/hello", "http://[b]/hello", "http://b:80:80/hello", "http://b\\hello", "http://b#/hello", "http://@b/hello", "http:b/hello",
                   "http://b|c/hello", "http://b%zz/hello", "http://b:65536/hello", "ws://b/hello", "httpx://b/hello", "http//b/hello"]:
        yield case(_request(f"GET {target} HTTP/1.1", host), "400 -")
    yield case(_request("GET http://b/../hello HTTP/1.1", host), "400 +")
    yield case(_request("OPTIONS http://b/hello HTTP/1.1", host), "204 +")
    yield case(_request("OPTIONS http://b/* HTTP/1.1", host), "404 +")
    yield case(_request("OPTIONS /* HTTP/1.1", host), "404 +")

    # What answers HEAD has no content, also where the request is refused.
    yield case(_request("HEAD /nothing HTTP/1.1", host), "404 +", "")
    yield case(_request("HEAD /% HTTP/1.1", host), "400 +", "")
    yield case(_request("HEAD /hello HTTP/1.1", host, host), "400 -", "")
    yield case(_request("HEAD /hello HTTP/1.1"), "400 -", "")
    yield case(_request("HEAD /hello HTTP/2.0", host), "505 -", "")
    yield case(_request("HEAD /he llo HTTP/1.1", host), "400 -", "")
    yield case(_request("HEAD /hello HTTP/1.1", host, "X: " + "y" * 9000), "431 -", "")
    yield case(_request("HEAD /" + "a" * 9000 + " HTTP/1.1", host), "414 -", "")
    yield case(_request("HEAD /hello HTTP/1.0"), "200 -", "")

    # Content where nobody expects it is content, and never a request.
    smuggled = "GET /crash HTTP/1.1\r\nHost: a\r\n\r\n"
    in_chunks = f"{len(smuggled):x}\r\n{smuggled}\r\n0\r\n\r\n"
    for method, path, outcome in [("GET", "/hello", "200 +"), ("HEAD", "/hello", "200 +"), ("OPTIONS", "/hello", "204 +"), ("OPTIONS", "*", "204 +"), ("DELETE", "/hello", "405 +"),
                                  ("TRACE", "/hello", "405 +"), ("PUT", "/nothing", "404 +"), ("BREW", "/hello", "501 +"), ("GET", "/..", "400 +")]:
        yield case(post(chunked, body=in_chunks, method=method, path=path), outcome)
        yield case(post(f"Content-Length: {len(smuggled)}", body=smuggled, method=method, path=path), outcome)
    yield case(_request("CONNECT a:443 HTTP/1.1", host, "Content-Length: 5", body="hello"), "405 +")
    yield case(_request("CONNECT a:443 HTTP/1.1", host, chunked, body=in_chunks), "405 +")
    # So much that nobody waits for it; nothing is made ready for it either.
    for length in ["9223372036854775807", "70000", "1000000000000"]:
        yield case(post(f"Content-Length: {length}", path="/nothing"), "404 -")
        yield case(post(f"Content-Length: {length}", path="/hello"), "405 -")

    # Fields that look like framing and are none, and lists that do not change it.
    for field in ["Transfer_Encoding: chunked", "Transfer-Encodin: chunked", "X-Transfer-Encoding: chunked", "Content_Length: 7", "Content-Length-: 7", "TE: chunked", "Trailer: Content-Length",
                  "Connection: content-length", "Connection: host, content-length", "Connection: transfer-encoding", "Range: bytes=0-1", "Upgrade: h2c", "Content-Encoding: chunked"]:
        yield case(post(field, "Content-Length: 5", body="hello"), "200 +", "hello")
    yield case(post("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA", "Content-Length: 5", body="hello"), "200 +", "hello")
    yield case(_request(get, host, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 12", "Sec-WebSocket-Key: x"), "200 +", "Hello, world!")
    yield case(_request("GET /hello HTTP/1.0", "Connection: Upgrade", "Upgrade: websocket"), "200 -", "Hello, world!")
    for fields in [[chunked, "Transfer-Encoding: x"], [chunked, "transfer-encoding: chunked"], ["Transfer-Encoding:\x0bchunked"], ["Transfer-Encoding: chunked\x00"],
                   ["Transfer-Encoding: chunked\x0c"], ["Transfer-Encoding:", chunked], ["Content-Length: 5", "content-length: 5"], ["Content-Length: 5", "Content-Length:"], ["Content-Length: 5\x0b"],
                   ["Content-Length: 5\r"], ["Content-Length\x00: 5"], ["Content-Length: 18446744073709551616"], ["Content-Length: 4294967296x"], ["Content-Length: 5 5"]]:
        yield case(post(*fields, body="0\r\n\r\n"), "400 -")
    for value in ["cow, chunked", "chunked;x=y", "\x80chunked", "chunked\xa0", "cHuNkEd x", "gzip,,chunked", "'chunked'"]:
        yield case(post(f"Transfer-Encoding: {value}", body="0\r\n\r\n"), "501 -")
    yield case(_request("POST /echo HTTP/1.0", "Connection: keep-alive", "Content-Length: 5", body="hello"), "200 +", "hello")
    yield case(_request("POST /echo HTTP/1.0", "Connection: keep-alive", body=""), "200 +", "")
    yield case(post("Transfer-Encoding: x", chunked, body="0\r\n\r\n"), "501 -")
    yield case(_request("POST /echo HTTP/1.2", host, chunked, body="5\r\nhello\r\n0\r\n\r\n"), "200 +", "hello")

    # Chunks: many, long zeros, half line ends.
    form = "Content-Type: application/x-www-form-urlencoded"
    yield case(post(chunked, body="1\r\nx\r\n" * 1000 + "0\r\n\r\n"), "200 +", "x" * 1000)
    yield case(post(chunked, body="0" * 250 + "5\r\nhello\r\n0\r\n\r\n"), "200 +", "hello")
    for body in ["0" * 300 + "5\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r0\r\n\r\n", "5\rhello\r\n0\r\n\r\n", "5\r\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\n\rX", "5\r\nhello\r\n\r\n", "\x005\r\nhello\r\n",
                 "5\t\r\nhello\r\n", "5;x=\"\r\n\"\r\nhello\r\n", "5;x=\"\x7f\"\r\nhello\r\n", "\xb2\r\nhello\r\n", "0\r\nX: y\r\n folded\r\n\r\n", "0\r\n\x00: y\r\n\r\n", "0 0\r\n\r\n"]:
        yield case(post(chunked, form, body=body, path="/"), "400 -")

    # Floods.
    yield case(_request("GET /hello?" + "q" * 8000 + " HTTP/1.1", host), "200 +", "Hello, world!")
    for line, field, outcome in [("GET /" + "a" * 100_000 + " HTTP/1.1", host, "414 -"), ("G" * 100_000 + " / HTTP/1.1", host, "414 -"), (get, "X" * 100_000 + ": y", "431 -"),
                                 (get, "X: " + "y" * 100_000, "431 -"), (get, "\r\n".join(f"X{number}: y" for number in range(10_000)), "431 -")]:
        yield case(_request(line, field), outcome)
    yield case(_request("G" * 100 + " /hello HTTP/1.1", host), "501 +")
    yield case(_request(get, host) * 200, " ".join(["200"] * 200) + " +", "Hello, world!")

    # Paths that other servers have taken for others.
    for path in ["/hello.", "/hello%20", "/hello%0d%0aX:%20y", "/hello%5c", "/hello;x=y", "/hello%3fx", "/hello%23", "/%2fhello", "/hello%2f", "/.%2fhello", "/hello%09", "///hello", "/hello/./a/b", "/~/hello"]:
        yield case(_request(f"GET {path} HTTP/1.1", host), "404 +")
    for path in ["/.", "/hello/%2e%2e/", "/hello/x/../..", "/./", "/x/%2e%2e/./"]:
        yield case(_request(f"GET {path} HTTP/1.1", host), "200 +")
    for path in ["/%2e%2e", "/%2E%2E/%2E%2E/etc/passwd", "/hello/..//../..", "/x/../../hello", "/hello/%fe", "/hello/%ed%a0%80", "/hello/%f8%88%80%80%80", "/%u0041", "/hello%", "/hello/%0", "/hello/\xff"]:
        yield case(_request(f"GET {path} HTTP/1.1", host), "400 +")
    for path in ["/hello/..%5c..%5cx", "/hello/..%2f..%2fx", "/hello/%252e%252e", "/hello/...", "/hello/%0d%0aSet-Cookie:%20x"]:
        yield case(_request(f"GET {path} HTTP/1.1", host), "200 +")


def _named() -> list[Case]:
    cases = []
    for number, case in enumerate(_cases()):
        beginning = case.request[:60].decode("latin-1")
        cases.append(case._replace(name=f"{number:03} {beginning!r}"))
    return cases


CASES = _named()
