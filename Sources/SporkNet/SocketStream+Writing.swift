// Writing to a stream: all of it, waiting as often as the socket is full, so that a slow peer slows its writer down and nobody else.
// What the peer has been sent when a write fails is known from `bytesSent`.
import CSporkShims
import Glibc

extension SocketStream {
    /// Writes all of it, waiting as often as the socket is full.
    ///
    /// The memory must stay as it is until the call returns. Costs one system call where the socket takes it all, and no allocation.
    ///
    /// - Throws: `StreamError`, `.timedOut` when the peer has taken nothing for `writeTimeout`.
    public func write(_ bytes: UnsafeRawBufferPointer, more: Bool = false) async throws(StreamError) {
        var rest = bytes[...]
        while !rest.isEmpty {
            if let count = try tryWrite(UnsafeRawBufferPointer(rebasing: rest), more: more) {
                rest = rest.dropFirst(count)
            } else {
                try await waitUntilWritable()
            }
        }
        if tlsSession != nil { try await finishRecord() }
    }

    /// Writes all of it, waiting as often as the socket is full.
    public func write(_ bytes: [UInt8]) async throws(StreamError) { try await write(bytes[...]) }

    /// Writes all of it, waiting as often as the socket is full.
    public func write(_ bytes: ArraySlice<UInt8>) async throws(StreamError) {
        var rest = bytes
        while !rest.isEmpty {
            if let count = try tryWrite(rest) { rest = rest.dropFirst(count) } else { try await waitUntilWritable() }
        }
        if tlsSession != nil { try await finishRecord() }
    }

    /// Writes a text as UTF-8.
    public func write(_ text: String) async throws(StreamError) { try await write(Array(text.utf8)) }

    /// Writes what the socket takes at once.
    ///
    /// - Returns: the number of bytes taken, nil when it would have blocked.
    public func tryWrite(_ bytes: ArraySlice<UInt8>) throws(StreamError) -> Int? {
        let result = bytes.withUnsafeBytes { bytes in Result { () throws(StreamError) in try tryWrite(bytes) } }
        return try result.get()
    }

    /// Writes several pieces one behind the other, in one system call where the socket takes them (writev(2)).
    ///
    /// - Throws: `StreamError`, `.timedOut` when the peer has taken nothing for `writeTimeout`.
    public func write(_ pieces: [[UInt8]]) async throws(StreamError) {
        var (piece, offset) = (0, 0)
        while piece < pieces.count {
            guard var count = try tryWrite(pieces[piece...], from: offset) else {
                try await waitUntilWritable()
                continue
            }
            while piece < pieces.count, count >= pieces[piece].count - offset {
                count -= pieces[piece].count - offset
                (piece, offset) = (piece + 1, 0)
            }
            offset += count
        }
        if tlsSession != nil { try await finishRecord() }
    }

    /// Writes two pieces of memory behind one another, in one system call where the socket takes them.
    package func write(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer) async throws(StreamError) {
        guard descriptor >= 0 else { throw failure(.closed, "write to") }
        guard let start = first.baseAddress, first.count > 0 else { return try await write(second) }
        guard let next = second.baseAddress, second.count > 0 else { return try await write(first) }
        if let tlsSession { return try await write(first, second, through: tlsSession) }
        let taken = try taken(spork_send_two(descriptor, start, first.count, next, second.count)) ?? 0
        if taken < first.count {
            try await write(UnsafeRawBufferPointer(rebasing: first[taken...]), more: true)
            try await write(second)
        } else {
            try await write(UnsafeRawBufferPointer(rebasing: second[(taken - first.count)...]))
        }
    }

    /// Sends a piece of a file without copying it through the process (sendfile(2)).
    ///
    /// - Throws: `StreamError`, `.fileTruncated` when the file ends before; the peer has then got less than it was promised.
    public func sendFile(_ file: Int32, from offset: Int, count: Int) async throws(StreamError) {
        if let tlsSession { return try await sendFile(file, from: offset, count: count, through: tlsSession) }
        // Bounded, so that one connection with a fast reader cannot hold the loop.
        let most = 1 << 20
        var sent = 0
        while sent < count {
            guard descriptor >= 0 else { throw failure(.closed, "send a file to") }
            let result = spork_send_file(descriptor, file, Int64(offset + sent), min(count - sent, most))
            if result == 0 { throw failure(.fileTruncated, "send a file to") }
            if let taken = try taken(result, "send a file to") { sent += taken }
            if sent < count { try await waitUntilWritable() }
        }
    }

    /// How many pieces go into one system call at most; the kernel allows 1024 (IOV_MAX).
    private static var mostPieces: Int { 64 }

    private func tryWrite(_ pieces: ArraySlice<[UInt8]>, from offset: Int) throws(StreamError) -> Int? {
        guard descriptor >= 0 else { throw failure(.closed, "write to") }
        if let tlsSession { return try tryWrite(pieces, from: offset, through: tlsSession) }
        let pieces = pieces.prefix(Self.mostPieces)
        let result = withUnsafeTemporaryAllocation(of: SporkPiece.self, capacity: pieces.count) { vector in
            Self.fill(vector, with: pieces) {
                vector[0].start = vector[0].start.map { $0 + offset }
                vector[0].count -= offset
                return spork_send_vector(descriptor, vector.baseAddress.unsafelyUnwrapped, vector.count)
            }
        }
        return try taken(result)
    }

    // The arrays' memory is only promised as long as their closures run, so those are nested.
    private static func fill(
        _ vector: UnsafeMutableBufferPointer<SporkPiece>,
        with pieces: ArraySlice<[UInt8]>,
        _ body: () -> Int
    ) -> Int {
        guard let piece = pieces.first else { return body() }
        return piece.withUnsafeBytes { bytes in
            vector[vector.count - pieces.count] = SporkPiece(start: bytes.baseAddress, count: bytes.count)
            return fill(vector, with: pieces.dropFirst(), body)
        }
    }
}
