// Streams and listeners on the loop, each test in a process of its own; see ExecutorTests.
import Glibc
import SporkLoop
import SporkNet
import SporkTasks
import Testing

@Suite struct StreamTests {
    @Test("bytes arrive whole through a slow reader, over TCP and over a Unix socket, IPv4 and IPv6")
    func echo() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let path = "unix:/tmp/spork-stream-test-\(getpid()).sock"
                for text in ["127.0.0.1:0", "[::1]:0", path] {
                    let address = try #require(SocketAddress(text))
                    let listener = try Listener(address)
                    let payload = (0..<3_000_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
                    let server = spawn {
                        let stream = try #require(try await listener.accept())
                        try await stream.write(payload)
                        stream.shutdownWrite()
                        #expect(try await stream.read(atMost: 10) == [])
                    }
                    let client = try await SocketStream.connect(to: listener.address, within: .seconds(5))
                    var received: [UInt8] = []
                    while true {
                        let part = try await client.read(atMost: 10_000)
                        if part.isEmpty { break }
                        received += part
                        if received.count < 100_000 { try await sleep(for: .milliseconds(1)) }
                    }
                    #expect(received == payload)
                    client.close()
                    try await server.value
                    listener.close()
                }
                unlink(String(path.dropFirst(5)))
            }
            exit(0)
        }
    }

    @Test("a read gives up after its time limit, and the stream can be read again")
    func readTimeout() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let listener = try Listener(try #require(SocketAddress("127.0.0.1:0")))
                let client = try await SocketStream.connect(to: listener.address)
                let server = try #require(try await listener.accept())
                client.readTimeout = .milliseconds(30)
                let clock = ContinuousClock()
                for _ in 0..<3 {
                    let time = await clock.measure {
                        #expect(await reason { try await client.read(atMost: 1) } == .timedOut)
                    }
                    #expect(time >= .milliseconds(29))
                    #expect(time < .seconds(10))
                }
                try await server.write(Array("x".utf8))
                #expect(try await client.read(atMost: 1) == Array("x".utf8))
            }
            exit(0)
        }
    }

    @Test("the time limit of a read begins with the read, however long the coroutine has worked before")
    func readTimeoutAfterWork() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                EventLoop.blockedLimit = nil
                let listener = try Listener(try #require(SocketAddress("127.0.0.1:0")))
                let client = try await SocketStream.connect(to: listener.address)
                let server = try #require(try await listener.accept())
                client.readTimeout = .milliseconds(50)
                try await server.write(Array("x".utf8))
                let start = ContinuousClock.now
                while ContinuousClock.now - start < .milliseconds(100) {}
                // Nothing has been read yet, so the first read that has to wait is the second one.
                #expect(try await client.read(atMost: 1) == Array("x".utf8))
                let time = await ContinuousClock().measure {
                    #expect(await reason { try await client.read(atMost: 1) } == .timedOut)
                }
                #expect(time >= .milliseconds(49))
            }
            exit(0)
        }
    }

    @Test("a write to a peer that takes nothing gives up after its time limit")
    func writeTimeout() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let listener = try Listener(try #require(SocketAddress("127.0.0.1:0")))
                let client = try await SocketStream.connect(to: listener.address)
                let server = try #require(try await listener.accept())
                server.writeTimeout = .milliseconds(30)
                let ended = await reason { try await server.write([UInt8](repeating: 1, count: 50_000_000)) }
                #expect(ended == .timedOut)
                client.close()
            }
            exit(0)
        }
    }

    @Test("29: closing wakes the reader with .closed, and a closed listener ends accept")
    func closeWakes() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let listener = try Listener(try #require(SocketAddress("127.0.0.1:0")))
                let client = try await SocketStream.connect(to: listener.address)
                let reader = spawn { try await client.read(atMost: 1) }
                let acceptor = spawn { () -> Bool in
                    let first = try await listener.accept()
                    let second = try await listener.accept()
                    return first != nil && second == nil
                }
                // Both are waiting when nothing has happened for a few turns.
                for _ in 0..<5 { try await sleep(for: .milliseconds(1)) }
                client.close()
                listener.close()
                #expect(await reason { try await reader.value } == .closed)
                #expect(try await acceptor.value)
                #expect(await reason { try await client.write([1]) } == .closed)
                client.close()
            }
            exit(0)
        }
    }

    @Test("a socket file that nobody listens on is replaced, a live one and a plain file are not")
    func socketFiles() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let path = "/tmp/spork-stale-test-\(getpid()).sock"
                defer { unlink(path) }
                let address = SocketAddress.unix(path)
                let first = try Listener(address)
                #expect(throws: SystemError("bind", "unix:\(path)", number: EADDRINUSE)) { try Listener(address) }
                first.close()
                let second = try Listener(address)
                second.close()
                unlink(path)
                close(creat(path, 0o600))
                #expect(throws: SystemError("bind", "unix:\(path)", number: EEXIST)) { try Listener(address) }
            }
            exit(0)
        }
    }

    @Test("32: connecting to nobody is a typed error")
    func refused() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let listener = try Listener(try #require(SocketAddress("127.0.0.1:0")))
                let address = listener.address
                listener.close()
                let error = await #expect(throws: SystemError.self) { try await SocketStream.connect(to: address) }
                #expect(error?.description == "connect \(address): connection refused")
            }
            exit(0)
        }
    }
}
