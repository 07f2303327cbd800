// Connections that have said their last and wait for their clients to close: a close with input that nobody has read would reset the
// connection, and the client might lose what it was told (RFC 9112, 9.6). A StreamServer has one of these.
//
// The kernel is not asked to watch them. Nearly always the client has closed a moment later, so a look after two milliseconds costs a
// connection one read, where waiting for it would cost a coroutine, a read that finds nothing and two changes of the epoll set.
//
// Who has nothing to say is looked at less and less often. Those who are looked at equally often stand in one queue, in the order in which they are due: a
// look costs what is due and not what is there.
//
// Invariant: the timer runs while there are any, and is due when the first of them is; a connection is ended once, by whoever comes first.
import SporkLoop

/// The connections of a server whose ends are awaited.
final class LingeringConnections {
    private struct Entry {
        let connection: ServedConnection
        let deadline: Double
        let lookAt: Double
    }

    /// Entries in the order in which they are due.
    private struct Queue {
        private var entries: [Entry] = []
        private var start = 0

        var first: Entry? { start < entries.count ? entries[start] : nil }

        mutating func append(_ entry: Entry) { entries.append(entry) }

        mutating func removeFirst() {
            start += 1
            // What is gone is let go of when it is half of all.
            guard start * 2 >= entries.count else { return }
            entries.removeFirst(start)
            start = 0
        }
    }

    // In seconds: a connection of queue number n is looked at 2^n times as late.
    private static let firstPause = 0.002
    private static let longest = 8
    /// How much input of one connection is dropped in one look; one that sends more is looked at again soon.
    private static let mostDropped = 64 * 1024
    /// How much is dropped in one look in all: others are to be served meanwhile.
    private static let mostInALook = 1024 * 1024
    /// How many are looked at in one look.
    private static let mostLookedAt = 1024

    @exclusivity(unchecked) private var queues = [Queue](repeating: Queue(), count: longest + 1)
    @exclusivity(unchecked) private var over: [ServedConnection] = []
    @exclusivity(unchecked) private var timer: LoopTimer?
    @exclusivity(unchecked) private var timerIsDueAt = Double.infinity

    /// Drops what a connection still receives, and ends it when its client has closed or `deadline` has passed.
    func add(_ connection: ServedConnection, until deadline: Deadline) {
        enqueue(connection, 0, deadline.seconds, EventLoop.now)
        startTimer()
    }

    private func enqueue(_ connection: ServedConnection, _ number: Int, _ deadline: Double, _ now: Double) {
        var number = number
        // None is late for its end.
        while number > 0, now + Self.pause(number) > deadline { number -= 1 }
        queues[number].append(Entry(connection: connection, deadline: deadline, lookAt: now + Self.pause(number)))
    }

    private static func pause(_ number: Int) -> Double { firstPause * Double(1 << number) }

    /// The number of the queue whose first is due first; nil when all are empty.
    private var next: Int? {
        var (found, due) = (Int?.none, Double.infinity)
        for number in queues.indices {
            guard let first = queues[number].first, first.lookAt < due else { continue }
            (found, due) = (number, first.lookAt)
        }
        return found
    }

    private func startTimer() {
        guard let next, let due = queues[next].first?.lookAt, due < timerIsDueAt else { return }
        let timer = timer ?? LoopTimer { [unowned self] in MainActor.assumeIsolated { look() } }
        self.timer = timer
        timerIsDueAt = due
        // Never at once: others have their turn between two looks.
        timer.start(at: Deadline(seconds: max(EventLoop.now + 0.001, due)))
    }

    private func look() {
        timerIsDueAt = .infinity
        let now = EventLoop.now
        var (left, looks) = (Self.mostInALook, Self.mostLookedAt)
        // The one that is due first is always the next, so who was not looked at this time is before who was.
        while left > 0, looks > 0, let number = next, let entry = queues[number].first, entry.lookAt <= now {
            queues[number].removeFirst()
            looks -= 1
            if entry.deadline <= now {
                over.append(entry.connection)
                continue
            }
            let (received, dropped) = entry.connection.stream.dropInput(atMost: Self.mostDropped)
            left -= dropped
            switch received {
            case .endOfStream: over.append(entry.connection)
            case .bytes: enqueue(entry.connection, 0, entry.deadline, now)
            case .nothingYet: enqueue(entry.connection, min(number + 1, Self.longest), entry.deadline, now)
            }
        }
        // Ending one may let others in, which is nothing to happen amid the queues.
        for connection in over { connection.end() }
        over.removeAll(keepingCapacity: true)
        startTimer()
    }
}

extension SocketStream {
    /// Reads and forgets what has come; the end of the stream is also a failure.
    fileprivate func dropInput(atMost limit: Int) -> (InputBuffer.Received, dropped: Int) {
        var input = InputBuffer()
        var dropped = 0
        do throws(StreamError) {
            while dropped < limit {
                switch try input.receive(from: self) {
                case .nothingYet: return (dropped > 0 ? .bytes : .nothingYet, dropped)
                case .endOfStream: return (.endOfStream, dropped)
                case .bytes: dropped += input.bytes.count
                }
                input.consume(input.bytes.count)
            }
            return (.bytes, dropped)
        } catch {
            return (.endOfStream, dropped)
        }
    }
}
