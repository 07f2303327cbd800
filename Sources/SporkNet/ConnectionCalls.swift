// Connections of a StreamServer for which something has come, in the order in which it did. The loop's callbacks add them; one coroutine of
// the server takes all that there are, once a turn.
//
// Not on the main actor, because those callbacks are plain C: asking for each connection whether this is the loop's thread, which it always
// is, would cost a tenth of a request.
import SporkLoop

/// Who is to be served next.
nonisolated final class ConnectionCalls {
    @exclusivity(unchecked) private var waiting: [ServedConnection] = []
    // Where the coroutine that takes them waits; one block on the heap, because it is found by its address.
    private let waiter: UnsafeMutablePointer<Unmanaged<Wait>?>

    init() {
        waiter = .allocate(capacity: 1)
        waiter.initialize(to: nil)
    }

    deinit { waiter.deallocate() }

    /// Something has come for a connection.
    func add(_ connection: ServedConnection) {
        waiting.append(connection)
        if waiting.count == 1 { waiter.pointee?.takeUnretainedValue().wake(.woken) }
    }

    /// Suspends until there are some, and exchanges them for `taken`, which is empty and lends its room.
    ///
    /// - Throws: `CancellationError` when the coroutine is cancelled while it waits.
    nonisolated(nonsending) func take(_ taken: inout [ServedConnection]) async throws {
        while waiting.isEmpty {
            guard await Wait.park(at: waiter, for: Wait.Reason("serve connections")) == .woken else {
                throw CancellationError()
            }
        }
        swap(&waiting, &taken)
    }
}
