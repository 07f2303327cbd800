// The requests to one origin that are due in an open loop, and the connections that wait for one. The pacer adds, connections take.
//
// Invariant: there is never a connection that waits and a request that nobody has taken.

/// One origin's side of a pacer.
final class LoadLane {
    // Both are queues: what is before the head was handed out.
    private var backlog: [LoadPacer.Arrival] = []
    private var head = 0
    private var idle: [Unmanaged<LoadConnection>] = []
    private var idleHead = 0
    private var isOver = false

    /// A request is due: it is sent at once where a connection is free for it.
    ///
    /// - Returns: whether one was.
    func add(_ due: UInt64, url: Int) -> Bool {
        guard let connection = Self.takeFirst(of: &idle, &idleHead) else {
            backlog.append(.init(due: due, url: url, wasExpected: false))
            return false
        }
        connection._withUnsafeGuaranteedRef { $0.take(.init(due: due, url: url, wasExpected: true)) }
        return true
    }

    /// The next request that is due, for a connection that is free; nil where it has to wait for its turn, or has ended because there
    /// are no more.
    func next(for connection: LoadConnection) -> LoadPacer.Arrival? {
        if let arrival = Self.takeFirst(of: &backlog, &head) { return arrival }
        // Its process keeps it.
        if isOver { connection.end() } else { idle.append(.passUnretained(connection)) }
        return nil
    }

    /// Ends it, and the connections that wait.
    ///
    /// - Returns: when the requests were due that nobody took.
    func end() -> [UInt64] {
        isOver = true
        let (waiting, rest) = (idle[idleHead...], backlog[head...].map(\.due))
        (idle, idleHead, backlog, head) = ([], 0, [], 0)
        for connection in waiting { connection._withUnsafeGuaranteedRef { $0.end() } }
        return rest
    }

    private static func takeFirst<Element>(of queue: inout [Element], _ head: inout Int) -> Element? {
        guard head < queue.count else { return nil }
        let first = queue[head]
        head += 1
        if head == queue.count {
            queue.removeAll(keepingCapacity: true)
            head = 0
        } else if head >= 1024, head * 2 > queue.count {
            queue.removeFirst(head)
            head = 0
        }
        return first
    }
}
