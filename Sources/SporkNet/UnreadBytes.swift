// Bytes that a stream has received and its caller has not asked for yet: what stands behind a line that was read. A stream has this only
// from the first time that somebody reads up to something; between calls an empty one holds no memory of its own.
//
// Invariant: the memory of `bytes` may be shared with other streams until `keep` is called, which has to be before any suspension.
import Glibc

/// Received bytes that come before those that the socket has.
final class UnreadBytes {
    private var buffer = InputBuffer()
    /// How many of the bytes are known to hold no delimiter.
    private var searched = 0

    init() {}

    /// Bytes that somebody else has received.
    init(_ bytes: UnsafeRawBufferPointer) { buffer.append(bytes) }

    var isEmpty: Bool { buffer.isEmpty }
    var count: Int { buffer.bytes.count }

    /// Moves bytes to the caller's memory; nil when there are none.
    func take(into target: UnsafeMutableRawBufferPointer) -> Int? {
        guard !buffer.isEmpty else { return nil }
        let count = min(target.count, buffer.bytes.count)
        target.copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer.bytes[..<count]))
        consume(count)
        return count
    }

    /// Takes the first `count` bytes.
    func take(_ count: Int) -> [UInt8] {
        let taken = [UInt8](buffer.bytes[..<count])
        consume(count)
        return taken
    }

    /// Where the first `delimiter` begins, within the first `most` bytes; each byte is looked at once, however often this is asked.
    func position(of delimiter: [UInt8], within most: Int) -> Int? {
        let bytes = buffer.bytes
        guard let start = bytes.baseAddress else { return nil }
        while bytes.count - searched >= delimiter.count {
            let candidates = bytes.count - searched - delimiter.count + 1
            guard let found = memchr(start + searched, Int32(delimiter[0]), candidates) else {
                searched += candidates
                return nil
            }
            searched = UnsafeRawPointer(found) - start
            if delimiter.count == 1 || memcmp(found, delimiter, delimiter.count) == 0 {
                return searched <= most ? searched : nil
            }
            searched += 1
        }
        return nil
    }

    /// Reads once from `stream`, behind what is there.
    ///
    /// Where nothing came, what was there before has memory of its own afterwards.
    func receive(from stream: SocketStream) throws(StreamError) -> InputBuffer.Received {
        var received = InputBuffer.Received.nothingYet
        defer { if received != .bytes { buffer.keep() } }
        received = try buffer.receive(fromSocketOf: stream)
        return received
    }

    /// Moves what is left to memory of its own, because other streams will use the shared one.
    func keep() { buffer.keep() }

    private func consume(_ count: Int) {
        buffer.consume(count)
        searched = 0
    }
}
