// Clients that behave badly, as many as are wanted, from a process of its own: beside them a load is measured that behaves well. All of
// them are patient, so that they cost the machine little: what suffers suffers from the connections that they hold, not from the
// processors that they take. Begun by HostileRun, which ends the process.
import CSporkShims
import Glibc
import SporkLoop
import SporkNet
import SporkTasks

/// Ways to be bad.
public enum HostileKind: String, CaseIterable, Sendable {
    /// A head that never ends, a few bytes at a time (slowloris).
    case slowHeaders = "slow-headers"
    /// Content that never ends.
    case slowBody = "slow-body"
    /// Many requests at once whose answers nobody reads.
    case slowRead = "slow-read"
    /// Connections that are reset while the answer is made.
    case reset
    /// A connection for each request, one after the other.
    case churn
}

/// A process of such clients, as its parent sees it.
final class HostileClients {
    /// What they have done so far.
    struct Counts: Equatable {
        /// Connections made.
        var opened = 0
        /// Those of them that the server has ended.
        var ended = 0
        /// Connections that could not be made.
        var refused = 0
    }

    /// How long a slow client is silent between two bytes, in milliseconds.
    private static let slowness = 200
    /// How long a quick one waits before it begins anew, in milliseconds.
    private static let pause = 10

    nonisolated(unsafe) private let memory: UnsafeMutablePointer<UInt64>
    private let pid: pid_t

    /// Starts them.
    init(_ kind: HostileKind, clients: Int, target: LoadTarget) throws {
        try DescriptorLimit.allow(clients)
        let map = mmap(nil, 64, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)
        guard let map, map != MAP_FAILED else { throw SystemError("map memory", number: errno) }
        memory = map.assumingMemoryBound(to: UInt64.self)
        let parent = getpid()
        pid = spork_fork()
        guard pid >= 0 else {
            munmap(map, 64)
            throw SystemError("fork", number: -pid)
        }
        if pid == 0 { Self.live(kind, clients, target, memory, parent) }
    }

    /// What they have done until now.
    var counts: Counts {
        Counts(
            opened: Int(spork_load(memory)),
            ended: Int(spork_load(memory + 1)),
            refused: Int(spork_load(memory + 2))
        )
    }

    /// Ends them.
    func stop() {
        kill(pid, SIGKILL)
        waitpid(pid, nil, 0)
    }

    deinit { munmap(memory, 64) }

    private static func live(
        _ kind: HostileKind,
        _ clients: Int,
        _ target: LoadTarget,
        _ memory: UnsafeMutablePointer<UInt64>,
        _ parent: pid_t
    ) -> Never {
        spork_reset_signals()
        for number in [SIGINT, SIGHUP, SIGQUIT] { spork_ignore_signal(number) }
        spork_ignore_signal(SIGPIPE)
        guard spork_notice_death_of_parent(parent, 2, 0, nil) == 0 else { _exit(1) }
        do {
            try EventLoop.run {
                let all = (0..<clients).map { _ in spawn { await live(kind, target, memory) } }
                _ = await joinAll(all)
            }
        } catch {}
        _exit(0)
    }

    private static func count(_ memory: UnsafeMutablePointer<UInt64>, _ index: Int) {
        spork_store(memory + index, spork_load(memory + index) + 1)
    }

    private static func live(_ kind: HostileKind, _ target: LoadTarget, _ memory: UnsafeMutablePointer<UInt64>) async {
        while !Task.isCancelled {
            if let stream = try? await SocketStream.connect(to: target.address, within: .seconds(5)) {
                count(memory, 0)
                stream.readTimeout = .seconds(3600)
                if await misbehave(kind, on: stream, target) { count(memory, 1) }
                stream.close()
            } else {
                count(memory, 2)
            }
            try? await sleep(for: .milliseconds(pause))
        }
    }

    /// One connection's life.
    ///
    /// - Returns: whether the server has ended it.
    private static func misbehave(_ kind: HostileKind, on stream: SocketStream, _ target: LoadTarget) async -> Bool {
        let head = "\(target.path) HTTP/1.1\r\nHost: \(target.authority)\r\n"
        do {
            switch kind {
            case .slowHeaders:
                try await stream.write("GET \(head)X-Slow: ")
                try await drip("a", on: stream)
            case .slowBody:
                try await stream.write("POST \(head)Content-Length: 1000000000\r\n\r\n")
                try await drip("b", on: stream)
            case .slowRead:
                try? stream.set(.receiveBuffer, to: 4096)
                try await stream.write([UInt8](repeatElement(Array("GET \(head)\r\n".utf8), count: 64).joined()))
                // A byte now and then shows that somebody is there.
                while !(try await stream.read(atMost: 1).isEmpty) { try await sleep(for: .milliseconds(slowness)) }
            case .reset:
                try await stream.write("GET \(head)\r\n")
                stream.reset()
                return false
            case .churn:
                try await stream.write("GET \(head)Connection: close\r\n\r\n")
                while !(try await stream.read(atMost: 65_536).isEmpty) {}
                return false
            }
        } catch {}
        return true
    }

    /// Sends a byte now and then until the server has enough of it.
    private static func drip(_ byte: String, on stream: SocketStream) async throws {
        while true {
            try await sleep(for: .milliseconds(slowness))
            // An answer, or the end of the stream, is the server's refusal.
            if try stream.tryRead(atMost: 4096) != nil { return }
            try await stream.write(byte)
        }
    }
}
