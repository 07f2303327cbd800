// What a connection of the generator needs a coroutine for: connecting, securing, waiting until the socket takes more, and all of the
// exchange through TLS. It ends as soon as the connection only waits for an answer, or for its turn.
import Glibc
import SporkLoop
import SporkNet
import SporkTasks

extension LoadConnection {
    /// Makes the coroutine that does what is needed next.
    func startCoroutine(for need: Need) {
        coroutine = spawn("connection") { [self] in
            await run(need)
            coroutine = nil
        }
    }

    /// Makes the connection, before the run; false when that fails, which a request will count.
    func prepare() async -> Bool { (try? await connect()) != nil }

    private func run(_ need: Need) async {
        var need = need
        while true {
            switch need {
            case .nothing: return
            case .connection: need = await connectAndSend()
            case .room(let bytes): need = await write(bytes)
            case .input: need = await takeMore()
            }
        }
    }

    private func connectAndSend() async -> Need {
        var failed = false
        do {
            let stream = try await connect()
            // Without connections that last, making them is a part of the latency.
            if process.plan.keepsAlive { sentAt = LoadClock.now }
            if let need = send(on: stream) { return need }
        } catch {
            if case .failed = error { failed = true }
            fail(error)
        }
        // A server that refuses does so at once: without a pause this would count refusals, not load.
        if failed {
            try? await sleep(for: .milliseconds(Int(pause)))
            pause = min(pause * 2, 500)
        }
        return proceed()
    }

    private func write(_ bytes: ArraySlice<UInt8>) async -> Need {
        guard let stream else { return proceed() }
        do { try await stream.write(bytes) } catch {
            fail(ending(error, otherwise: .write, in: .write))
            return proceed()
        }
        deadline = .after(seconds: process.timeout)
        return awaitAnswer(on: stream)
    }

    private func takeMore() async -> Need {
        guard let stream else { return proceed() }
        do { try await stream.waitUntilReadable(until: deadline) } catch {
            fail(ending(error, otherwise: .read, in: phase))
            return proceed()
        }
        return takeInput()
    }

    private func connect() async throws(Ending) -> SocketStream {
        let start = LoadClock.now
        // Without connections that last, it is a part of the latency.
        defer { if process.plan.keepsAlive { process.tally.connecting += Int(LoadClock.now - start) } }
        let stream = try await connectedStream()
        if process.origins[origin].target.isSecure { try await secure(stream) }
        stream.readTimeout = process.plan.timeout
        stream.writeTimeout = process.plan.timeout
        pause = 10
        lastAnswer = LoadClock.now
        hasAnswered = false
        self.stream = stream
        return stream
    }

    private func connectedStream() async throws(Ending) -> SocketStream {
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

    private func secure(_ stream: SocketStream) async throws(Ending) {
        guard let tls = process.tls else { return }
        let role = TLSRole.client(serverName: process.origins[origin].target.host)
        do { try await stream.secure(with: tls, as: role, within: process.plan.timeout) } catch {
            stream.close()
            switch error {
            case let error as TLSError: throw ending(error.reason, .tls, in: .tls)
            case let error as StreamError: throw ending(error, otherwise: .tls, in: .tls)
            default: throw .cancelled
            }
        }
    }
}
