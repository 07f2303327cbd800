// Answers of the file service, without a connection. What a client sees of them is tested from outside.
import Glibc
import SporkHTTP
import SporkLoop
import Testing

@testable import Spork

@Suite struct FileServiceTests {
    private static func respond(_ service: FileService, _ lines: String...) throws -> Response {
        let text = (lines + ["Host: a", "", ""]).joined(separator: "\r\n")
        let head = RequestHead()
        var parser = RequestParser()
        let outcome = Array(text.utf8).withUnsafeBytes { parser.advance(over: $0, into: head) }
        try #require(outcome == .head(length: text.utf8.count))
        return service.respond(to: head)
    }

    private static func value(_ name: String, of response: Response) -> String? {
        response.headers.first { "\($0.name)" == name }?.value
    }

    @Test("methods: what is allowed, what is understood, what is neither")
    func methods() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let directory = try TemporaryDirectory()
                defer { directory.remove() }
                try directory.write("one", to: "a")
                let service = FileService(try ServedDirectory(directory.path))
                let codes = [
                    ("GET", 200), ("HEAD", 200), ("OPTIONS", 204), ("POST", 405), ("PUT", 405), ("DELETE", 405),
                    ("PATCH", 405), ("TRACE", 405), ("BREW", 501),
                ]
                for (method, code) in codes {
                    let response = try Self.respond(service, "\(method) /a HTTP/1.1")
                    #expect(response.status.code == code, "\(method)")
                    let allows = Self.value("Allow", of: response)
                    #expect(allows == (code == 204 || code == 405 ? "GET, HEAD, OPTIONS" : nil))
                }
            }
            exit(0)
        }
    }

    @Test("validators of an answer make the next one short")
    func validators() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let directory = try TemporaryDirectory()
                defer { directory.remove() }
                try directory.write("one", to: "a")
                let service = FileService(try ServedDirectory(directory.path))
                let part = try Self.respond(service, "GET /a HTTP/1.1", "Range: bytes=1-")
                #expect(part.status == .partialContent)
                #expect(Self.value("Content-Range", of: part) == "bytes 1-2/3")
                let tag = try #require(Self.value("ETag", of: part))
                let modified = try #require(Self.value("Last-Modified", of: part))
                #expect(try Self.respond(service, "GET /a HTTP/1.1", "If-None-Match: \(tag)").status == .notModified)
                #expect(
                    try Self.respond(service, "GET /a HTTP/1.1", "If-Modified-Since: \(modified)").status
                        == .notModified
                )
                #expect(
                    try Self.respond(service, "GET /a HTTP/1.1", "If-Match: \"other\"").status == .preconditionFailed
                )
                #expect(try Self.respond(service, "GET /a HTTP/1.1", "If-None-Match: \"other\"").status == .ok)
                try directory.write("two", to: "a", age: 50)
                #expect(
                    try Self.respond(
                        FileService(try ServedDirectory(directory.path)),
                        "GET /a HTTP/1.1",
                        "If-None-Match: \(tag)"
                    ).status
                        == .ok
                )
            }
            exit(0)
        }
    }

    @Test("a directory without a slash is sent to the one with it, on this host whatever the path looks like")
    func redirects() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let directory = try TemporaryDirectory()
                mkdir("\(directory.path)/d", 0o755)
                defer {
                    rmdir("\(directory.path)/d")
                    directory.remove()
                }
                let service = FileService(try ServedDirectory(directory.path))
                for (target, location) in [("/d", "/d/"), ("//d?a=1&b", "/d/?a=1&b"), ("/.//d", "/d/")] {
                    let response = try Self.respond(service, "GET \(target) HTTP/1.1")
                    #expect(response.status == .movedPermanently)
                    #expect(Self.value("Location", of: response) == location)
                }
                #expect(try Self.respond(service, "GET /d/ HTTP/1.1").status == .ok)
            }
            exit(0)
        }
    }
}
