// A burst of requests: what has come is read, parsed and answered, at once where that goes. The StreamServer calls `tryServeBurst`, and
// makes a coroutine for `serveBurst` where something has to be waited for. Part of ServerConnection.
//
// Invariant: what `tryServeBurst` has begun `serveBurst` goes on with, or `abandon` ends; between bursts nothing is left here.
import SporkLoop
import SporkNet
import SporkPrefork

extension ServerConnection {
    /// What a burst has to wait for before it can go on.
    enum Pause {
        /// The answer to `request`: its handler may suspend, or it is no simple one.
        case answer
        /// That a request is refused, which ends the connection.
        case refusal(Status)
        /// The client has to take what it was sent.
        case room
        /// The same, and that was the last.
        case end
        /// The rest of a head.
        case rest
        /// Other connections have waited for long enough.
        case others
    }

    enum Step {
        case over(StreamBurst)
        case pause(Pause)
    }

    /// How far a burst has come.
    struct Burst {
        // Set with the first byte of a request, for the whole head: a byte now and then does not buy more time.
        var deadline = Deadline.never
        var answersInTurn = 0
        var hasRead = false
        var hasSuspended = false
        // The connection is closed behind the answer that was made.
        var isLast = false
        // What `tryServeBurst` has met with.
        var pause: Pause?

        /// Counts an answer that is worth so many cheap ones; an expensive one is as many as there may be, whatever that is.
        mutating func count(_ effort: Int) { answersInTurn = effort > 1 ? effort : answersInTurn + 1 }
    }

    /// Answers the requests that have come, and waits for whatever has to be waited for meanwhile.
    ///
    /// - Throws: when the peer is gone or does not take what is sent; there is nobody left to tell.
    package func serveBurst() async throws -> StreamBurst {
        while true {
            let pause: Pause
            if let left = burst.pause.take() {
                pause = left
            } else {
                switch try answerWhatHasCome() {
                case .over(let end): return end
                case .pause(let next): pause = next
                }
            }
            switch pause {
            case .answer:
                burst.hasSuspended = true
                let (goesOn, effort) = try await answer(request.unsafelyUnwrapped)
                guard goesOn else { return lastBurst() }
                burst.count(effort)
                if !isKnownUniquelyReferenced(&request) { replaceRequest() }
                if burst.answersInTurn >= configuration.mostAnswersInTurn { try await letOthersGoFirst() }
            case .refusal(let status):
                try await refuse(status)
                return lastBurst()
            case .room: try await flush()
            case .end:
                try await flush()
                await linger()
                return lastBurst()
            case .others: try await letOthersGoFirst()
            case .rest:
                if !output.isEmpty { try await flush() }
                input.keep()
                if burst.deadline == .never { burst.deadline = .after(configuration.headerTimeout) }
                guard try await receiveRest(until: burst.deadline) else { return lastBurst() }
                burst.answersInTurn = 0
            }
        }
    }

    /// The same, as long as nothing has to be waited for, which is nearly always the end of it; nil when `serveBurst` has to go on.
    package func tryServeBurst() throws(StreamError) -> StreamBurst? {
        switch try answerWhatHasCome() {
        case .over(let end): return end
        case .pause(let pause):
            burst.pause = pause
            // Others are served before the coroutine is: what was read has to be this connection's own.
            input.keep()
            return nil
        }
    }

    /// How long a burst may take before the others have their turn, in seconds.
    private static let longestBurst = 0.001

    private func answerWhatHasCome() throws(StreamError) -> Step {
        let began = EventLoop.recently
        if request == nil { request = server.takeRequest() }
        // Not counted again for each step: nothing in here lets go of it but what puts another in its place.
        var current = Unmanaged.passUnretained(request.unsafelyUnwrapped)
        while true {
            switch input.isEmpty ? .needMore : current.borrow({ parser.advance(over: input.bytes, into: $0.head) }) {
            case .head(let length):
                input.consume(length)
                parser.reset()
                burst.deadline = .never
                guard let effort = current.borrow({ answerAtOnce($0) }) else { return .pause(.answer) }
                if burst.isLast { return try end() }
                burst.count(effort)
                if !isKnownUniquelyReferenced(&request) {
                    replaceRequest()
                    current = Unmanaged.passUnretained(request.unsafelyUnwrapped)
                }
                if burst.answersInTurn >= configuration.mostAnswersInTurn { return .pause(.others) }
                // Few that take long are as many.
                if !input.isEmpty, EventLoop.recently - began >= Self.longestBurst { return .pause(.others) }
            case .refuse(let refusal): return .pause(.refusal(refusal.status))
            case .needMore where input.isEmpty:
                if !output.isEmpty, try !sendAtOnce() { return .pause(.room) }
                // Nearly always everything was read at once. Only when it drains is what may have come since still answered.
                if burst.hasRead, !isDraining { return .over(fallSilent()) }
                switch try input.receive(from: stream) {
                case .bytes: burst.hasRead = true
                case .endOfStream: return .over(lastBurst())
                case .nothingYet: return .over(fallSilent())
                }
                burst.answersInTurn = 0
            case .needMore: return .pause(.rest)
            }
        }
    }

    /// Ends what has been decided and not been answered.
    package func abandon() {
        guard burst.pause.take() != nil, let request else { return }
        if let place = request.place.take() { server.row?.endRequest(place) }
        request.decision = nil
        request.end()
    }

    // Behind the last answer.
    private func end() throws(StreamError) -> Step {
        guard try sendAtOnce(), !stream.isSecured else { return .pause(.end) }
        beginLingering()
        return .over(lastBurst())
    }

    // Somebody has kept the request that was answered.
    @inline(never)
    private func replaceRequest() { request = server.takeRequest() }

    // What the connection needed for a request goes to the next one, unless somebody has kept it.
    private func lastBurst() -> StreamBurst {
        if isKnownUniquelyReferenced(&request), let request = request.take() { server.putBack(request) }
        return isLingering ? .linger(until: .after(seconds: server.lingerTimeout)) : .close
    }

    // What only a request needs goes back.
    private func fallSilent() -> StreamBurst {
        keepsCoroutine = burst.hasSuspended
        burst = Burst()
        if let request = request.take() { Unmanaged.passUnretained(server).borrow { $0.putBack(request) } }
        return .wait(until: isDraining ? drainDeadline : .after(seconds: server.silenceLimit))
    }

    /// Waits for more of a head that has begun.
    ///
    /// False when the connection is to be closed instead.
    @inline(never)
    private func receiveRest(until deadline: Deadline) async throws(StreamError) -> Bool {
        while true {
            do { try await stream.waitUntilReadable(until: min(deadline, drainDeadline)) } catch {
                guard error.reason == .timedOut else { throw error }
                try await refuse(.requestTimeout)
                return false
            }
            switch try input.receive(from: stream) {
            case .bytes: return true
            case .endOfStream: return false
            case .nothingYet: continue
            }
        }
    }

    /// A client that has sent many requests at once must not keep the others waiting.
    @inline(never)
    private func letOthersGoFirst() async throws(StreamError) {
        burst.answersInTurn = 0
        if !output.isEmpty { try await flush() }
        input.keep()
        await EventLoop.stepBack()
    }
}
