// Connections that have said their last and wait for their clients to close: a close with input that nobody has read would reset the
// connection, and the client might lose what it was told (RFC 9112, 9.6). A StreamServer has one of these.
//
// The kernel is not asked to watch them. Nearly always the client has closed a moment later, so a look after two milliseconds costs a
// connection one read, where waiting for it would cost a coroutine, a read that finds nothing and two changes of the epoll set.
//
// Invariant: the timer runs while there are any; a connection is ended once, by whoever comes first.
import SporkLoop

/// The connections of a server whose ends are awaited.
final class LingeringConnections {
    private struct Entry {
        let connection: ServedConnection
        let deadline: Deadline
        // In seconds; twice as long each time nothing has come.
        var pause: Double
        var lookAt: Double
    }

    private static let firstPause = 0.002
    private static let longestPause = 0.128
    /// How much input is dropped in one look; one that sends more is looked at again soon.
    private static let mostDropped = 64 * 1024

    private var entries: [Entry] = []
    private var over: [ServedConnection] = []
    private var timer: LoopTimer?

    /// Drops what a connection still receives, and ends it when its client has closed or `deadline` has passed.
    func add(_ connection: ServedConnection, until deadline: Deadline) {
        if entries.isEmpty { startTimer() }
        entries.append(
            Entry(
                connection: connection,
                deadline: deadline,
                pause: Self.firstPause,
                lookAt: EventLoop.now + Self.firstPause
            )
        )
    }

    private func startTimer() {
        let timer = timer ?? LoopTimer { [unowned self] in MainActor.assumeIsolated { look() } }
        self.timer = timer
        timer.start(after: .milliseconds(2))
    }

    private func look() {
        let now = EventLoop.now
        var kept = 0
        for index in entries.indices {
            var entry = entries[index]
            if entry.deadline.seconds <= now {
                over.append(entry.connection)
                continue
            }
            if entry.lookAt <= now {
                switch entry.connection.stream.dropInput(atMost: Self.mostDropped) {
                case .endOfStream:
                    over.append(entry.connection)
                    continue
                case .bytes: entry.pause = Self.firstPause
                case .nothingYet: entry.pause = min(entry.pause * 2, Self.longestPause)
                }
                entry.lookAt = now + entry.pause
            }
            entries[kept] = entry
            kept += 1
        }
        entries.removeLast(entries.count - kept)
        // Ending one may let others in, which is nothing to happen amid the list.
        for connection in over { connection.end() }
        over.removeAll(keepingCapacity: true)
        if !entries.isEmpty { startTimer() }
    }
}

extension SocketStream {
    /// Reads and forgets what has come; the end of the stream is also a failure.
    fileprivate func dropInput(atMost limit: Int) -> InputBuffer.Received {
        withUnsafeTemporaryAllocation(byteCount: 16 * 1024, alignment: 16) { room in
            var dropped = 0
            do throws(StreamError) {
                while dropped < limit {
                    guard let count = try tryRead(into: room) else { return dropped > 0 ? .bytes : .nothingYet }
                    if count == 0 { return .endOfStream }
                    dropped += count
                }
                return .bytes
            } catch {
                return .endOfStream
            }
        }
    }
}
