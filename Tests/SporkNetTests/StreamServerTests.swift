// A server of streams without a master: what it does with silent connections, with limits, and at its end.
import Glibc
import SporkLoop
import SporkNet
import SporkTasks
import Testing

/// Sends back what comes, and lets go of its coroutine in between.
private final class Parrot: StreamHandler {
    private let stream: SocketStream
    private let silence: Duration
    private var isDraining = false

    init(_ stream: SocketStream, silence: Duration) {
        self.stream = stream
        self.silence = silence
    }

    func drain() { isDraining = true }

    func serveBurst() async throws -> StreamBurst {
        while let bytes = try stream.tryRead(atMost: 100) {
            if bytes.isEmpty { return .close }
            try await stream.write(bytes)
        }
        return isDraining ? .close : .wait(until: .fromNow(silence))
    }
}

private func server(_ listener: Listener, waitingCoroutines: Int, silence: Duration = .seconds(60)) -> StreamServer {
    var limits = StreamServer.Limits()
    limits.waitingCoroutines = waitingCoroutines
    return StreamServer([listener], limits: limits) { Parrot($0, silence: silence) }
}

private func exchange(_ text: String, with stream: SocketStream) async throws {
    try await stream.write(text)
    let answer = try await stream.read(exactly: text.utf8.count)
    #expect(String(decoding: answer, as: UTF8.self) == text)
}

@Suite struct StreamServerTests {
    @Test(
        "silent connections have no coroutine, answer when something comes, are closed when they are silent too long",
        arguments: [0, 3, 100]
    )
    func silentConnections(waiting: Int) async {
        await #expect(processExitsWith: .success) { [waiting] in
            try EventLoop.run {
                let listener = try Listener(.loopback(port: 0))
                let server = server(listener, waitingCoroutines: waiting, silence: .milliseconds(400))
                let running = spawn { try await server.run() }
                let before = EventLoop.statistics.coroutines
                var clients: [SocketStream] = []
                for _ in 0..<10 { clients.append(try await .connect(to: listener.address)) }
                for round in 0..<3 {
                    for client in clients { try await exchange("round \(round)", with: client) }
                    #expect(server.connections == 10)
                    let kept = EventLoop.statistics.coroutines - before
                    // The one that accepts and the one that serves are among them.
                    #expect(kept <= min(waiting, 10) + 2, "\(kept) coroutines for ten silent connections")
                }
                // None says anything any more.
                for client in clients {
                    let end = try await withTimeout(.seconds(20)) { try await client.read(atMost: 1) }
                    #expect(end.isEmpty)
                }
                #expect(server.connections == 0)
                server.stop()
                try await running.value
            }
            exit(0)
        }
    }

    @Test(
        "stopping drains silent ones, takes what is in the queue, and ends; cancelling ends at once",
        arguments: [0, 100]
    )
    func ends(waiting: Int) async {
        await #expect(processExitsWith: .success) { [waiting] in
            try EventLoop.run {
                for isCancelled in [false, true] {
                    let listener = try Listener(.loopback(port: 0))
                    let server = server(listener, waitingCoroutines: waiting)
                    let running = spawn { try await server.run() }
                    var clients: [SocketStream] = []
                    for _ in 0..<5 { clients.append(try await .connect(to: listener.address)) }
                    for client in clients { try await exchange("here", with: client) }
                    if isCancelled { running.cancel() } else { server.stop() }
                    for client in clients {
                        let end = try await withTimeout(.seconds(20)) { try await client.read(atMost: 1) }
                        #expect(end.isEmpty)
                    }
                    await running.join()
                    #expect(server.connections == 0)
                    let refused = try? await SocketStream.connect(to: listener.address)
                    #expect(refused == nil, "the port is free")
                }
            }
            exit(0)
        }
    }

    @Test(
        "28: what does not end by itself is cancelled when the stop's time is over; a port can be bound again at once"
    )
    func stopWithin() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let listener = try Listener(.loopback(port: 0))
                var (isCancelled, begun) = (false, false)
                let server = StreamServer([listener]) { stream in
                    begun = true
                    do { _ = try await stream.read(atMost: 1) } catch let error as StreamError {
                        isCancelled = error.reason == .cancelled
                        throw error
                    }
                }
                let running = spawn { try await server.run() }
                let client = try await SocketStream.connect(to: listener.address)
                while !begun { try await checkpoint() }
                server.stop(within: .milliseconds(20))
                try await running.value(within: .seconds(20))
                #expect(isCancelled)
                let again = try Listener(listener.address)
                again.close()
                client.close()
            }
            exit(0)
        }
    }

    @Test("stopping serves what waits in the queue, and no more at once than the limit")
    func stopWithQueue() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let listener = try Listener(.loopback(port: 0))
                var limits = StreamServer.Limits()
                limits.connections = 2
                var (most, served, now) = (0, 0, 0)
                let server = StreamServer([listener], limits: limits) { stream in
                    now += 1
                    defer { now -= 1 }
                    (most, served) = (max(most, now), served + 1)
                    _ = try await stream.read(atMost: 1)
                }
                let running = spawn { try await server.run() }
                var clients: [SocketStream] = []
                for _ in 0..<20 { clients.append(try await .connect(to: listener.address)) }
                while now < 2 { try await checkpoint() }
                server.stop()
                for client in clients { client.close() }
                try await running.value(within: .seconds(20))
                #expect(served == 20 && most == 2)
            }
            exit(0)
        }
    }

    @Test(
        "newcomers come in although much is served in each turn of the loop; where nothing is, one a turn",
        arguments: [0, 200]
    )
    func acceptsInTurn(busy: Int) async {
        await #expect(processExitsWith: .success) { [busy] in
            try EventLoop.run {
                let listener = try Listener(.loopback(port: 0))
                var clients: [SocketStream] = []
                for _ in 0..<100 { clients.append(try await .connect(to: listener.address)) }
                for _ in 0..<busy { spawn { while true { await EventLoop.stepBack() } } }
                let server = server(listener, waitingCoroutines: 0)
                let (before, allIn) = (EventLoop.statistics.turns, Event())
                var turns: UInt64 = 0
                server.onCount = {
                    guard server.connections == 100 else { return }
                    turns = EventLoop.statistics.turns - before
                    allIn.set()
                }
                spawn { try await server.run() }
                try await allIn.wait()
                #expect(busy == 0 ? turns >= 100 : turns <= 30, "\(turns) turns for a hundred connections")
                exit(0)
            }
        }
    }
}
