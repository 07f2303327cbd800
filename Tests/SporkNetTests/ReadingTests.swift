// Reading exactly, up to something and line by line, however the bytes come: in pieces of every size, with and without an end.
import Glibc
import SporkLoop
import SporkNet
import SporkTasks
import Testing

/// Sends `text` in pieces of `size` bytes, then ends the stream.
private func send(_ text: String, inPiecesOf size: Int, to stream: SocketStream) -> Coroutine<Void> {
    let bytes = Array(text.utf8)
    return spawn {
        for start in stride(from: 0, to: bytes.count, by: size) {
            try await stream.write(bytes[start..<min(start + size, bytes.count)])
            // The reader runs before the next piece.
            for _ in 0..<3 { try await checkpoint() }
        }
        stream.shutdownWrite()
    }
}

@Suite struct ReadingTests {
    @Test("lines come out the same however they arrive; the last one needs no end; CR before LF goes")
    func lines() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                for size in 1...20 {
                    let (client, server) = try await connectedPair()
                    let sender = send("one\ntwo\r\n\nthree \u{00E9}\nfour\rfive\nrest", inPiecesOf: size, to: client)
                    var lines: [String] = []
                    for try await line in server.lines(limit: 100) { lines.append(line) }
                    #expect(lines == ["one", "two", "", "three \u{00E9}", "four\rfive", "rest"])
                    try await sender.value
                }
            }
            exit(0)
        }
    }

    @Test("a line that is too long is an error, and stays; one that just fits is none")
    func limits() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                for size in [1, 3, 100] {
                    let (client, server) = try await connectedPair()
                    let sender = send("12345\n123456\nx\n", inPiecesOf: size, to: client)
                    let first = try await server.readLine(limit: 5)
                    #expect(first == "12345")
                    for _ in 0..<2 {
                        let why = await reason { try await server.readLine(limit: 5) }
                        #expect(why == .limitExceeded(bytes: 5))
                    }
                    let (second, third) = (try await server.readLine(limit: 6), try await server.readLine(limit: 6))
                    #expect(second == "123456" && third == "x")
                    let end = try await server.readLine(limit: 6)
                    #expect(end == nil)
                    try await sender.value
                }
            }
            exit(0)
        }
    }

    @Test("up to a delimiter of several bytes, which may come in two pieces and begin falsely")
    func delimiters() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                for size in 1...8 {
                    let (client, server) = try await connectedPair()
                    let sender = send("a\r\r\r\n\r\nb\r\n\r\n", inPiecesOf: size, to: client)
                    let delimiter = Array("\r\n\r\n".utf8)
                    let head = try await server.read(until: delimiter, limit: 10)
                    #expect(head == Array("a\r\r".utf8))
                    let next = try await server.read(until: delimiter, limit: 10)
                    #expect(next == Array("b".utf8))
                    let end = try await server.read(until: delimiter, limit: 10)
                    #expect(end == nil)
                    try await sender.value
                }
                let (client, server) = try await connectedPair()
                try await client.write("no end")
                client.shutdownWrite()
                let why = await reason { try await server.read(until: [0], limit: 10) }
                #expect(why == .endOfStream)
                let rest = try await server.read(atMost: 100)
                #expect(rest == Array("no end".utf8), "what was not taken can still be read")
            }
            exit(0)
        }
    }

    @Test("exactly so many bytes; forms of reading can be mixed; too few are an error that names the peer")
    func exactly() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                for size in [1, 2, 5, 1000] {
                    let (client, server) = try await connectedPair()
                    let sender = send("line\n0123456789abc", inPiecesOf: size, to: client)
                    let line = try await server.readLine(limit: 100)
                    #expect(line == "line")
                    let four = try await server.read(exactly: 4)
                    #expect(four == Array("0123".utf8))
                    let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 3, alignment: 1)
                    try await server.read(filling: room)
                    #expect(Array(room) == Array("456".utf8))
                    room.deallocate()
                    try await sender.value
                    do {
                        _ = try await server.read(exactly: 7)
                        Issue.record("seven bytes of six")
                    } catch let error as StreamError {
                        #expect(error.reason == .endOfStream)
                        let peer = try #require(server.peerAddress)
                        #expect("\(error)" == "read from \(peer): the peer ended the stream early")
                    }
                    var buffer = [UInt8](repeating: 0, count: 10)
                    let count = try await server.read(into: &buffer)
                    #expect(buffer[..<count] == Array("789abc".utf8)[...])
                }
            }
            exit(0)
        }
    }

    @Test("a reader that is cancelled or out of time has taken nothing")
    func nothingIsLost() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let (client, server) = try await connectedPair()
                try await client.write("half a li")
                server.readTimeout = .milliseconds(20)
                let late = await reason { try await server.readLine(limit: 100) }
                #expect(late == .timedOut)
                server.readTimeout = nil
                let reader = spawn { try await server.readLine(limit: 100) }
                for _ in 0..<3 { try await checkpoint() }
                await reader.cancelAndWait()
                try await client.write("ne\n")
                let line = try await server.readLine(limit: 100)
                #expect(line == "half a line")
            }
            exit(0)
        }
    }

    @Test("what a call that failed has received stays this stream's own, whatever others read meanwhile")
    func leftovers() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let ((client, server), (otherClient, other)) = (try await connectedPair(), try await connectedPair())
                try await client.write("mine, all of these")
                client.shutdownWrite()
                let why = await reason { try await server.read(exactly: 100) }
                #expect(why == .endOfStream)
                try await otherClient.write("SECRET OF ANOTHER ONE\n")
                let line = try await other.readLine(limit: .max)
                #expect(line == "SECRET OF ANOTHER ONE")
                let rest = try await server.read(atMost: 100)
                #expect(rest == Array("mine, all of these".utf8))
            }
            exit(0)
        }
    }

    @Test("200 KB exactly, more than any buffer holds at first, beside another stream that reads meanwhile")
    func manyBytes() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let (client, server) = try await connectedPair()
                let (otherClient, otherServer) = try await connectedPair()
                let sent = (0..<200_000).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
                let writer = spawn { try await client.write(sent) }
                let chatter = spawn {
                    for number in 0..<100 {
                        try await otherClient.write("\(number)\n")
                        try await checkpoint()
                    }
                    otherClient.shutdownWrite()
                }
                let listener = spawn {
                    var lines: [String] = []
                    for try await line in otherServer.lines(limit: 10) { lines.append(line) }
                    return lines
                }
                let received = try await server.read(exactly: 200_000)
                #expect(received == sent)
                let lines = try await listener.value
                #expect(lines == (0..<100).map { "\($0)" })
                try await writer.value
                try await chatter.value
            }
            exit(0)
        }
    }
}
