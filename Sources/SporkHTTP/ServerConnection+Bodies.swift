// How what stands behind an answer's head is sent: bodies that are there, pieces that a handler writes, events, or the connection itself.
// Part of ServerConnection, whose answers come here.
import SporkLoop
import SporkNet
import SporkTasks

extension ServerConnection {
    @inline(never)
    func send(_ body: Response.Body) async throws(StreamError) {
        switch body {
        case .empty, .takeover, .stream, .events:
            break
        case .text(let text):
            output.append(text)
        case .bytes(let bytes):
            if bytes.count <= OutputBuffer.usualSize {
                output.append(bytes)
            } else {
                try await send(bytes[...], asChunk: false)
            }
        case .block(let block, let range):
            let part = UnsafeRawBufferPointer(rebasing: block.bytes[range])
            if part.count <= configuration.mostGathered {
                output.append(part)
            } else {
                input.keep()
                try await stream.write(output.bytes, part)
                output.removeAll()
            }
        case .file(let file, let range):
            input.keep()
            if !output.isEmpty {
                try await stream.write(output.bytes, more: true)
                output.removeAll()
            }
            try await stream.sendFile(file.descriptor, from: range.lowerBound, count: range.count)
        case .pieces(let pieces):
            for piece in pieces { try await send(piece) }
        }
    }

    /// Has a handler send events, and cancels it when the client goes.
    func sendEvents(
        _ writer: BodyWriter,
        for request: Request,
        _ send: @MainActor (EventWriter) async throws -> Void
    ) async throws {
        // The client shall know that it is connected before anything happens.
        try await writer.flush()
        let events = EventWriter(writer)
        events.lastEventID = request.headers["Last-Event-ID"]
        guard let coroutine = AnyCoroutine.current, !isDraining else { return }
        listener = coroutine
        // Where there is still content to come, who reads that sees the client's end, and who writes.
        if tryReceiveAllContent(of: request) { stream.observeReading(until: .never, self) }
        defer {
            listener = nil
            stream.interruptReader()
        }
        try await send(events)
    }

    /// Receives what is left of a request's content where that has come; true where nobody will wait for it any more.
    private func tryReceiveAllContent(of request: Request) -> Bool {
        if request.content.decoder.isComplete { return true }
        guard let left = request.content.decoder.remaining, left <= Self.mostWhileListening else { return false }
        if input.bytes.count < left {
            _ = try? input.receive(from: stream)
            input.keep()
        }
        return input.bytes.count >= left
    }

    /// How much of what a client sends while it listens to events is kept; one that sends more is only found gone when it is written to.
    private static let mostWhileListening = 64 * 1024

    /// Sends a piece of a body that a handler writes, the head before it where that is still to come.
    func send(_ bytes: ArraySlice<UInt8>, asChunk: Bool) async throws(StreamError) {
        if asChunk {
            output.append(hexadecimal: bytes.count)
            output.append(literal: "\r\n")
        }
        if bytes.count / 4 <= configuration.mostGathered {
            bytes.withUnsafeBytes { output.append($0) }
            if asChunk { output.append(literal: "\r\n") }
            try await flush()
        } else {
            input.keep()
            isWriting = true
            defer { endWriting() }
            do {
                try await stream.write(output.bytes, more: true)
                output.removeAll()
                try await stream.write(bytes)
            } catch {
                // Nobody knows how much of it has left: it must not be sent again.
                output.removeAll()
                throw error
            }
            // It leaves with what comes next, which is the next chunk, or the end.
            if asChunk { output.append(literal: "\r\n") }
        }
    }

    func sendWhatWaits() async throws(StreamError) { if !output.isEmpty { try await flush() } }

    /// Gives the connection to a handler, with what the client has sent already.
    @inline(never)
    func handOver(
        _ response: Response,
        _ takeOver: @MainActor (SocketStream) async throws -> Void
    ) async throws(StreamError) {
        ResponseSerializer.appendHead(of: response, .none, .changes, to: &output)
        try await flush()
        stream.giveBack(input.bytes)
        input.consume(input.bytes.count)
        // What it throws ends the connection, as its return does.
        try? await takeOver(stream)
    }
}

extension ServerConnection: ReadinessObserver {
    /// Sees the end of a client that events are sent to.
    nonisolated func readinessEnded(_ outcome: Wait.Outcome) {
        MainActor.assumeIsolated {
            guard let listener else { return }
            guard outcome == .woken, let received = try? input.receive(from: stream), received != .endOfStream else {
                return listener.cancel()
            }
            input.keep()
            // What it sends meanwhile is its next request, which has to wait.
            if input.bytes.count < Self.mostWhileListening { stream.observeReading(until: .never, self) }
        }
    }
}
