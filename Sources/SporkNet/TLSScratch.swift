// Memory for one record, shared by all connections of the worker: for what is put together from pieces or read from a file before it is
// encrypted. Used within one step, never across a suspension.

/// A record's worth of memory.
nonisolated enum TLSScratch {
    /// Zeros, which nobody ever writes to: where OpenSSL wants bytes that it does not use.
    nonisolated(unsafe) static let zeros = {
        let zeros = UnsafeMutableRawBufferPointer.allocate(byteCount: TLSSession.recordSize, alignment: 64)
        zeros.initializeMemory(as: UInt8.self, repeating: 0)
        return UnsafeRawBufferPointer(zeros)
    }()
    nonisolated(unsafe) static let memory = UnsafeMutableRawBufferPointer.allocate(
        byteCount: TLSSession.recordSize,
        alignment: 64
    )
}
