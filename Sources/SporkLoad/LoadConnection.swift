// One connection of the generator: asks, waits for the whole answer, asks again. Every answer and every failure is
// counted exactly once; a request that is out when the time is over is waited for, so that the count agrees with the
// server's.
import Glibc
import Histogram
import SporkHTTP
import SporkLoop
import SporkNet
import SporkTasks

final class LoadConnection {
    private unowned let process: LoadProcess
    private var stream: SocketStream?
    private var input = InputBuffer()
    private var parser = ResponseParser()
    private var pause = 10
    private var isServed = false

    init(_ process: LoadProcess) { self.process = process }

    /// Sends requests until the run's time is over.
    func run() async {
        while process.isRunning {
            guard let stream = await connectedStream() else { continue }
            let start = LoadClock.now
            do {
                let keepsAlive = try await exchange(on: stream)
                process.tally.latencies.record(LoadClock.now - start)
                process.tally.responses += 1
                if !isServed {
                    (isServed, process.tally.servedConnections) = (true, process.tally.servedConnections + 1)
                }
                if process.isRunning { process.tally.responsesInTime += 1 }
                if !keepsAlive { drop() }
            } catch {
                process.tally.count(error)
                drop()
            }
        }
        drop()
    }

    private func connectedStream() async -> SocketStream? {
        if let stream { return stream }
        do {
            let start = LoadClock.now
            defer { process.tally.connecting += Int(LoadClock.now - start) }
            let stream = try await SocketStream.connect(to: process.plan.target.address, within: process.plan.timeout)
            stream.readTimeout = process.plan.timeout
            stream.writeTimeout = process.plan.timeout
            pause = 10
            self.stream = stream
            return stream
        } catch {
            process.tally.count(.connect)
            // A server that refuses does so at once: without a pause this would count refusals, not load.
            try? await sleep(for: .milliseconds(pause))
            pause = min(pause * 2, 500)
            return nil
        }
    }

    private func drop() {
        stream?.close()
        stream = nil
        input.consume(input.bytes.count)
    }

    /// Sends a request and reads its answer to the end.
    ///
    /// Whether the connection can be used again.
    private func exchange(on stream: SocketStream) async throws(LoadTally.Failure) -> Bool {
        do { try await stream.write(process.request) } catch { throw error.reason == .timedOut ? .timeout : .write }
        parser.reset()
        var deadline = Deadline.never
        while true {
            if !input.isEmpty {
                switch parser.advance(over: input.bytes) {
                case .needMore(let used):
                    input.consume(used)
                case .complete(let used, let status, let keepsAlive):
                    input.consume(used)
                    if !(200..<400).contains(status) { process.tally.unsuccessful += 1 }
                    // Bytes behind the answer to the only request are no answer to the next.
                    return keepsAlive && input.isEmpty
                case .malformed:
                    throw .malformed
                }
            }
            input.keep()
            if deadline == .never { deadline = .after(process.plan.timeout) }
            guard try await receive(from: stream, until: deadline) else {
                guard parser.endsWithStream else { throw .read }
                if !(200..<400).contains(parser.statusSoFar) { process.tally.unsuccessful += 1 }
                return false
            }
        }
    }

    /// Waits for more bytes.
    ///
    /// False at the end of the stream.
    private func receive(from stream: SocketStream, until deadline: Deadline) async throws(LoadTally.Failure) -> Bool {
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
                throw error.reason == .timedOut ? .timeout : .read
            }
        }
    }
}

extension LoadTally.Failure: Error {}
