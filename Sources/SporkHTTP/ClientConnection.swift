// A client's connection: its socket, what has come and not been used, and its silence between two requests. HTTPClient makes it and says when it is
// silent; ClientExchange writes to it and reads from it.
//
// Invariant: while it is silent nobody waits on its stream; whatever comes then, and its end, makes it useless and is told at once.
import SporkLoop
import SporkNet

final class ClientConnection {
    /// What the pool knows it by.
    let number: Int
    let stream: SocketStream
    var input = InputBuffer()
    var output = OutputBuffer()
    /// How many requests it has carried to their ends.
    var served = 0

    private var silence = Deadline.never
    private var onUseless: (() -> Void)?

    init(_ number: Int, _ stream: SocketStream) {
        self.number = number
        self.stream = stream
    }

    /// Begins to be silent; `onUseless` is called when the server ends or breaks the silence, or it has lasted for `time`.
    func park(for time: Duration, onUseless: @escaping () -> Void) {
        silence = .after(time)
        self.onUseless = onUseless
        watch()
    }

    /// Ends the silence.
    ///
    /// False when the server has closed it, or said something that nobody has asked for.
    func wake() -> Bool {
        onUseless = nil
        stream.interruptReader()
        return isSilent
    }

    func close() {
        onUseless = nil
        stream.close()
        input.consume(input.bytes.count)
    }

    /// Sends what has gathered in `output`.
    ///
    /// - Parameters:
    ///   - limit: how long the server may take nothing of it.
    ///   - deadline: how long all of it may take.
    func flush(within limit: Duration?, until deadline: Deadline) async throws(StreamError) {
        // What is left after a failure is of no use: the server cannot make sense of anything behind it.
        defer { output.removeAll() }
        var sent = 0
        while sent < output.count {
            let rest = UnsafeRawBufferPointer(rebasing: output.bytes[sent...])
            if let count = try stream.tryWrite(rest) {
                sent += count
            } else {
                setLimit(limit, deadline)
                try await stream.waitUntilWritable()
            }
        }
        // Through TLS the last record may not have left.
        setLimit(limit, deadline)
        try await stream.write([UInt8]())
    }

    private func setLimit(_ limit: Duration?, _ deadline: Deadline) {
        guard deadline < .never else { return stream.writeTimeout = limit }
        // A limit of zero would mean something else.
        let left = Duration.seconds(max(0.001, deadline.seconds - EventLoop.monotonicSeconds()))
        stream.writeTimeout = limit.map { min($0, left) } ?? left
    }

    // What TLS has to say for itself, such as new tickets, brings nothing to read.
    private var isSilent: Bool {
        guard case .nothingYet? = try? input.receive(from: stream) else { return false }
        return true
    }

    private func watch() {
        if stream.observeReading(until: silence, self) { return }
        if isSilent, stream.observeReading(until: silence, self) { return }
        endSilence()
    }

    private func endSilence() { onUseless.take()?() }
}

extension ClientConnection: ReadinessObserver {
    nonisolated func readinessEnded(_ outcome: Wait.Outcome) {
        MainActor.assumeIsolated {
            guard onUseless != nil else { return }
            if outcome == .woken, isSilent { watch() } else { endSilence() }
        }
    }
}
