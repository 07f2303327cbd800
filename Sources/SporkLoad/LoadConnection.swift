// One connection of the generator: asks, waits for the whole answer, asks again; in an open loop it asks when a request is due. Every
// request ends in exactly one way: an answer, a failure, or unanswered because somebody ended the run. What is out when the time is
// over is waited for, so that the count agrees with the server's. Exchanges are in LoadConnection+Exchange.swift.
import Glibc
import Histogram
import SporkHTTP
import SporkLoop
import SporkNet
import SporkTasks

final class LoadConnection {
    /// How an exchange ends without an answer.
    enum Ending: Error {
        case failed(LoadTally.Failure, LoadIncidents.Phase, LoadIncidents.Reason)
        case cancelled
    }

    /// A connection that was silent for so long may have been closed by the server, in nanoseconds.
    private static let silence: UInt64 = 100_000_000

    unowned let process: LoadProcess
    /// Where it goes: its origin's number.
    private let origin: Int
    private(set) var stream: SocketStream?
    var input = InputBuffer()
    var parser: ResponseParser
    /// What looks at the answers, where that is asked for.
    var inspection: LoadInspection?
    private var pause = 10
    private var lastAnswer: UInt64 = 0
    private var isServed = false
    /// Whether this connection to the server has had an answer.
    private var hasAnswered = false
    /// Whether anything has come since the last request was sent.
    var isSilent = true
    private var isSent = false
    /// Whether what is out counts: it was sent, or due, after the warm-up.
    private(set) var isCounted = false
    /// Requests that are out.
    private(set) var left = 0
    /// The number of the URL that they are for.
    private(set) var url = 0

    init(_ process: LoadProcess, origin: Int) {
        self.process = process
        self.origin = origin
        inspection = process.makeInspection()
        parser = ResponseParser(isHead: process.plan.method == "HEAD", reportsParts: inspection != nil)
    }

    /// Sends requests until the run's time is over or there are no more to send.
    func run() async {
        if let lane = process.pacer?.lanes[origin] {
            while let arrival = await lane.next() { await ask(1, of: arrival.url, arrival) }
        } else {
            while true {
                let count = process.takeRequests()
                if count == 0 { break }
                await ask(count, of: process.takeURL(of: origin), nil)
            }
        }
        drop()
    }

    /// Makes the connection, before the run; false when that fails, which a request will count.
    func prepare() async -> Bool { (try? await connectedStream()) != nil }

    private func ask(_ count: Int, of url: Int, _ arrival: LoadPacer.Arrival?) async {
        (left, self.url, isSent) = (count, url, false)
        isCounted = arrival.map { $0.due >= process.start } ?? !process.isWarmingUp
        inspection?.begin(count, of: url)
        var start = LoadClock.now
        do {
            let stream = try await connectedStream()
            if process.plan.keepsAlive { start = LoadClock.now }
            isSent = true
            if isCounted {
                if let arrival, arrival.wasExpected { process.tally.lags.record(start - arrival.due) }
                process.tally.sent += count
            }
            if process.isEcho[url] {
                try await exchangeEcho(on: stream, sentAt: start, intended: arrival?.due)
            } else {
                try await exchange(on: stream, sentAt: start, intended: arrival?.due)
            }
        } catch {
            giveUp(error, since: arrival?.due ?? start, isDue: arrival != nil)
            drop()
            // A server that refuses does so at once: without a pause this would count refusals, not load.
            if !isSent, case .failed = error {
                try? await sleep(for: .milliseconds(pause))
                pause = min(pause * 2, 500)
            }
        }
    }

    // What is not answered has taken at least this long: without it the slowest would be missing.
    private func giveUp(_ ending: Ending, since start: UInt64, isDue: Bool) {
        for _ in 0..<(inspection == nil ? 0 : left) { inspection?.end(Self.entry(of: ending, isSent: isSent)) }
        guard isCounted else { return }
        let now = LoadClock.now
        switch ending {
        case .cancelled:
            if isSent { process.tally.unanswered += left } else if isDue { process.tally.unsent += left }
            guard isSent || isDue else { return }
        case .failed(let failure, let phase, let reason):
            process.tally.count(failure, left)
            process.tally.incidents.add(phase, reason, count: left, at: now &- process.start)
            if !isSent { process.tally.failedUnsent += left }
            if process.countsURLs { process.tally.urls[url].errors += left }
            guard failure == .timeout else { return }
        }
        process.tally.latencies.record(now - start, count: UInt64(left))
    }

    private static func entry(of ending: Ending, isSent: Bool) -> LoadLedger.Ending {
        switch ending {
        case .cancelled: isSent ? .unanswered : .unsent
        case .failed(_, let phase, _): .failed(phase)
        }
    }

    private func connectedStream() async throws(Ending) -> SocketStream {
        if let stream {
            if process.pacer == nil || LoadClock.now - lastAnswer < Self.silence || isStillOpen(stream) {
                return stream
            }
            process.tally.idleCloses += 1
            drop()
        }
        let start = LoadClock.now
        // Without connections that last, it is a part of the latency.
        defer { if process.plan.keepsAlive { process.tally.connecting += Int(LoadClock.now - start) } }
        let stream = try await connect()
        if process.origins[origin].target.isSecure { try await secure(stream) }
        stream.readTimeout = process.plan.timeout
        stream.writeTimeout = process.plan.timeout
        pause = 10
        lastAnswer = LoadClock.now
        hasAnswered = false
        self.stream = stream
        return stream
    }

    // Both out of line: what they need is not kept by every connection while it waits for answers.

    @inline(never)
    private func connect() async throws(Ending) -> SocketStream {
        do {
            return try await SocketStream.connect(
                to: process.origins[origin].target.address,
                within: process.plan.timeout
            )
        } catch let error as SystemError {
            throw .failed(.connect, .connect, error.number == ETIMEDOUT ? .timedOut : .system(error.number))
        } catch {
            throw .cancelled
        }
    }

    @inline(never)
    private func secure(_ stream: SocketStream) async throws(Ending) {
        guard let tls = process.tls else { return }
        let role = TLSRole.client(serverName: process.origins[origin].target.host)
        do { try await stream.secure(with: tls, as: role, within: process.plan.timeout) } catch {
            stream.close()
            guard let error = error as? StreamError else { throw error is CancellationError ? .cancelled : .refused }
            throw error.reason == .cancelled ? .cancelled : .failed(.tls, .tls, Self.reason(of: error))
        }
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

    /// One of the requests that are out has its answer.
    func answered(_ status: Int, sentAt start: UInt64, intended: UInt64?) {
        let now = LoadClock.now
        left -= 1
        lastAnswer = now
        hasAnswered = true
        let mismatch = inspection?.end(status: status)
        guard isCounted else { return }
        if let intended {
            process.tally.latencies.record(now - intended)
            process.tally.services.record(now - start)
        } else {
            process.tally.latencies.record(now - start)
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
        default: .failed(failure, crossed ? .idleClose : phase, Self.reason(of: error))
        }
    }

    /// The server has ended the connection while answers were due.
    var ended: Ending { .failed(.read, crossed ? .idleClose : parser.isInHead ? .head : .body, .ended) }

    // The request met the server's close on its way (RFC 9112, 9.3.1).
    private var crossed: Bool { hasAnswered && isSilent }

    private static func reason(of error: StreamError) -> LoadIncidents.Reason {
        switch error.reason {
        case .system(let number): .system(number)
        case .timedOut: .timedOut
        case .tls: .refused
        default: .ended
        }
    }
}

extension LoadConnection.Ending {
    fileprivate static var refused: Self { .failed(.tls, .tls, .refused) }
}
