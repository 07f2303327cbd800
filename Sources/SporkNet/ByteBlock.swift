// Bytes that never change and that many connections may be sending at once: a cached file, a prepared head. Reference
// counted, so that whoever sends keeps them alive.
import Glibc

/// Immutable memory.
package nonisolated final class ByteBlock {
    /// The bytes; valid while this object lives.
    package let bytes: UnsafeRawBufferPointer

    /// Takes `count` bytes that `fill` writes.
    ///
    /// It returns how many it wrote.
    package init(capacity: Int, fill: (UnsafeMutableRawBufferPointer) -> Int) {
        let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, capacity), alignment: 16)
        bytes = UnsafeRawBufferPointer(rebasing: memory[..<min(capacity, fill(memory))])
    }

    /// A copy of these bytes.
    package convenience init(copying bytes: some Collection<UInt8>) {
        self.init(capacity: bytes.count) { memory in
            memory.copyBytes(from: bytes)
            return bytes.count
        }
    }

    deinit { bytes.deallocate() }
}

/// An open file that is closed with the last who sends from it.
package nonisolated final class OpenFile {
    package let descriptor: Int32

    /// Takes over an open descriptor.
    package init(descriptor: Int32) { self.descriptor = descriptor }

    deinit { Glibc.close(descriptor) }
}
