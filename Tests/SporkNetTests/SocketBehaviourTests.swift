// Streams among coroutines: cancellation, two who want the same, slow peers. The numbers are those of the list of behaviours.
import Glibc
import SporkLoop
import SporkNet
import SporkTasks
import Testing

/// A connection to oneself.
private func pair() async throws -> (SocketStream, SocketStream) {
    let listener = try Listener(try #require(SocketAddress("127.0.0.1:0")))
    let client = try await SocketStream.connect(to: listener.address)
    return (client, try #require(try await listener.accept()))
}

@Suite struct SocketBehaviourTests {
    @Test(
        "29: closing a stream wakes the reader in another coroutine; a new stream with the same number is not mixed up"
    )
    func closeWhileReading() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                for _ in 0..<100 {
                    let (client, server) = try await pair()
                    let reader = spawn { try await client.read(atMost: 10) }
                    for _ in 0..<3 { try await checkpoint() }
                    client.close()
                    let (other, otherServer) = try await pair()
                    try await otherServer.write(Array("mine".utf8))
                    do {
                        _ = try await reader.value
                        Issue.record("read from a closed stream")
                    } catch let error as StreamError { #expect(error.reason == .closed) }
                    let bytes = try await other.read(atMost: 10)
                    #expect(bytes == Array("mine".utf8))
                    server.close()
                }
            }
            exit(0)
        }
    }

    @Test("30: two coroutines that read one stream are a programming error, not a hang")
    func twoReaders() async {
        await #expect(processExitsWith: .failure) {
            try EventLoop.run {
                let (client, server) = try await pair()
                spawn { try await client.read(atMost: 10) }
                spawn { try await client.read(atMost: 10) }
                try await sleep(for: .seconds(5))
                server.close()
            }
            exit(0)
        }
    }

    @Test(
        "31: 10 MB to a slow reader arrive as they were; one that stops reading is given up, and what it took is known"
    )
    func slowReader() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let (client, server) = try await pair()
                let payload = (0..<10_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
                let writer = spawn { try await server.write(payload) }
                var received: [UInt8] = []
                while received.count < payload.count {
                    received += try await client.read(atMost: 100_000)
                    if received.count < 1_000_000 { try await sleep(for: .milliseconds(1)) }
                }
                #expect(received == payload)
                try await writer.value
                #expect(server.bytesSent == payload.count)

                server.writeTimeout = .milliseconds(20)
                let before = server.bytesSent
                do {
                    try await server.write(payload)
                    Issue.record("a peer that reads nothing took 10 MB")
                } catch let error as StreamError { #expect(error.reason == .timedOut) }
                let taken = server.bytesSent - before
                #expect(taken > 0 && taken < payload.count)
                var rest = 0
                client.readTimeout = .milliseconds(100)
                while let part = try? await client.read(atMost: 1_000_000) { rest += part.count }
                #expect(rest == taken)
            }
            exit(0)
        }
    }

    @Test("a read, a write, an accept and a connect end when their coroutine is cancelled, and nothing is lost")
    func cancellation() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let (client, server) = try await pair()
                do {
                    _ = try await withTimeout(.milliseconds(5)) { try await client.read(atMost: 10) }
                    Issue.record("there was nothing to read")
                } catch is TimeoutError {}
                let nothing = try await giveUp(after: .milliseconds(5)) { try await client.read(atMost: 10) }
                #expect(nothing == nil)
                try await server.write(Array("still here".utf8))
                let bytes = try await client.read(atMost: 10)
                #expect(bytes == Array("still here".utf8))

                let payload = [UInt8](repeating: 1, count: 20_000_000)
                let writer = spawn { try await server.write(payload) }
                for _ in 0..<3 { try await checkpoint() }
                await writer.cancelAndWait()
                do { try await writer.value } catch let error as StreamError { #expect(error.reason == .cancelled) }

                let listener = try Listener(try #require(SocketAddress("127.0.0.1:0")))
                let acceptor = spawn { try await listener.accept() }
                for _ in 0..<3 { try await checkpoint() }
                await acceptor.cancelAndWait()
                let late = try await SocketStream.connect(to: listener.address)
                let accepted = try await listener.accept()
                #expect(accepted != nil)
                late.close()
            }
            exit(0)
        }
    }
}
