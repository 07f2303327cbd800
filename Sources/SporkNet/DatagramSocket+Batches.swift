// Many datagrams in one system call.
import CSporkShims
import Glibc
import SporkLoop

extension DatagramSocket {
    /// Receives as many datagrams as are there and fit, in place of what the batch holds.
    ///
    /// - Returns: how many; nil when it would have blocked, and the batch is empty then.
    /// - Throws: `DatagramError`, as receiving one does.
    public final func tryReceive(into batch: DatagramBatch) throws(DatagramError) -> Int? {
        guard descriptor >= 0 else { throw receiveFailure(.closed) }
        batch.offerAll()
        let result = spork_receive_many(descriptor, batch.messages, UInt32(batch.capacity))
        if result == -EAGAIN { return nil }
        guard result >= 0 else { throw receiveFailure(.system(number: -result)) }
        batch.fill(Int(result))
        return Int(result)
    }

    /// Receives as many datagrams as are there and fit, waiting until there is one, in place of what the batch holds.
    ///
    /// Costs one system call and no allocation where some are there.
    ///
    /// - Returns: how many, at least one.
    /// - Throws: `DatagramError`, as receiving one does.
    @discardableResult
    public final func receive(into batch: DatagramBatch) async throws(DatagramError) -> Int {
        while true {
            if let count = try tryReceive(into: batch) { return count }
            try await waitUntilReadable()
        }
    }

    /// Sends as many datagrams of the batch as can go at once, and takes those from it.
    ///
    /// - Returns: how many; nil when it would have blocked.
    /// - Throws: `DatagramError`, as sending one does, about the datagram that is now the first: take it away, or try again.
    public final func trySend(_ batch: DatagramBatch) throws(DatagramError) -> Int? {
        try attempt(batch, hasPassed: false)
    }

    /// Sends all datagrams of the batch, waiting as sending one does, and leaves the batch empty.
    ///
    /// Costs one system call and no allocation where all can go at once. The budget counts each broadcast by itself.
    ///
    /// - Throws: `DatagramError`, as sending one does, about the datagram that is now the first; those before it have gone.
    public final func send(_ batch: DatagramBatch) async throws(DatagramError) {
        var hasPassed = false
        while !batch.isEmpty {
            if try attempt(batch, hasPassed: hasPassed) == nil {
                hasPassed = try await waitUntilSendable(to: batch.first?.address, hasPassed: hasPassed)
            } else {
                hasPassed = false
            }
        }
    }

    private final func attempt(_ batch: DatagramBatch, hasPassed: Bool) throws(DatagramError) -> Int? {
        guard !batch.isEmpty else { return 0 }
        let first = batch.startIndex
        guard descriptor >= 0 else { throw sendFailure(.closed, batch[first].address) }
        let allowed = allowance(batch, hasPassed: hasPassed)
        guard allowed > 0 else { return nil }
        let result = spork_send_many(descriptor, batch.messages + batch.first, UInt32(allowed))
        if result == -EAGAIN { return nil }
        guard result >= 0 else {
            let address = batch[first].address
            throw sendFailure(reason(-result, address), address)
        }
        if let limiter {
            limiter.spend(batch.prefix(Int(result)).count { limiter.applies(to: $0.address ?? peerAddress) })
        }
        batch.removeFirst(Int(result))
        return Int(result)
    }

    // How many datagrams, from the first, the budget lets go now. Others wait behind one that has to wait: they keep their order.
    private final func allowance(_ batch: DatagramBatch, hasPassed: Bool) -> Int {
        guard let limiter, limiter.budget != nil else { return batch.count }
        var left: Int?
        for (index, datagram) in batch.enumerated() where limiter.applies(to: datagram.address ?? peerAddress) {
            let available = left ?? limiter.available(hasPassed: hasPassed)
            guard available > 0 else { return index }
            left = available - 1
        }
        return batch.count
    }
}
