// One connection of the generator: asks, waits for the whole answer, asks again; in an open loop it asks when a request is due. Every
// request ends in exactly one way: an answer, a failure, or unanswered because somebody ended the run. What is out when the time is
// over is waited for, so that the count agrees with the server's.
//
// While it waits for an answer or for its turn there is no coroutine: the loop tells it when something comes, and it goes on from there
// as far as it can without waiting for anything else. A connection then costs a few hundred bytes, and an answer no change of
// coroutines. What has to wait otherwise is in LoadConnection+Coroutine.swift, what becomes of answers in LoadConnection+Exchange.swift.
//
// Invariant: it waits for its turn, or for an answer as its socket's observer, or a coroutine runs for it, or it has ended; never two.
import Glibc
import Histogram
import SporkHTTP
import SporkLoop
import SporkNet

final class LoadConnection {
    /// How an exchange ends without an answer.
    enum Ending: Error {
        case failed(LoadTally.Failure, LoadIncidents.Phase, LoadIncidents.Reason)
        case cancelled
    }

    /// What a connection needs to go on that takes a coroutine.
    enum Need {
        /// It waits already, or has ended.
        case nothing
        /// A connection to the server.
        case connection
        /// The socket has to take these bytes.
        case room(ArraySlice<UInt8>)
        /// More of the answer, through TLS.
        case input
    }

    /// A connection that was silent for so long may have been closed by the server, in nanoseconds.
    private static let silence: UInt64 = 100_000_000

    // The process keeps its connections as long as it lives.
    unowned(unsafe) let process: LoadProcess
    /// Where it goes: its origin's number.
    let origin: Int
    var stream: SocketStream?
    var input = InputBuffer()
    var parser: ResponseParser
    /// What looks at the answers, where that is asked for.
    var inspection: LoadInspection?
    /// What runs for it, while it does not only wait.
    var coroutine: AnyCoroutine?
    /// Until when the answer has to be there.
    var deadline = Deadline.never
    /// When what is out was sent.
    var sentAt: UInt64 = 0
    /// When it was due, in an open loop.
    private(set) var due: UInt64 = 0
    var lastAnswer: UInt64 = 0
    /// Requests that are out.
    private(set) var left = 0
    /// The number of the URL that they are for.
    private(set) var url = 0
    /// Of an echo: how much of it has come.
    var position = 0
    /// How long to wait after the next failure to connect, in milliseconds.
    var pause: UInt16 = 10
    private var isServed = false
    /// Whether this connection to the server has had an answer.
    var hasAnswered = false
    /// Whether anything has come since the last request was sent.
    var isSilent = true
    var isSent = false
    /// Whether what is out counts: it was sent, or due, after the warm-up.
    private(set) var isCounted = false
    private(set) var hasEnded = false

    init(_ process: LoadProcess, origin: Int) {
        self.process = process
        self.origin = origin
        inspection = process.makeInspection()
        parser = ResponseParser(isHead: process.plan.method == "HEAD", reportsParts: inspection != nil)
    }

    /// Sends requests from now on, until the run's time is over or there are no more to send.
    func start() { goOn(with: proceed()) }

    /// A request is due, and this connection was waiting for one.
    func take(_ arrival: LoadPacer.Arrival) {
        begin(1, of: arrival.url, arrival)
        goOn(with: ask() ?? proceed())
    }

    /// Takes what is to be sent next, until something has to be waited for.
    func proceed() -> Need {
        while !hasEnded {
            if let lane = process.pacer?.lanes[origin] {
                guard let arrival = lane.next(for: self) else { break }
                begin(1, of: arrival.url, arrival)
            } else {
                let count = process.takeRequests()
                guard count > 0 else {
                    end()
                    break
                }
                begin(count, of: process.takeURL(of: origin), nil)
            }
            if let need = ask() { return need }
        }
        return .nothing
    }

    private func begin(_ count: Int, of url: Int, _ arrival: LoadPacer.Arrival?) {
        (left, self.url, isSent, position) = (count, url, false, 0)
        due = arrival?.due ?? 0
        isCounted = arrival.map { $0.due >= process.start } ?? !process.isWarmingUp
        inspection?.begin(count, of: url)
        sentAt = LoadClock.now
        if let arrival, arrival.wasExpected, isCounted { process.tally.lags.record(sentAt - min(sentAt, due)) }
    }

    // Nil when it has failed at once: then there may be something else to send.
    private func ask() -> Need? {
        guard let stream = usableStream else { return .connection }
        return send(on: stream)
    }

    /// Sends what was begun; nil when that fails.
    func send(on stream: SocketStream) -> Need? {
        (isSent, isSilent) = (true, true)
        if isCounted { process.tally.sent += left }
        parser.reset()
        deadline = .after(seconds: process.timeout)
        let bytes = inspection?.numbered(left) ?? process.requests[url]
        let count = left * process.requestLengths[url]
        do {
            let taken = try bytes.withUnsafeBytes { bytes in
                Result { () throws(StreamError) in
                    try stream.tryWriteWhole(UnsafeRawBufferPointer(rebasing: bytes[..<count]))
                }
            }
            .get()
            guard taken == count else {
                return .room(bytes[(bytes.startIndex + (taken ?? 0))..<(bytes.startIndex + count)])
            }
            return awaitAnswer(on: stream)
        } catch {
            fail(ending(error, otherwise: .write, in: .write))
            return nil
        }
    }

    /// Waits for more of the answer.
    func awaitAnswer(on stream: SocketStream) -> Need {
        // What TLS has read already the socket does not know of, and what it has to write the loop does not.
        if stream.isSecured { return .input }
        stream.observeReading(until: deadline, self)
        return .nothing
    }

    /// Starts a coroutine where one is needed.
    func goOn(with need: Need) { if case .nothing = need {} else { startCoroutine(for: need) } }

    /// What is out has no answer, and gets none.
    func fail(_ ending: Ending) {
        giveUp(ending)
        drop()
    }

    // What is not answered has taken at least this long: without it the slowest would be missing.
    private func giveUp(_ ending: Ending) {
        defer { left = 0 }
        for _ in 0..<(inspection == nil ? 0 : left) { inspection?.end(Self.entry(of: ending, isSent: isSent)) }
        guard isCounted else { return }
        let now = LoadClock.now
        switch ending {
        case .cancelled:
            if isSent { process.tally.unanswered += left } else if due > 0 { process.tally.unsent += left }
            guard isSent || due > 0 else { return }
        case .failed(let failure, let phase, let reason):
            process.tally.count(failure, left)
            process.tally.incidents.add(phase, reason, count: left, at: now &- process.start)
            if !isSent { process.tally.failedUnsent += left }
            if process.countsURLs { process.tally.urls[url].errors += left }
            guard failure == .timeout else { return }
        }
        process.tally.latencies.record(now - (due > 0 ? due : sentAt), count: UInt64(left))
    }

    private static func entry(of ending: Ending, isSent: Bool) -> LoadLedger.Ending {
        switch ending {
        case .cancelled: isSent ? .unanswered : .unsent
        case .failed(_, let phase, _): .failed(phase)
        }
    }

    private var usableStream: SocketStream? {
        guard let stream else { return nil }
        if process.pacer == nil || sentAt - lastAnswer < Self.silence || isStillOpen(stream) { return stream }
        process.tally.idleCloses += 1
        drop()
        return nil
    }

    // Servers close connections that are silent for long, and may; a request that crosses that is nobody's failure.
    private func isStillOpen(_ stream: SocketStream) -> Bool {
        guard case .nothingYet? = try? input.receive(from: stream) else { return false }
        return true
    }

    /// Closes the connection; the next request makes another.
    func drop() {
        stream?.close()
        stream = nil
        input.consume(input.bytes.count)
    }

    /// Ends what is out, now: somebody wants the report.
    func cancel() {
        if let coroutine, coroutine.hasStarted { return coroutine.cancel() }
        // One that has not started yet never runs.
        coroutine?.cancel()
        coroutine = nil
        if left > 0 { giveUp(.cancelled) }
        end()
    }

    /// Nothing more is to be sent; harmless when repeated.
    func end() {
        guard !hasEnded else { return }
        hasEnded = true
        drop()
        process.connectionEnded()
    }

    /// One of the requests that are out has its answer.
    func answered(_ status: Int) {
        let now = LoadClock.now
        left -= 1
        lastAnswer = now
        hasAnswered = true
        let mismatch = inspection?.end(status: status)
        guard isCounted else { return }
        if due > 0 {
            process.tally.latencies.record(now - due)
            process.tally.services.record(now - sentAt)
        } else {
            process.tally.latencies.record(now - sentAt)
        }
        process.tally.responses += 1
        if process.isRunning { process.tally.responsesInTime += 1 }
        process.tally.statusClasses[min(status / 100, 7)] += 1
        let isBad = !(200..<400).contains(status) && process.judgesStatus && !process.isEcho[url]
        if let mismatch { process.tally.count(mismatch) } else if isBad { process.tally.unsuccessful += 1 }
        if process.countsURLs {
            process.tally.urls[url].answers += 1
            if mismatch != nil || isBad { process.tally.urls[url].errors += 1 }
        }
        if !isServed {
            isServed = true
            process.tally.servedConnections += 1
        }
    }

    /// What a failed call on the connection means for the requests that are out.
    func ending(_ error: StreamError, otherwise failure: LoadTally.Failure, in phase: LoadIncidents.Phase) -> Ending {
        switch error.reason {
        case .timedOut: .failed(.timeout, phase, .timedOut)
        case .cancelled: .cancelled
        case .tls(let reason): ending(reason, failure, in: phase)
        case .system(let number): .failed(failure, crossed ? .idleClose : phase, .system(number))
        default: .failed(failure, crossed ? .idleClose : phase, .ended)
        }
    }

    /// What it means that TLS does not go on; its words are kept.
    func ending(_ reason: TLSError.Reason, _ failure: LoadTally.Failure, in phase: LoadIncidents.Phase) -> Ending {
        switch reason {
        case .timedOut: return .failed(.timeout, phase, .timedOut)
        case .truncated, .closed: return .failed(failure, phase, .ended)
        case .system(let number): return .failed(failure, phase, .system(number))
        default:
            process.tally.incidents.keep(refusal: reason.description)
            return .failed(failure, phase, .refused)
        }
    }

    /// The server has ended the connection while answers were due.
    var ended: Ending { .failed(.read, crossed ? .idleClose : phase, .ended) }

    /// Which part of an answer is awaited.
    var phase: LoadIncidents.Phase { parser.isInHead ? .head : .body }

    // The request met the server's close on its way (RFC 9112, 9.3.1).
    private var crossed: Bool { hasAnswered && isSilent }
}
