// Sending what is to be sent and reading the answers to their ends: HTTP, and bytes that come back as they are.
import Glibc
import SporkHTTP
import SporkLoop
import SporkNet

extension LoadConnection {
    /// Sends the requests and reads the answers.
    func exchange(on stream: SocketStream, sentAt start: UInt64, intended: UInt64?) async throws(Ending) {
        try await send(on: stream)
        parser.reset()
        var deadline = Deadline.never
        // Where the answer is looked at, its end may be known only when there is nothing more to look at.
        var goesOn = false
        while true {
            if goesOn || !input.isEmpty {
                goesOn = false
                switch parser.advance(over: input.bytes) {
                case .needMore(let used):
                    input.consume(used)
                case .head(let used):
                    inspection?.take(head: UnsafeRawBufferPointer(rebasing: input.bytes[..<used]))
                    input.consume(used)
                    goesOn = true
                    continue
                case .content(let used, let count):
                    inspection?.take(content: UnsafeRawBufferPointer(rebasing: input.bytes[(used - count)..<used]))
                    input.consume(used)
                    goesOn = true
                    continue
                case .complete(let used, let status, let keepsAlive):
                    input.consume(used)
                    answered(status, sentAt: start, intended: intended)
                    if left > 0, keepsAlive { continue }
                    guard left == 0 else { throw .failed(.read, .head, .ended) }
                    // Bytes behind the answer to the last request are no answer to the next.
                    if !keepsAlive || !process.plan.keepsAlive || !input.isEmpty { drop() }
                    return
                case .malformed:
                    throw .failed(.malformed, parser.isInHead ? .head : .body, .malformed)
                }
            }
            input.keep()
            if deadline == .never { deadline = .after(process.plan.timeout) }
            guard try await receive(from: stream, until: deadline) else {
                guard parser.endsWithStream else { throw ended }
                answered(parser.statusSoFar, sentAt: start, intended: intended)
                guard left == 0 else { throw ended }
                drop()
                return
            }
        }
    }

    /// Sends the bytes and reads them back, each time comparing them where they lie.
    func exchangeEcho(on stream: SocketStream, sentAt start: UInt64, intended: UInt64?) async throws(Ending) {
        try await send(on: stream)
        let length = process.requestLengths[url]
        var position = 0
        var deadline = Deadline.never
        while left > 0 {
            while !input.isEmpty, left > 0 {
                let count = min(length - position, input.bytes.count)
                inspection?.take(echo: UnsafeRawBufferPointer(rebasing: input.bytes[..<count]), at: position)
                input.consume(count)
                position += count
                guard position == length else { break }
                position = 0
                answered(0, sentAt: start, intended: intended)
            }
            if left == 0 { break }
            input.keep()
            if deadline == .never { deadline = .after(process.plan.timeout) }
            guard try await receive(from: stream, until: deadline) else { throw ended }
        }
        // More than was sent can be nobody's echo.
        if !process.plan.keepsAlive || !input.isEmpty { drop() }
    }

    private func send(on stream: SocketStream) async throws(Ending) {
        isSilent = true
        let bytes = inspection?.numbered(left) ?? process.requests[url].prefix(left * process.requestLengths[url])
        do { try await stream.write(bytes) } catch { throw ending(error, otherwise: .write, in: .write) }
    }

    /// Waits for more bytes.
    ///
    /// False at the end of the stream.
    private func receive(from stream: SocketStream, until deadline: Deadline) async throws(Ending) -> Bool {
        while true {
            do {
                try await stream.waitUntilReadable(until: deadline)
                let before = input.bytes.count
                switch try input.receive(from: stream) {
                case .bytes:
                    isSilent = false
                    if isCounted { process.tally.bytesRead += input.bytes.count - before }
                    return true
                case .nothingYet:
                    continue
                case .endOfStream:
                    return false
                }
            } catch {
                throw ending(error, otherwise: .read, in: parser.isInHead ? .head : .body)
            }
        }
    }
}
