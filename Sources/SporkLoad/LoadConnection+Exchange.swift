// Reading the answers to their ends: HTTP, and bytes that come back as they are. Called inside the loop's turn when something has come,
// and by the coroutine of a connection that is secured.
import Glibc
import SporkHTTP
import SporkLoop
import SporkNet

extension LoadConnection: ReadinessObserver {
    nonisolated func readinessEnded(_ outcome: Wait.Outcome) {
        MainActor.assumeIsolated {
            switch outcome {
            case .woken: goOn(with: takeInput())
            case .timedOut:
                fail(.failed(.timeout, phase, .timedOut))
                goOn(with: proceed())
            // By this connection itself.
            case .closed, .cancelled: return
            }
            // What has become due meanwhile does not wait for the answers that have come at the same time.
            process.pacer?.handOut(at: lastAnswer)
        }
    }

    /// Takes what has come; goes on with the next request when it was all.
    func takeInput() -> Need {
        guard let stream else { return proceed() }
        do throws(Ending) {
            let before = input.bytes.count
            switch try receive(from: stream) {
            case .bytes:
                isSilent = false
                if isCounted { process.tally.bytesRead += input.bytes.count - before }
                guard try process.isEcho[url] ? takeEcho() : takeAnswers() else {
                    input.keep()
                    return awaitAnswer(on: stream)
                }
            case .nothingYet:
                return awaitAnswer(on: stream)
            case .endOfStream:
                guard !process.isEcho[url], parser.endsWithStream else { throw ended }
                answered(parser.statusSoFar)
                guard left == 0 else { throw ended }
                drop()
            }
        } catch {
            fail(error)
        }
        return proceed()
    }

    private func receive(from stream: SocketStream) throws(Ending) -> InputBuffer.Received {
        do { return try input.receive(from: stream) } catch { throw ending(error, otherwise: .read, in: phase) }
    }

    // True when all the answers are complete.
    private func takeAnswers() throws(Ending) -> Bool {
        while true {
            switch parser.advance(over: input.bytes) {
            case .needMore(let used):
                input.consume(used)
                return false
            case .head(let used):
                inspection?.take(head: UnsafeRawBufferPointer(rebasing: input.bytes[..<used]))
                input.consume(used)
            case .content(let used, let count):
                inspection?.take(content: UnsafeRawBufferPointer(rebasing: input.bytes[(used - count)..<used]))
                input.consume(used)
            case .complete(let used, let status, let keepsAlive):
                input.consume(used)
                answered(status)
                if left == 0 {
                    // Bytes behind the answer to the last request are no answer to the next.
                    if !keepsAlive || !process.plan.keepsAlive || !input.isEmpty { drop() }
                    return true
                }
                guard keepsAlive else { throw .failed(.read, .head, .ended) }
                if input.isEmpty { return false }
            case .malformed:
                throw .failed(.malformed, phase, .malformed)
            }
        }
    }

    // Each time comparing them where they lie. True when all of it has come back.
    private func takeEcho() throws(Ending) -> Bool {
        let length = process.requestLengths[url]
        while !input.isEmpty, left > 0 {
            let count = min(length - position, input.bytes.count)
            inspection?.take(echo: UnsafeRawBufferPointer(rebasing: input.bytes[..<count]), at: position)
            input.consume(count)
            position += count
            guard position == length else { break }
            position = 0
            answered(0)
        }
        guard left == 0 else { return false }
        // More than was sent can be nobody's echo.
        if !process.plan.keepsAlive || !input.isEmpty { drop() }
        return true
    }
}
