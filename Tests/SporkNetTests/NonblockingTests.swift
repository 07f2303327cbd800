// The forms that never wait: a limit of zero, `try…`, and a connection that is begun and looked after.
import Glibc
import SporkLoop
import SporkNet
import SporkTasks
import Testing

@Suite struct NonblockingTests {
    @Test("with a limit of zero accept, read and write throw wouldBlock instead of waiting; try forms say nil")
    func wouldBlock() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let listener = try Listener(.loopback(port: 0))
                let nobody = try listener.tryAccept()
                #expect(nobody == nil)
                let accepting = await reason { try await listener.accept(within: .zero) }
                #expect(accepting == .wouldBlock)
                let late = await reason { try await listener.accept(within: .milliseconds(10)) }
                #expect(late == .timedOut)

                let client = try await SocketStream.connect(to: listener.address)
                let server = try #require(try await listener.accept(within: .seconds(5)))
                server.readTimeout = .zero
                let reading = await reason { try await server.read(atMost: 10) }
                #expect(reading == .wouldBlock)
                let nothing = try server.tryRead(atMost: 10)
                #expect(nothing == nil)

                client.writeTimeout = .zero
                let block = [UInt8](repeating: 7, count: 1 << 20)
                let writing = await reason { for _ in 0..<100 { try await client.write(block) } }
                #expect(writing == .wouldBlock)
                let room = try client.tryWrite(block[...])
                #expect(room == nil)
                let some = try await server.read(atMost: 10)
                #expect(some.count == 10)
            }
            exit(0)
        }
    }

    @Test("a connection that was begun stands after a while, or has failed with an error that names it")
    func connecting() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let listener = try Listener(.loopback(port: 0))
                let stream = try SocketStream.beginConnecting(to: listener.address)
                while try !stream.tryFinishConnecting() { try await checkpoint() }
                try await stream.write("hello")
                let server = try #require(try await listener.accept())
                let heard = try await server.read(exactly: 5)
                #expect(heard == Array("hello".utf8))
                listener.close()
                do {
                    let refused = try SocketStream.beginConnecting(to: listener.address)
                    while try !refused.tryFinishConnecting() { try await checkpoint() }
                    Issue.record("connected to nobody")
                } catch let error as SystemError {
                    #expect("\(error)" == "connect \(listener.address): connection refused")
                }
            }
            exit(0)
        }
    }

    @Test("options are set and told; what the kernel refuses is an error that names option and peer")
    func options() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let (client, server) = try await connectedPair()
                let (ours, theirs) = (try client.get(.noDelay), try server.get(.noDelay))
                #expect(ours && theirs, "small writes go out at once on both sides")
                try client.set(.keepAlive, to: true)
                try client.set(.keepAliveIdle, to: .seconds(7))
                try client.set(.userTimeout, to: .milliseconds(1500))
                try client.set(.sendBuffer, to: 20_000)
                let (idle, timeout, buffer) = (
                    try client.get(.keepAliveIdle), try client.get(.userTimeout), try client.get(.sendBuffer)
                )
                #expect(idle == .seconds(7) && timeout == .milliseconds(1500) && buffer >= 20_000)
                do {
                    try client.set(.keepAliveIdle, to: .seconds(-5))
                    Issue.record("a negative time was taken")
                } catch {
                    #expect("\(error)" == "set TCP_KEEPIDLE of \(server.localAddress!): invalid argument")
                }
                client.close()
                #expect(throws: SystemError.self) { try client.set(.noDelay, to: true) }
            }
            exit(0)
        }
    }

    @Test("a stream that is reset tells its peer so; both addresses are known")
    func resetting() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let (client, server) = try await connectedPair()
                #expect(client.localAddress == server.peerAddress && client.peerAddress == server.localAddress)
                client.reset()
                let why = await reason { try await server.read(atMost: 1) }
                #expect(why == .system(number: ECONNRESET))
            }
            exit(0)
        }
    }

    @Test("pieces are written in their order, however many, empty ones too, to a slow reader")
    func pieces() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let (client, server) = try await connectedPair()
                try client.set(.sendBuffer, to: 8_000)
                let pieces = (0..<500).map { [UInt8](repeating: UInt8(truncatingIfNeeded: $0), count: $0 * 7 % 900) }
                let writer = spawn {
                    try await client.write(pieces)
                    client.shutdownWrite()
                }
                var received: [UInt8] = []
                while true {
                    let part = try await server.read(atMost: 700)
                    if part.isEmpty { break }
                    received += part
                }
                try await writer.value
                #expect(received == pieces.flatMap { $0 })
            }
            exit(0)
        }
    }
}
