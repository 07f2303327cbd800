// Files as handlers answer with them: conditions, ranges, names for downloads, and that no path leads out of a directory.
import Glibc
import SporkHTTP
import SporkLoop
import SporkNet
import SporkTasks
import Testing

@testable import Spork

/// Calls a handler with requests, without a connection.
private func respond(_ lines: [String], _ handle: (Request) throws -> Response) throws -> Response {
    let request = Request()
    let text = (lines + ["Host: a", "", ""]).joined(separator: "\r\n")
    var parser = RequestParser()
    let outcome = Array(text.utf8).withUnsafeBytes { parser.advance(over: $0, into: request.head) }
    try #require(outcome == .head(length: text.utf8.count))
    do { return try handle(request) } catch let error as HTTPError { return error.response }
}

/// What would be sent.
private func bytes(_ body: Response.Body) -> String {
    switch body {
    case .text(let text): return text
    case .bytes(let bytes): return String(decoding: bytes, as: UTF8.self)
    case .block(let block, let range):
        return String(decoding: UnsafeRawBufferPointer(rebasing: block.bytes[range]), as: UTF8.self)
    case .file(let file, let range):
        var memory = [UInt8](repeating: 0, count: range.count)
        let count = pread(file.descriptor, &memory, range.count, off_t(range.lowerBound))
        return String(decoding: memory.prefix(max(0, count)), as: UTF8.self)
    case .pieces(let pieces): return pieces.map(bytes).joined()
    case .empty, .stream, .events, .takeover: return ""
    }
}

@Suite struct FileAnswerTests {
    @Test("a small file and a large one: whole, in ranges, short for who has it; other methods get the whole")
    func conditionsAndRanges() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let directory = try TemporaryDirectory()
                defer { directory.remove() }
                let served = try ServedDirectory(directory.path)
                for count in [10, 20_000] {
                    let content = String((0..<count).map { Character(Unicode.Scalar(UInt8(97 + $0 % 26))) })
                    try directory.write(content, to: "a")
                    @MainActor func ask(_ method: String, _ fields: String...) throws -> Response {
                        try respond(["\(method) / HTTP/1.1"] + fields) {
                            try Response.file("a", in: served, for: $0, type: "text/x", download: "\u{e4}.txt")
                        }
                    }
                    let whole = try ask("GET")
                    #expect(whole.status == .ok && bytes(whole.body) == content && whole.body.count == count)
                    #expect(whole.headers["Content-Type"] == "text/x" && whole.headers["Accept-Ranges"] == "bytes")
                    #expect(
                        whole.headers["Content-Disposition"]
                            == "attachment; filename=\"_.txt\"; filename*=UTF-8''%C3%A4.txt"
                    )
                    let tag = try #require(whole.headers["ETag"]), date = try #require(whole.headers["Last-Modified"])
                    let short = try ask("GET", "If-None-Match: \(tag)", "Range: bytes=0-1")
                    #expect(short.status == .notModified && short.headers["ETag"] == tag)
                    #expect(try ask("HEAD", "If-Modified-Since: \(date)").status == .notModified)
                    #expect(try ask("GET", "If-Match: \"x\"").status == .preconditionFailed)
                    #expect(
                        try ask("GET", "If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT").status
                            == .preconditionFailed
                    )
                    let part = try ask("GET", "Range: bytes=2-4", "If-Range: \(tag)")
                    #expect(part.status == .partialContent && bytes(part.body) == "cde")
                    #expect(part.headers["Content-Range"] == "bytes 2-4/\(count)")
                    #expect(part.headers["Content-Disposition"] == whole.headers["Content-Disposition"])
                    #expect(try ask("GET", "Range: bytes=2-4", "If-Range: \"x\"").status == .ok)
                    #expect(try ask("HEAD", "Range: bytes=2-4").status == .ok)
                    let beyond = try ask("GET", "Range: bytes=\(count)-")
                    #expect(
                        beyond.status == .rangeNotSatisfiable && beyond.headers["Content-Range"] == "bytes */\(count)"
                    )
                    let put = try ask("PUT", "Range: bytes=2-4", "If-None-Match: \(tag)", "Content-Length: 0")
                    #expect(put.status == .ok && put.body.count == count)

                    let several = try ask("GET", "Range: bytes=0-1, 4-5,-2")
                    let type = try #require(several.headers["Content-Type"])
                    #expect(several.status == .partialContent && several.headers["Content-Range"] == nil)
                    let boundary = try #require(type.split(separator: "boundary=").last)
                    #expect(type == "multipart/byteranges; boundary=\(boundary)")
                    @MainActor func piece(_ start: Int, _ text: String) -> String {
                        "\r\n--\(boundary)\r\nContent-Type: text/x\r\nContent-Range: bytes \(start)-\(start + 1)/\(count)\r\n\r\n\(text)"
                    }
                    let expected =
                        piece(0, "ab") + piece(4, "ef") + piece(count - 2, String(content.suffix(2)))
                        + "\r\n--\(boundary)--\r\n"
                    #expect(bytes(several.body) == expected)
                    #expect(several.body.count == expected.utf8.count)
                    let other = try ask("GET", "Range: bytes=0-1, 4-5")
                    #expect(other.headers["Content-Type"] != type, "nobody can know the boundary")
                }
            }
            exit(0)
        }
    }

    @Test("nothing outside of the directory, no directories, no pipes; types by name; files by path and by descriptor")
    func places() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let directory = try TemporaryDirectory()
                mkdir("\(directory.path)/d", 0o755)
                symlink("/etc/passwd", "\(directory.path)/new")
                mkfifo("\(directory.path)/large1", 0o644)
                defer {
                    rmdir("\(directory.path)/d")
                    directory.remove()
                }
                try directory.write("one", to: "a")
                try directory.write("{}", to: "b")
                let served = try ServedDirectory(directory.path)
                let paths = [
                    ("a", 200), ("./a", 200), ("d/../a", 200), ("", 404), ("missing", 404), ("d", 404), ("d/", 404),
                    (".", 404),
                    ("a/b", 404), ("a\0", 404), ("..", 403), ("../a", 403), ("/etc/passwd", 403), ("new", 403),
                    ("large1", 403),
                    (String(repeating: "x/", count: 3000), 404),
                ]
                for (path, code) in paths {
                    let response = try respond(["GET / HTTP/1.1"]) { try Response.file(path, in: served, for: $0) }
                    #expect(response.status.code == code, "\(path)")
                }
                // The program's own paths lead where they lead.
                for (path, code) in [
                    ("\(directory.path)/a", 200), ("\(directory.path)/d", 404), ("/none", 404), ("/dev/null", 403),
                ] {
                    let response = try respond(["GET / HTTP/1.1"]) { try Response.file(path, for: $0) }
                    #expect(response.status.code == code, "\(path)")
                }
                let fifo = try respond(["GET / HTTP/1.1"]) { try Response.file("\(directory.path)/large1", for: $0) }
                #expect(fifo.status == .forbidden, "and nobody waits for a writer")

                let before = openDescriptors()
                do {
                    let descriptor = open("\(directory.path)/b", O_RDONLY)
                    let response = try respond(["GET / HTTP/1.1"]) {
                        try Response.file(descriptor: descriptor, for: $0)
                    }
                    #expect(
                        response.headers["Content-Type"] == "application/octet-stream" && bytes(response.body) == "{}"
                    )
                    var ends: [Int32] = [0, 0]
                    pipe(&ends)
                    for wrong in [ends[0], -1] {
                        let response = try respond(["GET / HTTP/1.1"]) { try Response.file(descriptor: wrong, for: $0) }
                        #expect(response.status == .forbidden)
                    }
                    close(ends[1])
                    for path in paths {
                        _ = try respond(["GET / HTTP/1.1"]) { try Response.file(path.0, in: served, for: $0) }
                    }
                }
                #expect(openDescriptors() == before, "nothing stays open")
            }
            exit(0)
        }
    }
}

private func openDescriptors() -> Int { (0..<256).count { fcntl(Int32($0), F_GETFD) >= 0 } }
