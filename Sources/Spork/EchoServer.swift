// spork echo as a library call: whatever a client sends comes back. The smallest real server on this house's floors: what it costs is what
// the loop, the coroutines and the streams cost.
import SporkLoop
import SporkNet
import SporkPrefork

/// A server that sends everything back, over TCP and Unix sockets.
package enum EchoServer {
    /// How much is read at once.
    private nonisolated static let bufferSize = 64 * 1024

    /// Serves until a signal ends it; see `Master.run`.
    ///
    /// - Parameters:
    ///   - source: what the server goes by.
    ///   - started: called once with a line for people: where, by whom.
    ///   - report: called with a line about anything an operator should know.
    /// - Throws: `ConfigurationError`; `SystemError`, naming what could not be bound.
    package static func run(
        _ source: ConfigurationSource,
        started: @escaping (String) -> Void,
        report: @escaping (String) -> Void
    ) throws {
        let service = Service(source, standard: .loopback(port: 9000)) { _, context in
            { worker in
                // One for all connections of the worker: no bytes are in it while a coroutine is suspended.
                let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.bufferSize, alignment: 64)
                defer { buffer.deallocate() }
                try await worker.serve(handler: Service.secured(by: context) { EchoConnection($0, buffer) })
            }
        }
        try service.run(
            banner: { listeners, configuration in
                let scheme = configuration.tls == nil ? "tcp" : "tls"
                return "Spork echoes at \(Service.places(listeners, scheme: scheme))"
            },
            say: started,
            report: report
        )
    }
}

/// Sends back what one client sends.
private final class EchoConnection: StreamHandler {
    private let stream: SocketStream
    private let buffer: UnsafeMutableRawBufferPointer
    private var isDraining = false

    init(_ stream: SocketStream, _ buffer: UnsafeMutableRawBufferPointer) {
        self.stream = stream
        self.buffer = buffer
    }

    // Nobody can tell whether a client that is silent has finished: what it has sent has come back, so a drain may close.
    func drain() { isDraining = true }

    func serveBurst() async throws -> StreamBurst {
        while let count = try stream.tryRead(into: buffer) {
            if count == 0 { return .close }
            let received = UnsafeRawBufferPointer(rebasing: buffer[..<count])
            let taken = try stream.tryWrite(received) ?? 0
            // Others read into the buffer while this one waits for its client to take more.
            if taken < count { try await stream.write(Array(received[taken...])) }
            // Nearly always everything was read, so waiting first saves a system call.
            if !isDraining { return .wait(until: .never) }
        }
        return isDraining ? .close : .wait(until: .never)
    }
}
