// Paths in, links out, and the small texts of HTTP: dates, ranges, entity tags, types.
import SporkHTTP
import Testing

private func withBytes<Result>(_ text: String, _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    Array(text.utf8).withUnsafeBytes(body)
}

@Suite struct PathAndTextTests {
    @Test(
        "request paths become relative ones without dot segments",
        arguments: [
            ("/", "", true), ("", "", true), ("/a", "a", false), ("/a/", "a", true), ("/a/b", "a/b", false),
            ("//a///b//", "a/b", true),
            ("/./a", "a", false), ("/a/.", "a", true), ("/a/./b", "a/b", false), ("/a/..", "", true),
            ("/a/../b", "b", false),
            ("/a/b/../../c/", "c", true), ("/a/b/..", "a", true), ("/%61", "a", false), ("/a%20b", "a b", false),
            ("/%e4%bd%a0", "你", false), ("/..a", "..a", false), ("/...", "...", false), ("/a..", "a..", false),
            ("/a/%2e%2e/b", "b", false), ("/%2E/a", "a", false), ("/a%5cb", "a\\b", false), ("/.a", ".a", false),
            ("/a%3Fb%23c", "a?b#c", false), ("/a+b", "a+b", false), ("/%25", "%", false),
            ("/%252e%252e/a", "%2e%2e/a", false),
        ]
    )
    func paths(path: String, decoded: String, isDirectory: Bool) {
        var result = RequestPath()
        #expect(withBytes(path) { result.decode($0) } == .path(isDirectory: isDirectory))
        #expect(String(decoding: result.bytes, as: UTF8.self) == decoded)
        #expect(String(cString: result.cString) == decoded)
    }

    @Test(
        "paths that name nothing here",
        arguments: [
            ("/..", RequestPath.Outcome.escapesRoot), ("/../a", .escapesRoot), ("/a/../..", .escapesRoot),
            ("/%2e%2e/", .escapesRoot),
            ("/a/../../b", .escapesRoot), ("/.%2e/a", .escapesRoot), ("/%", .malformed), ("/%4", .malformed),
            ("/%zz", .malformed),
            ("/%00", .malformed), ("/a%00.html", .malformed), ("/a\0b", .malformed), ("/%2f", .namesNothing),
            ("/a%2fb", .namesNothing),
            ("/..%2f..%2fetc", .namesNothing), ("/" + String(repeating: "a", count: 5000), .namesNothing),
        ]
    )
    func noPaths(path: String, outcome: RequestPath.Outcome) {
        var result = RequestPath()
        #expect(withBytes(path) { result.decode($0) } == outcome)
    }

    @Test("an index is appended and taken back")
    func index() {
        var path = RequestPath()
        _ = withBytes("/a/") { path.decode($0) }
        let fits = path.append(component: "index.html")
        #expect(fits)
        #expect(String(cString: path.cString) == "a/index.html")
        path.truncate(to: 1)
        #expect(String(cString: path.cString) == "a")
        _ = withBytes("/") { path.decode($0) }
        let fitsAgain = path.append(component: "index.html")
        #expect(fitsAgain)
        #expect(String(cString: path.cString) == "index.html")
    }

    @Test("every name survives being a link", arguments: ["a b", "%", "#?&;:", "你好", "\u{1}\"'<>\\", "a+b", "é"])
    func links(name: String) {
        var link = "/"
        link.append(percentEncoding: Array(name.utf8))
        #expect(link.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && $0 != UInt8(ascii: "\"") && $0 != UInt8(ascii: "<") })
        var path = RequestPath()
        #expect(withBytes(link) { path.decode($0) } == .path(isDirectory: false))
        #expect(String(cString: path.cString) == name)
    }

    @Test("nothing in a name is markup")
    func markup() {
        var page = ""
        page.append(escapingHTML: "<a href=\"x\">&'")
        #expect(page == "&lt;a href=&quot;x&quot;&gt;&amp;&#39;")
    }

    @Test(
        "dates in all three forms",
        arguments: [
            ("Sun, 06 Nov 1994 08:49:37 GMT", 784_111_777), ("Sunday, 06-Nov-94 08:49:37 GMT", 784_111_777),
            ("Sun Nov  6 08:49:37 1994", 784_111_777), ("Thu, 01 Jan 1970 00:00:00 GMT", 0),
            ("Thu, 29 Feb 2024 23:59:59 GMT", 1_709_251_199), ("Fri, 31 Dec 9999 23:59:59 GMT", 253_402_300_799),
            ("Tue, 29 Feb 2000 00:00:00 GMT", 951_782_400), ("Wed Nov 16 08:49:37 1994", 784_975_777),
            ("Sat, 31 Dec 2016 23:59:60 GMT", 1_483_228_799),
        ]
    )
    func dates(text: String, seconds: Int) {
        #expect(withBytes(text) { HTTPDate.parse($0, now: 1_790_000_000) } == seconds)
    }

    @Test(
        "what is no date",
        arguments: [
            "", "Sun", "Sun, 06 Nov 1994", "Mon, 06 Nov 1994 08:49:37 GMT", "Sun, 6 Nov 1994 08:49:37 GMT",
            "Sun, 06 Nov 1994 08:49:37",
            "Sun, 06 Nov 1994 08:49:37 UTC", "Sun, 06 Nov 1994 24:00:00 GMT", "Sun, 06 Nov 1994 08:60:00 GMT",
            "sun, 06 nov 1994 08:49:37 gmt",
            "Thu, 29 Feb 2023 00:00:00 GMT", "Sun, 31 Nov 1994 00:00:00 GMT", "Sun, 00 Nov 1994 00:00:00 GMT",
            "Wed, 31 Dec 1969 23:59:59 GMT", "Sun, 06 Nov 1994 08:49:37 GMT ", "Sun Nov 6 08:49:37 1994",
            "1994-11-06T08:49:37Z",
            "Monday, 06-Nov-94 08:49:37 GMT", "Sunday 06-Nov-94 08:49:37 GMT", ",", "Sun,",
        ]
    )
    func noDates(text: String) { #expect(withBytes(text) { HTTPDate.parse($0, now: 1_790_000_000) } == nil) }

    @Test("every day of 200 years is written as it is read")
    func roundTrip() {
        for day in 0..<73_000 {
            let seconds = day * 86_400 + day * 7919 % 86_400
            #expect(withBytes(HTTPDate.string(seconds)) { HTTPDate.parse($0, now: 0) } == seconds)
        }
        #expect(HTTPDate.string(784_111_777) == "Sun, 06 Nov 1994 08:49:37 GMT")
    }

    @Test(
        "ranges of ten bytes",
        arguments: [
            ("bytes=0-0", ByteRange.partial(0..<1)), ("bytes=0-9", .partial(0..<10)), ("bytes=0-", .partial(0..<10)),
            ("bytes=5-", .partial(5..<10)), ("bytes=-3", .partial(7..<10)), ("bytes=-10", .partial(0..<10)),
            ("bytes=-99", .partial(0..<10)),
            ("bytes=2-99", .partial(2..<10)), ("bytes=9-9", .partial(9..<10)), ("BYTES=1-2", .partial(1..<3)),
            ("bytes= 1-2 ", .partial(1..<3)), ("bytes=1-99999999999999999999999", .partial(1..<10)),
            ("bytes=10-", .unsatisfiable), ("bytes=10-20", .unsatisfiable), ("bytes=-0", .unsatisfiable),
            ("bytes=99999999999999999999999-", .unsatisfiable), ("bytes=", .whole),
            ("bytes=-", .whole),
            ("bytes=a-b", .whole), ("bytes=2-1", .whole), ("bytes=1", .whole), ("items=0-1", .whole), ("", .whole),
            ("bytes 0-1", .whole), ("bytes\u{1D}0-1", .whole),
            ("bytes=0-1-2", .whole), ("bytes=+1-2", .whole), ("bytes=0x0-1", .whole), ("bytes=1 - 2", .whole),
        ]
    )
    func ranges(value: String, range: ByteRange) { #expect(withBytes(value) { ByteRange($0, size: 10) } == range) }

    @Test("nothing of nothing can be asked for")
    func emptyRanges() {
        #expect(withBytes("bytes=0-") { ByteRange($0, size: 0) } == .unsatisfiable)
        #expect(withBytes("bytes=-1") { ByteRange($0, size: 0) } == .unsatisfiable)
    }

    @Test(
        "entity tags in lists",
        arguments: [
            ("\"a\"", true, true), ("*", true, true), ("W/\"a\"", false, true), ("\"b\", \"a\"", true, true),
            ("\"b\",W/\"a\"", false, true),
            ("\"b\"", false, false), ("a", false, false), ("\"a", false, false), ("", false, false),
            ("\"b,\"a\"", false, false),
            ("\"x,y\" , \"a\"", true, true), ("W/", false, false), ("\"A\"", false, false),
        ]
    )
    func entityTags(list: String, strongly: Bool, weakly: Bool) {
        withBytes("\"a\"") { tag in
            #expect(withBytes(list) { Preconditions.matches($0, tag, strongly: true) } == strongly)
            #expect(withBytes(list) { Preconditions.matches($0, tag, strongly: false) } == weakly)
        }
    }

    @Test(
        "conditions in the order of the standard",
        arguments: [
            ("", Preconditions.Outcome.proceed(range: true)),
            ("If-Match: \"a\"\r\n", .proceed(range: true)), ("If-Match: *\r\n", .proceed(range: true)),
            ("If-Match: \"b\"\r\n", .failed),
            ("If-Match: W/\"a\"\r\n", .failed), ("If-None-Match: \"a\"\r\n", .notModified),
            ("If-None-Match: W/\"a\"\r\n", .notModified),
            ("If-None-Match: *\r\n", .notModified), ("If-None-Match: \"b\"\r\n", .proceed(range: true)),
            ("If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", .notModified),
            ("If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", .proceed(range: true)),
            ("If-Modified-Since: Fri, 31 Dec 9999 23:59:59 GMT\r\n", .proceed(range: true)),
            ("If-Modified-Since: yesterday\r\n", .proceed(range: true)),
            ("If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\nIf-None-Match: \"b\"\r\n", .proceed(range: true)),
            ("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n", .failed),
            ("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n", .proceed(range: true)),
            ("If-Unmodified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\nIf-Match: \"a\"\r\n", .proceed(range: true)),
            ("If-Match: \"b\"\r\nIf-None-Match: \"a\"\r\n", .failed), ("If-Range: \"a\"\r\n", .proceed(range: true)),
            ("If-Range: \"b\"\r\n", .proceed(range: false)), ("If-Range: W/\"a\"\r\n", .proceed(range: false)),
            ("If-Range: Sun, 06 Nov 1994 08:49:37 GMT\r\n", .proceed(range: true)),
            ("If-Range: Sun, 06 Nov 1994 08:49:38 GMT\r\n", .proceed(range: false)),
        ]
    )
    func conditions(fields: String, outcome: Preconditions.Outcome) {
        let head = RequestHead()
        var parser = RequestParser()
        _ = withBytes("GET / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n") { parser.advance(over: $0, into: head) }
        let answer = withBytes("\"a\"") {
            Preconditions.evaluate(head, entityTag: $0, modified: 784_111_777, now: 1_790_000_000)
        }
        #expect(answer == outcome)
    }

    @Test(
        "types by extension",
        arguments: [
            ("a.html", "text/html; charset=utf-8"), ("A.HTM", "text/html; charset=utf-8"),
            ("a.js", "text/javascript; charset=utf-8"),
            ("a.css", "text/css; charset=utf-8"), ("a.json", "application/json; charset=utf-8"), ("a.png", "image/png"),
            ("dir.d/a.svg", "image/svg+xml; charset=utf-8"), ("a.tar.gz", "application/gzip"),
            ("a.woff2", "font/woff2"),
            ("a.wasm", "application/wasm"), ("README", "application/octet-stream"), ("a.", "application/octet-stream"),
            ("a.unknownextension", "application/octet-stream"), ("", "application/octet-stream"),
            ("你.txt", "text/plain; charset=utf-8"),
        ]
    )
    func types(name: String, type: String) { #expect(MediaType.forFile(named: Array(name.utf8)) == type) }
}
