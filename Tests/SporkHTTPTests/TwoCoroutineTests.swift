// Handlers of two coroutines, one of which still reads or writes when it should not: an answer that is complete while another coroutine waits for the
// request's body, and bodies of which a piece was given up half-way.
import Glibc
import SporkLoop
import SporkNet
import SporkTasks
import Testing

@testable import SporkHTTP

/// What became of a reader.
private final class Reader {
    private(set) var end: String?
    let hasEnded = Event()

    func read(_ request: Request) async {
        do {
            for try await _ in request.body {}
            end = "whole"
        } catch { end = "\(error)" }
        hasEnded.set()
    }
}

private final class Readers { var now = Reader() }

@Suite struct TwoCoroutineTests {
    @Test("an answer takes the body away from a coroutine that still reads it; the connection goes on behind the rest")
    func readersAreTold() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                let readers = Readers()
                router.post("/{status}") { request in
                    let reader = readers.now
                    spawn("reader") { await reader.read(request) }
                    try await sleep(for: .milliseconds(20))
                    switch request["status"] {
                    case "text": return Response(text: "done")
                    case "bytes": return Response(bytes: [UInt8](repeating: 0x61, count: 300_000))
                    case "stream": return Response.stream(type: "text/plain") { try await $0.write("done") }
                    case "failing": return Response.stream(type: "text/plain") { _ in throw HTTPError(.conflict) }
                    case let code:
                        let status = Status(UInt16(code) ?? 500, "")
                        // As a proxy answers: a stream that is not sent.
                        return Response.stream(status, length: 0) { try await $0.write("") }
                    }
                }
                router.get("/next") { _ in "next" }
                let service = try Service(router)
                for path in ["text", "bytes", "stream", "failing", "204", "205", "304"] {
                    let reader = Reader()
                    readers.now = reader
                    let client = try await SocketStream.connect(to: service.listener.address)
                    client.readTimeout = .seconds(10)
                    try await client.write("POST /\(path) HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc")
                    try await reader.hasEnded.wait()
                    #expect(reader.end == "400 Bad Request: the request has been answered", "\(path)")
                    try await client.write("defghij" + get("/next").replacingLineEnds())
                    let answers = try await client.readToEnd()
                    #expect(answers.hasSuffix("\r\n\r\nnext"), "\(path): \(answers.suffix(300))")
                    #expect(answers.components(of: "HTTP/1.1 ") == 2, "\(path)")
                }
                exit(0)
            }
        }
    }

    @Test("events can be made of a body that still comes")
    func eventsOfABody() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                router.post("/") { request in
                    Response.events { events in
                        for try await piece in request.body {
                            try await events.send(String(decoding: piece, as: UTF8.self))
                        }
                    }
                }
                let service = try Service(router)
                let client = try await SocketStream.connect(to: service.listener.address)
                client.readTimeout = .seconds(10)
                try await client.write(
                    "POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 10\r\n\r\nhello"
                )
                while try await !client.readLine(limit: 1000)!.isEmpty {}
                #expect(try await client.read(exactly: 18) == Array("d\r\ndata: hello\n\n\r\n".utf8))
                try await client.write("world")
                #expect(try await client.readToEnd() == "d\r\ndata: world\n\n\r\n0\r\n\r\n")
                exit(0)
            }
        }
    }

    @Test("nothing is said in the middle of an answer: no word to go on, no head once more, no early hints")
    func nothingInBetween() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                let reader = Reader()
                let block = ByteBlock(copying: [UInt8](repeating: 0x61, count: 16 << 20))
                router.post("/") { request in
                    spawn("reader") {
                        try await sleep(for: .milliseconds(50))
                        try await request.sendEarlyHints(["</a>; rel=preload"])
                        await reader.read(request)
                    }
                    return Response(.ok, contentType: nil, body: .block(block, 0..<block.bytes.count))
                }
                let service = try Service(router)
                let client = try await SocketStream.connect(to: service.listener.address)
                client.readTimeout = .seconds(10)
                try await client.write(
                    "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n"
                )
                // The answer does not fit into the sockets: it is under way meanwhile.
                try await reader.hasEnded.wait()
                let answer = try await client.readToEnd()
                #expect(answer.components(of: "HTTP/1.1 ") == 1)
                #expect(answer.utf8.count - block.bytes.count < 300 && answer.hasSuffix("aaa"))
                #expect(reader.end == "400 Bad Request: the request has been answered")
                exit(0)
            }
        }
    }

    @Test("a piece of an answer that was given up is the last: nothing follows it, and the body has no end")
    func givenUpAnswers() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                for length in [Int?.none, (32 << 20) + 4] {
                    let router = Router()
                    var late: [any Error] = []
                    router.get("/") { _ in
                        Response.stream(type: "text/plain", length: length) { body in
                            let piece = [UInt8](repeating: 0x61, count: 32 << 20)
                            try? await withTimeout(.milliseconds(50)) { try await body.write(piece) }
                            do { try await body.write("more") } catch { late.append(error) }
                            do { try await body.flush() } catch { late.append(error) }
                        }
                    }
                    let service = try Service(router)
                    let client = try await SocketStream.connect(to: service.listener.address)
                    client.readTimeout = .seconds(10)
                    try await client.write("GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n")
                    while late.count < 2 { try await sleep(for: .milliseconds(5)) }
                    var all: [UInt8] = []
                    // Its connection is closed with a request unread, which may be a reset.
                    while let more = try? await client.read(atMost: 1 << 20), !more.isEmpty { all += more }
                    #expect(late.allSatisfy { $0 as? BodyError == .ended })
                    #expect(all.count < 32 << 20 && all.suffix(4).allSatisfy { $0 == 0x61 })
                }
                exit(0)
            }
        }
    }

    @Test("a piece of a request's body that was given up ends the request, and its connection")
    func givenUpRequests() async {
        await #expect(processExitsWith: .success) {
            try clientProgram {
                let goOn = Event()
                var got: [UInt8] = []
                let hasClosed = Event()
                let server = try ScriptedServer({ stream in
                    _ = try await stream.readHead()
                    try await goOn.wait()
                    while let more = try? await stream.read(atMost: 1 << 20), !more.isEmpty { got += more }
                    hasClosed.set()
                })
                let client = HTTPClient()
                var late: (any Error)?
                let body = ClientRequest.Body.stream(length: nil) { body in
                    let piece = [UInt8](repeating: 0x61, count: 32 << 20)
                    try? await withTimeout(.milliseconds(50)) { try await body.write(piece) }
                    do { try await body.write("more") } catch { late = error }
                    goOn.set()
                }
                same(
                    await clientError { _ = try await client.post(server.url, body) },
                    "a part of the body was given up"
                )
                #expect(late as? BodyError == .ended)
                try await hasClosed.wait()
                #expect(got.suffix(4).allSatisfy { $0 == 0x61 })
                same(client.statistics.connections, 0)
            }
        }
    }

    @Test("a body that is dropped while another coroutine reads it ends there; two readers are told from one another")
    func droppedBodies() async {
        await #expect(processExitsWith: .success) {
            try clientProgram {
                let server = try ScriptedServer({ stream in
                    try await stream.answer("HTTP/1.1 200 OK\nContent-Length: 9\n\n")
                    _ = try await stream.untilClosed()
                })
                let client = HTTPClient()
                let response = try await client.get(server.url)
                let reader = spawn { await clientError { _ = try await response.body.bytes(upTo: 9) } }
                try await sleep(for: .milliseconds(20))
                same(
                    await clientError { _ = try await response.body.bytes(upTo: 9) },
                    "another coroutine reads the body"
                )
                response.body.drop()
                same(try await reader.value, "closed")
                same(client.statistics.connections, 0)
            }
        }
    }
}

extension String {
    /// How often `text` stands in it, for texts that cannot overlap themselves.
    fileprivate func components(of text: String) -> Int {
        let (bytes, wanted) = (Array(utf8), Array(text.utf8))
        var (count, position) = (0, 0)
        while position + wanted.count <= bytes.count {
            if bytes[position] == wanted[0], bytes[position..<(position + wanted.count)].elementsEqual(wanted) {
                count += 1
            }
            position += 1
        }
        return count
    }
}
