// Reading from a stream: what is there, an exact number of bytes, up to a delimiter, line by line. What a call has received beyond what
// it returns stays with the stream, so the forms can be mixed, and a call that is cancelled or times out loses nothing.

extension SocketStream {
    /// Reads as much as fits, waiting until there is something.
    ///
    /// Costs one system call, and no allocation. Cancelled or out of time, nothing was read.
    ///
    /// - Returns: the number of bytes, 0 at the end of the stream.
    /// - Throws: `StreamError`: `.timedOut` after `readTimeout`, `.closed` when the stream is closed meanwhile.
    public func read(into buffer: UnsafeMutableRawBufferPointer) async throws(StreamError) -> Int {
        while true {
            if let count = try tryRead(into: buffer) { return count }
            try await waitUntilReadable()
        }
    }

    /// Reads into an array, from its beginning, at most as much as it holds; otherwise like `read(into:)` with a pointer.
    ///
    /// The array keeps its size; bytes behind those that were read are as they were.
    public func read(into buffer: inout [UInt8]) async throws(StreamError) -> Int {
        while true {
            let result = buffer.withUnsafeMutableBytes { bytes in
                Result { () throws(StreamError) in try tryRead(into: bytes) }
            }
            if let count = try result.get() { return count }
            try await waitUntilReadable()
        }
    }

    /// Reads up to `count` bytes, waiting until there is something.
    ///
    /// Empty at the end of the stream.
    public func read(atMost count: Int) async throws(StreamError) -> [UInt8] {
        while true {
            if let bytes = try tryRead(atMost: count) { return bytes }
            try await waitUntilReadable()
        }
    }

    /// Reads up to `count` bytes of what is there.
    ///
    /// - Returns: empty at the end of the stream, nil when it would have blocked.
    public func tryRead(atMost count: Int) throws(StreamError) -> [UInt8]? {
        var result = Result<Int?, StreamError>.success(nil)
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            result = Result { () throws(StreamError) in try tryRead(into: UnsafeMutableRawBufferPointer(buffer)) }
            if case .success(let received) = result { initialized = received ?? 0 }
        }
        return try result.get() == nil ? nil : bytes
    }

    /// Reads until the caller's memory is full.
    ///
    /// The bytes that came before an error are in the memory, and gone from the stream: for messages that make no sense in parts, use
    /// `read(exactly:)`.
    ///
    /// - Throws: `StreamError`, `.endOfStream` when the peer ends the stream before.
    public func read(filling buffer: UnsafeMutableRawBufferPointer) async throws(StreamError) {
        var filled = 0
        while filled < buffer.count {
            let count = try await read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[filled...]))
            if count == 0 { throw failure(.endOfStream, "read from") }
            filled += count
        }
    }

    /// Reads exactly `count` bytes.
    ///
    /// A call that fails takes nothing: what has come so far is returned by later calls.
    ///
    /// - Throws: `StreamError`, `.endOfStream` when the peer ends the stream before.
    public func read(exactly count: Int) async throws(StreamError) -> [UInt8] {
        let unread = unreadBytes()
        while unread.count < count {
            guard try await receiveMore(unread) else { throw failure(.endOfStream, "read from") }
        }
        defer { unread.keep() }
        return unread.take(count)
    }

    /// Reads up to `delimiter`, which is taken from the stream and not returned.
    ///
    /// A call that fails takes nothing. Each byte is looked at once.
    ///
    /// - Parameter limit: how many bytes may stand before the delimiter.
    /// - Returns: the bytes before it; nil at the end of the stream.
    /// - Throws: `StreamError`: `.limitExceeded`; `.endOfStream` when the peer ends the stream behind bytes that no delimiter follows.
    public func read(until delimiter: [UInt8], limit: Int) async throws(StreamError) -> [UInt8]? {
        precondition(!delimiter.isEmpty && limit >= 0, "a delimiter has at least one byte, and a limit is not negative")
        let unread = unreadBytes()
        while true {
            if let position = unread.position(of: delimiter, within: limit) {
                defer { unread.keep() }
                let bytes = unread.take(position)
                _ = unread.take(delimiter.count)
                return bytes
            }
            if unread.count - delimiter.count >= limit {
                unread.keep()
                throw failure(.limitExceeded(bytes: limit), "read from")
            }
            guard try await receiveMore(unread) else {
                if unread.isEmpty { return nil }
                throw failure(.endOfStream, "read from")
            }
        }
    }

    /// Reads a line, without its end: a line feed, or a carriage return and a line feed.
    ///
    /// The last line need not have an end. What is not UTF-8 is replaced (U+FFFD).
    ///
    /// - Parameter limit: how many bytes a line may have.
    /// - Returns: nil at the end of the stream.
    /// - Throws: `StreamError`, `.limitExceeded` when a line is longer; it stays unread then.
    public func readLine(limit: Int) async throws(StreamError) -> String? {
        var line: [UInt8]
        do {
            guard let bytes = try await read(until: [UInt8(ascii: "\n")], limit: limit) else { return nil }
            line = bytes
        } catch {
            guard error.reason == .endOfStream, let unread else { throw error }
            line = unread.take(unread.count)
        }
        if line.last == UInt8(ascii: "\r") { line.removeLast() }
        return String(decoding: line, as: UTF8.self)
    }

    /// The lines to come, each as `readLine` returns it.
    public func lines(limit: Int) -> StreamLines { StreamLines(stream: self, limit: limit) }

    private func unreadBytes() -> UnreadBytes {
        if let unread { return unread }
        let made = UnreadBytes()
        unread = made
        return made
    }

    // False at the end of the stream.
    private func receiveMore(_ unread: UnreadBytes) async throws(StreamError) -> Bool {
        while true {
            switch try unread.receive(from: self) {
            case .bytes: return true
            case .endOfStream: return false
            case .nothingYet: try await waitUntilReadable()
            }
        }
    }
}

/// The lines of a stream, read as they are asked for.
public struct StreamLines: AsyncSequence {
    let stream: SocketStream
    let limit: Int

    /// Reads one line after the other.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let stream: SocketStream
        let limit: Int

        /// The next line; nil at the end of the stream.
        public mutating func next() async throws(StreamError) -> String? { try await stream.readLine(limit: limit) }
    }

    /// An iterator that reads from the stream; two of them take turns.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(stream: stream, limit: limit) }
}
