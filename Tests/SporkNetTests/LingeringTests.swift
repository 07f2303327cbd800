// Connections that have said their last: they have no coroutine, what comes is dropped, and they end with their clients, or in time.
import Glibc
import SporkLoop
import SporkTasks
import Testing

@testable import SporkNet

/// Says goodbye and waits for its client to go.
private final class Goodbye: StreamHandler {
    private let stream: SocketStream
    private let patience: Duration

    init(_ stream: SocketStream, patience: Duration) {
        self.stream = stream
        self.patience = patience
    }

    func drain() {}

    func serveBurst() async throws -> StreamBurst {
        try await stream.write("goodbye")
        stream.shutdownWrite()
        return .linger(until: .fromNow(patience))
    }
}

@Suite struct LingeringTests {
    @Test("what is sent behind a goodbye is dropped, and the connection ends when its client does")
    func clientEnds() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let listener = try Listener(.loopback(port: 0))
                let server = StreamServer([listener]) { Goodbye($0, patience: .seconds(600)) }
                let running = spawn { try await server.run() }
                let before = EventLoop.statistics.coroutines
                var clients: [SocketStream] = []
                for _ in 0..<20 {
                    let client = try await SocketStream.connect(to: listener.address)
                    #expect(try await client.read(exactly: 7) == Array("goodbye".utf8))
                    #expect(try await client.read(atMost: 1).isEmpty)
                    clients.append(client)
                }
                #expect(server.connections == 20)
                // The one that accepts and the one that serves.
                #expect(EventLoop.statistics.coroutines - before <= 2)
                // More than the kernel keeps for a reader that does not read; a reset would end the writing.
                try await withTimeout(.seconds(20)) {
                    for client in clients { try await client.write([UInt8](repeating: 7, count: 8 << 20)) }
                }
                #expect(server.connections == 20)
                for client in clients { client.close() }
                while server.connections > 0 { try await sleep(for: .milliseconds(1)) }
                server.stop()
                try await running.value
            }
            exit(0)
        }
    }

    @Test("a client that stays is left after a while, and the server's end does not wait longer")
    func clientStays() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let listener = try Listener(.loopback(port: 0))
                let server = StreamServer([listener]) { Goodbye($0, patience: .milliseconds(50)) }
                let running = spawn { try await server.run() }
                let client = try await SocketStream.connect(to: listener.address)
                #expect(try await client.read(exactly: 7) == Array("goodbye".utf8))
                server.stop()
                try await withTimeout(.seconds(20)) { try await running.value }
                #expect(server.connections == 0)
                // It is closed now: what is sent meets nobody.
                await #expect(throws: (any Error).self) {
                    while true {
                        try await client.write("x")
                        try await sleep(for: .milliseconds(1))
                    }
                }
            }
            exit(0)
        }
    }

    @Test("however many flood, the loop drops a limited amount before others have their turn")
    func flood() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let listener = try Listener(.abstract("spork-flood-\(getpid())"))
                var served: [SocketStream] = []
                let server = StreamServer([listener], limits: .init()) { stream in
                    served.append(stream)
                    return Goodbye(stream, patience: .seconds(600))
                }
                spawn { try await server.run() }
                var clients: [SocketStream] = []
                for _ in 0..<64 {
                    let client = try await SocketStream.connect(to: listener.address)
                    #expect(try await client.read(exactly: 7) == Array("goodbye".utf8))
                    clients.append(client)
                }
                // What is written to a Unix socket waits at the other end at once, so it can be counted.
                let block = [UInt8](repeating: 7, count: 32 * 1024)
                try block.withUnsafeBytes { block in
                    for client in clients { while let count = try client.tryWrite(block), count > 0 {} }
                }
                @MainActor func unread() -> Int {
                    served.reduce(0) { sum, stream in
                        var count: Int32 = 0
                        _ = ioctl(stream.descriptor, UInt(FIONREAD), &count)
                        return sum + Int(count)
                    }
                }
                var (before, most, steps) = (unread(), 0, 0)
                #expect(before > 4 << 20)
                while before > 0 {
                    await EventLoop.stepBack()
                    let now = unread()
                    (most, steps) = (max(most, before - now), steps + (now < before ? 1 : 0))
                    before = now
                }
                #expect(most <= (1 << 20) + (64 << 10) && steps >= 4, "\(most) bytes at most, in \(steps) steps")
                exit(0)
            }
        }
    }

    @Test("a server that is cancelled lets go of those, too")
    func cancelled() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let sockets = openDescriptors(to: "socket:")
                let listener = try Listener(.loopback(port: 0))
                let server = StreamServer([listener]) { Goodbye($0, patience: .seconds(600)) }
                let running = spawn { try await server.run() }
                let client = try await SocketStream.connect(to: listener.address)
                #expect(try await client.read(exactly: 7) == Array("goodbye".utf8))
                running.cancel()
                await running.join()
                #expect(server.connections == 0)
                client.close()
                #expect(openDescriptors(to: "socket:") == sockets)
            }
            exit(0)
        }
    }
}
