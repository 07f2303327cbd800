// Memory for many datagrams that go, or come, in one system call. DatagramSocket+Batches.swift fills and empties it.
//
// Invariant: the datagrams are those from `first` up to `end`; their memory is this object's, allocated once and used again and again.
import CSporkShims
import Glibc

/// A batch of datagrams that owns its memory: to be sent together, or received together.
///
/// It is used again and again, so that 32 datagrams cost one system call (sendmmsg(2), recvmmsg(2)) and no allocation. What was received
/// can be sent as it is: each datagram goes back to its sender.
public nonisolated final class DatagramBatch: RandomAccessCollection {
    /// How many datagrams it holds at most.
    public let capacity: Int
    /// How many bytes each of them has at most.
    public let mostBytes: Int

    /// The first datagram's index, which is 0.
    public var startIndex: Int { 0 }
    /// How many datagrams there are.
    public var endIndex: Int { end - first }
    /// Whether there is no room for another.
    public var isFull: Bool { end == capacity }

    let messages: UnsafeMutablePointer<SporkMessage>
    private(set) var first = 0
    private var end = 0
    private let parts: UnsafeMutablePointer<SporkPiece>
    private let addresses: UnsafeMutablePointer<sockaddr_storage>
    private let memory: UnsafeMutableRawPointer

    /// An empty batch.
    ///
    /// - Parameters:
    ///   - capacity: how many datagrams it holds, up to 1024 (UIO_MAXIOV in the kernel).
    ///   - mostBytes: how many bytes each has; more than a network's frame of 1500 is rarely of use.
    public init(capacity: Int = 32, mostBytes: Int = 2048) {
        precondition((1...1024).contains(capacity), "a batch has from 1 to 1024 datagrams")
        precondition((1...1 << 24).contains(mostBytes), "a datagram has from 1 to 2^24 bytes")
        self.capacity = capacity
        self.mostBytes = mostBytes
        messages = .allocate(capacity: capacity)
        parts = .allocate(capacity: capacity)
        addresses = .allocate(capacity: capacity)
        memory = .allocate(byteCount: capacity * mostBytes, alignment: 16)
        addresses.initialize(repeating: sockaddr_storage(), count: capacity)
        messages.initialize(repeating: SporkMessage(), count: capacity)
        for index in 0..<capacity {
            (parts + index).initialize(to: SporkPiece(start: memory + index * mostBytes, count: 0))
            messages[index].header.parts = parts + index
            messages[index].header.part_count = 1
        }
    }

    deinit {
        memory.deallocate()
        addresses.deallocate()
        parts.deallocate()
        messages.deallocate()
    }

    /// A datagram of a batch; valid until the batch is changed or used again.
    public struct Element {
        /// Its bytes, as many as are there.
        public let bytes: UnsafeRawBufferPointer
        /// How many it had when it was sent.
        public let length: Int
        /// Where it goes, or who sent it; nil where it goes to a connected socket's peer.
        public let address: SocketAddress?

        /// Whether the batch's memory was too small for it; the rest of the datagram is lost.
        public var isTruncated: Bool { length > bytes.count }
    }

    /// The datagram at `index`.
    public subscript(index: Int) -> Element {
        precondition(indices.contains(index), "there is no such datagram in the batch")
        let message = messages[first + index]
        let part = parts[first + index]
        return Element(
            bytes: UnsafeRawBufferPointer(start: part.start, count: part.count),
            length: Int(message.length),
            address: address(first + index)
        )
    }

    /// Puts a datagram at the end.
    ///
    /// There must be room for it.
    ///
    /// - Parameter address: where to; nil for a connected socket's peer.
    /// - Throws: `DatagramError` with EMSGSIZE when it is longer than `mostBytes`.
    public func append(_ bytes: some Collection<UInt8>, to address: SocketAddress? = nil) throws(DatagramError) {
        let count = bytes.count
        guard count <= mostBytes else {
            let object = address.map { "for \($0) to a batch" } ?? "to a batch"
            throw DatagramError(.system(number: EMSGSIZE), "add \(count) bytes", object)
        }
        append(to: address) { room in
            room.copyBytes(from: bytes)
            return count
        }
    }

    /// Puts a datagram at the end that `fill` writes, which returns how long it is.
    ///
    /// There must be room for it.
    public func append(to address: SocketAddress? = nil, fill: (UnsafeMutableRawBufferPointer) -> Int) {
        precondition(!isFull, "the batch is full")
        let index = end
        let count = fill(UnsafeMutableRawBufferPointer(start: memory + index * mostBytes, count: mostBytes))
        precondition((0...mostBytes).contains(count), "a datagram has at most mostBytes bytes")
        parts[index].count = count
        messages[index].length = UInt32(count)
        messages[index].header.name = nil
        messages[index].header.name_length = 0
        if let address {
            addresses[index] = sockaddr_storage()
            let storage = UnsafeMutableRawBufferPointer(
                start: addresses + index,
                count: MemoryLayout<sockaddr_storage>.size
            )
            messages[index].header.name_length = socklen_t(address.write(to: storage))
            messages[index].header.name = UnsafeMutableRawPointer(addresses + index)
        }
        end += 1
    }

    /// Takes away the datagrams at the front: those that have gone, or one that cannot go.
    public func removeFirst(_ count: Int = 1) {
        precondition((0...endIndex).contains(count), "there are not so many datagrams in the batch")
        first += count
        if first == end { removeAll() }
    }

    /// Takes away all datagrams; the memory stays.
    public func removeAll() { (first, end) = (0, 0) }

    /// Empties the batch and offers all its memory to be received into.
    func offerAll() {
        removeAll()
        for index in 0..<capacity {
            parts[index].count = mostBytes
            messages[index].header.name = UnsafeMutableRawPointer(addresses + index)
            messages[index].header.name_length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        }
    }

    /// Notes that so many datagrams have come.
    func fill(_ count: Int) {
        for index in 0..<count {
            parts[index].count = Swift.min(Int(messages[index].length), mostBytes)
            // Without an address it would be sent to nowhere, and the kernel would refuse an empty name.
            if messages[index].header.name_length == 0 { messages[index].header.name = nil }
        }
        end = count
    }

    private func address(_ index: Int) -> SocketAddress? {
        let header = messages[index].header
        guard let name = header.name else { return nil }
        return SocketAddress(
            sender: UnsafeRawBufferPointer(start: name, count: MemoryLayout<sockaddr_storage>.size),
            length: header.name_length
        )
    }
}
