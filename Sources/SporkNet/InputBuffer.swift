// What a connection has received and not yet used. An idle connection owns no memory here: bytes are read into one block
// that all connections of the worker share, and only what is left when a coroutine suspends moves to a block of its own.
//
// Invariant: `bytes` may point into the shared block from `receive` until the next suspension; `keep` before that.
import Glibc

/// Received bytes of one connection.
package struct InputBuffer: ~Copyable {
    /// What one attempt to read brought.
    package enum Received {
        case bytes
        case nothingYet
        case endOfStream
    }

    private nonisolated static let sharedSize = 64 * 1024
    private static let firstBlockSize = 4 * 1024
    nonisolated(unsafe) private static let shared = UnsafeMutableRawPointer.allocate(
        byteCount: sharedSize,
        alignment: 64
    )

    private let shared: UnsafeMutableRawPointer
    private var block: UnsafeMutableRawPointer
    private var capacity: Int
    private var start = 0
    private var end = 0

    package init() {
        shared = Self.shared
        block = shared
        capacity = Self.sharedSize
    }

    deinit { if block != shared { block.deallocate() } }

    package var isEmpty: Bool { start == end }

    /// The unused bytes.
    package var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: block + start, count: end - start) }

    /// Marks the first `count` bytes as used.
    package mutating func consume(_ count: Int) {
        start += count
        if start == end { reset() }
    }

    /// Moves what is left to memory of its own, because other connections will use the shared block.
    package mutating func keep() {
        guard block == shared, start < end else { return }
        let count = end - start
        let size = max(Self.firstBlockSize, count)
        let own = UnsafeMutableRawPointer.allocate(byteCount: size, alignment: 16)
        own.copyMemory(from: block + start, byteCount: count)
        (block, capacity, start, end) = (own, size, 0, count)
    }

    /// Puts bytes behind what is left, in memory of this connection's own.
    mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress else { return }
        keep()
        let left = end - start
        let own = UnsafeMutableRawPointer.allocate(
            byteCount: max(Self.firstBlockSize, left + bytes.count),
            alignment: 16
        )
        own.copyMemory(from: block + start, byteCount: left)
        (own + left).copyMemory(from: source, byteCount: bytes.count)
        if block != shared { block.deallocate() }
        (block, capacity, start, end) = (own, max(Self.firstBlockSize, left + bytes.count), 0, left + bytes.count)
    }

    /// Reads once from `stream`, behind what is left.
    package mutating func receive(from stream: SocketStream) throws(StreamError) -> Received {
        makeRoom()
        return try took(stream.tryRead(into: room))
    }

    /// The same of what the socket has: for the bytes that the stream itself has received and not used.
    mutating func receive(fromSocketOf stream: SocketStream) throws(StreamError) -> Received {
        makeRoom()
        return try took(stream.tryReceive(into: room))
    }

    private var room: UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: block + end, count: capacity - end)
    }

    private mutating func took(_ count: Int?) -> Received {
        guard let count else { return .nothingYet }
        end += count
        return count == 0 ? .endOfStream : .bytes
    }

    // Only a connection that has something left and reads on gets here with little room: the head of a request that
    // comes in pieces. The parser's limits bound how far it grows.
    private mutating func makeRoom() {
        if block == shared {
            guard end == capacity else { return }
            keep()
        }
        if start > 0 {
            memmove(block, block + start, end - start)
            (start, end) = (0, end - start)
        }
        guard capacity - end < capacity / 2 else { return }
        let own = UnsafeMutableRawPointer.allocate(byteCount: capacity * 2, alignment: 16)
        own.copyMemory(from: block, byteCount: end)
        block.deallocate()
        (block, capacity) = (own, capacity * 2)
    }

    private mutating func reset() {
        if block != shared {
            block.deallocate()
            (block, capacity) = (shared, Self.sharedSize)
        }
        (start, end) = (0, 0)
    }
}
