// One connection of the generator: asks, waits for the whole answer, asks again; in an open loop it asks when a request is due. Every
// request ends in exactly one way: an answer, a failure, or unanswered because somebody ended the run. What is out when the time is
// over is waited for, so that the count agrees with the server's.
import Glibc
import Histogram
import SporkHTTP
import SporkLoop
import SporkNet
import SporkTasks

final class LoadConnection {
    /// How an exchange ends without an answer.
    private enum Ending: Error {
        case failed(LoadTally.Failure)
        case cancelled
    }

    /// A connection that was silent for so long may have been closed by the server, in nanoseconds.
    private static let silence: UInt64 = 100_000_000

    private unowned let process: LoadProcess
    private let plan: LoadPlan
    private var stream: SocketStream?
    private var input = InputBuffer()
    private var parser: ResponseParser
    private var pause = 10
    private var isServed = false
    private var lastAnswer: UInt64 = 0
    // Requests that are out.
    private var left = 0

    init(_ process: LoadProcess) {
        self.process = process
        plan = process.plan
        parser = ResponseParser(isHead: process.plan.method == "HEAD")
    }

    /// Sends requests until the run's time is over or there are no more to send.
    func run() async {
        if let pacer = process.pacer {
            while let arrival = await pacer.next() {
                await ask(1, intended: arrival.due, wasExpected: arrival.wasExpected)
            }
        } else {
            while true {
                let count = process.takeRequests()
                if count == 0 { break }
                await ask(count, intended: nil, wasExpected: false)
            }
        }
        drop()
    }

    /// Makes the connection, before the run.
    func prepare() async { _ = try? await connectedStream() }

    private func ask(_ count: Int, intended: UInt64?, wasExpected: Bool) async {
        left = count
        var start = LoadClock.now
        do {
            let stream = try await connectedStream()
            if plan.keepsAlive { start = LoadClock.now }
            if wasExpected, let intended { process.tally.lags.record(start - intended) }
            process.tally.sent += count
            try await exchange(on: stream, sentAt: start, intended: intended)
        } catch {
            giveUp(error, since: intended ?? start)
            drop()
            // A server that refuses does so at once: without a pause this would count refusals, not load.
            if stream == nil, case .failed(let failure) = error, failure == .connect || failure == .tls {
                try? await sleep(for: .milliseconds(pause))
                pause = min(pause * 2, 500)
            }
        }
    }

    // What is not answered has taken at least this long: without it the slowest would be missing.
    private func giveUp(_ ending: Ending, since start: UInt64) {
        switch ending {
        case .cancelled:
            process.tally.unanswered += left
        case .failed(let failure):
            process.tally.count(failure, left)
            guard failure == .timeout else { return }
        }
        process.tally.latencies.record(LoadClock.now - start, count: UInt64(left))
    }

    private func connectedStream() async throws(Ending) -> SocketStream {
        if let stream {
            if process.pacer == nil || LoadClock.now - lastAnswer < Self.silence || isStillOpen(stream) {
                return stream
            }
            drop()
        }
        let start = LoadClock.now
        // Without connections that last, it is a part of the latency.
        defer { if plan.keepsAlive { process.tally.connecting += Int(LoadClock.now - start) } }
        let stream: SocketStream
        do {
            stream = try await SocketStream.connect(to: plan.target.address, within: plan.timeout)
        } catch {
            throw error is CancellationError ? .cancelled : .failed(.connect)
        }
        do {
            if let tls = process.tls {
                try await stream.secure(with: tls, as: .client(serverName: plan.target.host), within: plan.timeout)
            }
            stream.readTimeout = plan.timeout
            stream.writeTimeout = plan.timeout
            pause = 10
            lastAnswer = LoadClock.now
            self.stream = stream
            return stream
        } catch {
            throw error is CancellationError ? .cancelled : .failed(.tls)
        }
    }

    // Servers close connections that are silent for long, and may; a request that crosses that is nobody's failure.
    private func isStillOpen(_ stream: SocketStream) -> Bool {
        guard case .nothingYet? = try? input.receive(from: stream) else { return false }
        return true
    }

    private func drop() {
        stream?.close()
        stream = nil
        input.consume(input.bytes.count)
    }

    /// Sends what is to be sent and reads the answers to their ends.
    private func exchange(on stream: SocketStream, sentAt start: UInt64, intended: UInt64?) async throws(Ending) {
        let length = left * process.requestLength
        do { try await stream.write(process.requests.prefix(length)) } catch {
            throw Self.ending(error, otherwise: .write)
        }
        parser.reset()
        var deadline = Deadline.never
        while true {
            if !input.isEmpty {
                switch parser.advance(over: input.bytes) {
                case .needMore(let used):
                    input.consume(used)
                case .complete(let used, let status, let keepsAlive):
                    input.consume(used)
                    answered(status, sentAt: start, intended: intended)
                    if left > 0, keepsAlive { continue }
                    guard left == 0 else { throw .failed(.read) }
                    // Bytes behind the answer to the last request are no answer to the next.
                    if !keepsAlive || !plan.keepsAlive || !input.isEmpty { drop() }
                    return
                case .malformed:
                    throw .failed(.malformed)
                }
            }
            input.keep()
            if deadline == .never { deadline = .after(plan.timeout) }
            guard try await receive(from: stream, until: deadline) else {
                guard parser.endsWithStream else { throw .failed(.read) }
                answered(parser.statusSoFar, sentAt: start, intended: intended)
                guard left == 0 else { throw .failed(.read) }
                drop()
                return
            }
        }
    }

    private func answered(_ status: Int, sentAt start: UInt64, intended: UInt64?) {
        let now = LoadClock.now
        left -= 1
        if let intended {
            process.tally.latencies.record(now - intended)
            process.tally.services.record(now - start)
        } else {
            process.tally.latencies.record(now - start)
        }
        lastAnswer = now
        process.tally.responses += 1
        if process.isRunning { process.tally.responsesInTime += 1 }
        if !(200..<400).contains(status) { process.tally.unsuccessful += 1 }
        if !isServed {
            isServed = true
            process.tally.servedConnections += 1
        }
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
                    process.tally.bytesRead += input.bytes.count - before
                    return true
                case .nothingYet:
                    continue
                case .endOfStream:
                    return false
                }
            } catch {
                throw Self.ending(error, otherwise: .read)
            }
        }
    }

    private static func ending(_ error: StreamError, otherwise failure: LoadTally.Failure) -> Ending {
        switch error.reason {
        case .timedOut: .failed(.timeout)
        case .cancelled: .cancelled
        default: .failed(failure)
        }
    }
}
