// Memory for one record, shared by all connections of the worker: for what is put together from pieces or read from a file before it is
// encrypted. Used within one step, never across a suspension.

/// A record's worth of memory.
nonisolated enum TLSScratch {
    nonisolated(unsafe) static let memory = UnsafeMutableRawBufferPointer.allocate(
        byteCount: TLSSession.recordSize,
        alignment: 64
    )
}
