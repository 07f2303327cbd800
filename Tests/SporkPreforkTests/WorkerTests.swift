// A worker's accept loop, in a process of its own each. The numbers are those of the list of behaviours.
import Glibc
import SporkLoop
import SporkNet
import SporkTasks
import Testing

@testable import SporkPrefork

private nonisolated enum Failure: Error {
    case onPurpose
}

extension Worker {
    /// A worker without a master.
    fileprivate convenience init(listeners: [Listener]) throws {
        let scoreboard = try Scoreboard()
        scoreboard.prepare(0, slot: 1, generation: 1)
        self.init(slot: 1, generation: 1, listeners: listeners, scoreboard: scoreboard, row: 0)
    }
}

@Suite struct WorkerTests {
    @Test("26: a connection is closed when its handler returns or throws, and accepting goes on")
    func handlers() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let listener = try Listener(try #require(SocketAddress("127.0.0.1:0")))
                let worker = try Worker(listeners: [listener])
                var served = 0
                let serving = spawn {
                    try await worker.serve { stream in
                        served += 1
                        if served % 2 == 0 { throw Failure.onPurpose }
                        try await stream.write(Array("hello".utf8))
                    }
                }
                for number in 0..<6 {
                    let client = try await SocketStream.connect(to: listener.address)
                    var received: [UInt8] = []
                    while true {
                        let part = try await client.read(atMost: 100)
                        if part.isEmpty { break }
                        received += part
                    }
                    #expect(received == (number % 2 == 0 ? Array("hello".utf8) : []))
                }
                #expect(worker.connections == 0)
                worker.drain()
                try await serving.value
            }
            exit(0)
        }
    }

    @Test("27: a worker that is full leaves connections in the queue, and goes on when one has ended")
    func full() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let listener = try Listener(try #require(SocketAddress("127.0.0.1:0")))
                let worker = try Worker(listeners: [listener])
                var most = 0
                let serving = spawn {
                    try await worker.serve(atMost: 2) { stream in
                        most = max(most, worker.connections)
                        _ = try await stream.read(atMost: 1)
                    }
                }
                var clients: [SocketStream] = []
                for _ in 0..<6 { clients.append(try await SocketStream.connect(to: listener.address)) }
                for _ in 0..<6 {
                    try await withTimeout(.seconds(10)) {
                        while worker.connections != min(2, clients.count) { try await sleep(for: .milliseconds(1)) }
                    }
                    clients.removeFirst().close()
                }
                while worker.connections > 0 { try await sleep(for: .milliseconds(1)) }
                #expect(most == 2)
                worker.drain()
                try await serving.value
            }
            exit(0)
        }
    }

    @Test("27: without descriptors a worker waits longer and longer instead of burning the processor, then goes on")
    func outOfDescriptors() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let listener = try Listener(try #require(SocketAddress("127.0.0.1:0")))
                let worker = try Worker(listeners: [listener])
                let serving = spawn {
                    try await worker.serve { stream in try await stream.write(Array("x".utf8)) }
                }
                for _ in 0..<3 { try await checkpoint() }
                let client = try await SocketStream.connect(to: listener.address)
                var (limit, none) = (rlimit(), rlimit())
                getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
                none = limit
                none.rlim_cur = 0
                setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &none)
                let before = EventLoop.statistics.turns
                try await sleep(for: .milliseconds(100))
                #expect(EventLoop.statistics.turns - before < 50)
                #expect(worker.connections == 0)
                setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
                client.readTimeout = .seconds(10)
                let answer = try await client.read(atMost: 1)
                #expect(answer == Array("x".utf8))
                worker.drain()
                try await serving.value
            }
            exit(0)
        }
    }

    @Test("28: a worker that drains finishes what it has begun and returns; the port can be bound again at once")
    func drain() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let listener = try Listener(try #require(SocketAddress("127.0.0.1:0")))
                let address = listener.address
                let worker = try Worker(listeners: [listener])
                let serving = spawn {
                    try await worker.serve { stream in
                        _ = try await stream.read(atMost: 1)
                        try await stream.write(Array("done".utf8))
                    }
                }
                let client = try await SocketStream.connect(to: address)
                while worker.connections == 0 { try await checkpoint() }
                worker.drain()
                for _ in 0..<5 { try await checkpoint() }
                #expect(!serving.isFinished)
                let again = try Listener(address)
                again.close()
                try await client.write(Array("x".utf8))
                let answer = try await client.read(atMost: 10)
                #expect(answer == Array("done".utf8))
                try await serving.value(within: .seconds(10))
            }
            exit(0)
        }
    }
}
