// Writing through TLS, record by record. What OpenSSL has made a record of counts as written, and the suspending forms return when the
// socket has taken it whole; after a `try…` form that is left to the next call on the stream.
//
// Small pieces are copied together into one record: a record of their own would cost each a system call and 22 bytes.
import Glibc

extension SocketStream {
    /// Writes one record.
    ///
    /// - Returns: how many of the bytes are in it; nil when that has to wait.
    @inline(never)
    func tryWrite(
        _ bytes: UnsafeRawBufferPointer,
        more: Bool,
        through session: TLSSession
    ) throws(StreamError) -> Int? {
        let step = session.write(bytes, more: more)
        if session.takeCrossing(afterWriting: true) { wakeAll(of: session) }
        switch step {
        case .done(let count):
            sent += count
            return count
        case .blocked: return nil
        case .failed(let reason): throw failure(StreamError.Reason(reason), "write to")
        }
    }

    /// Writes one record of several pieces; how many of their bytes are in it.
    func tryWrite(
        _ pieces: ArraySlice<[UInt8]>,
        from offset: Int,
        through session: TLSSession
    ) throws(StreamError) -> Int? {
        if let first = pieces.first, first.count - offset >= TLSSession.recordSize {
            return try tryWrite(first[offset...])
        }
        let scratch = TLSScratch.memory
        var (filled, skipped) = (0, offset)
        for piece in pieces where filled < scratch.count {
            let part = piece[skipped...].prefix(scratch.count - filled)
            UnsafeMutableRawBufferPointer(rebasing: scratch[filled...]).copyBytes(from: part)
            (filled, skipped) = (filled + part.count, 0)
        }
        return try tryWrite(UnsafeRawBufferPointer(rebasing: scratch[..<filled]), more: false, through: session)
    }

    /// Writes two pieces behind one another, the first of them together with the beginning of the second.
    func write(
        _ first: UnsafeRawBufferPointer,
        _ second: UnsafeRawBufferPointer,
        through session: TLSSession
    ) async throws(StreamError) {
        let scratch = TLSScratch.memory
        guard first.count < scratch.count else {
            try await write(first, more: true)
            return try await write(second)
        }
        let joined = min(second.count, scratch.count - first.count)
        while true {
            guard descriptor >= 0 else { throw failure(.closed, "write to") }
            // Copied anew after each wait, because the memory is everybody's.
            scratch.copyMemory(from: first)
            UnsafeMutableRawBufferPointer(rebasing: scratch[first.count...])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: second[..<joined]))
            let record = UnsafeRawBufferPointer(rebasing: scratch[..<(first.count + joined)])
            if try tryWrite(record, more: joined < second.count, through: session) != nil { break }
            try await waitUntilWritable()
        }
        // This also waits for the record when nothing is left behind it.
        try await write(UnsafeRawBufferPointer(rebasing: second[joined...]))
    }

    /// Sends a piece of a file, read into memory a record at a time.
    func sendFile(_ file: Int32, from offset: Int, count: Int, through session: TLSSession) async throws(StreamError) {
        var sent = 0
        while sent < count {
            guard descriptor >= 0 else { throw failure(.closed, "send a file to") }
            // Nothing is read before there is room for it.
            try await finishRecord()
            let scratch = TLSScratch.memory
            let result = pread(file, scratch.baseAddress, min(count - sent, scratch.count), off_t(offset + sent))
            if result < 0, errno == EINTR { continue }
            if result < 0 { throw failure(.system(number: errno), "send a file to") }
            if result == 0 { throw failure(.fileTruncated, "send a file to") }
            let record = UnsafeRawBufferPointer(rebasing: scratch[..<result])
            let taken = try tryWrite(record, more: sent + result < count, through: session)
            if let taken { sent += taken } else { try await waitUntilWritable() }
        }
        try await finishRecord()
    }

    /// Suspends until the socket has taken the last record whole.
    func finishRecord() async throws(StreamError) {
        while let tlsSession, tlsSession.hasUnsent {
            let step = tlsSession.flush()
            if tlsSession.takeCrossing(afterWriting: true) { wakeAll(of: tlsSession) }
            switch step {
            case .done: break
            case .blocked: try await waitUntilWritable()
            case .failed(let reason): throw failure(StreamError.Reason(reason), "write to")
            }
        }
    }
}
