// A served connection that begins with a TLS handshake: waits for its client to begin, does the handshake, and hands what is inside to the handler
// that speaks there. The worker's servers put one around each connection of a listener that is secured.
//
// Invariant: who speaks inside is made when the handshake is done, so a client that never begins one costs little, and hears nothing in the clear but the
// refusal.
import CSporkShims
import Glibc
import SporkLoop

/// Secures one connection, then has it served.
///
/// Always in a coroutine, which is kept like any other: what is sent through TLS may have to be waited for at every step.
package final class SecuringHandler: StreamHandler {
    /// How connections are secured.
    package struct Settings {
        /// What this end shows.
        package var context: TLSContext
        /// How long a client may take to begin, and how long its handshake may take then.
        package var limit = TLSContext.defaultHandshakeLimit
        /// How long a client that has not begun, or not finished its handshake, is waited for when the server drains: what it has sent may be on
        /// its way.
        package var drainLimit: Duration = .seconds(2)
        /// What a client is told in the clear that does not speak TLS but begins with a letter; empty for nothing.
        package var refusal: () -> [UInt8] = { [] }

        package init(_ context: TLSContext) { self.context = context }
    }

    // What every handshake begins with (RFC 8446, 5.1): the type of its first record.
    private static let handshakeRecord: UInt8 = 22

    private let stream: SocketStream
    private let settings: Settings
    private let make: (SocketStream) -> any StreamHandler
    private var inner: (any StreamHandler)?
    private var deadline: Deadline
    private var isDraining = false
    // While its handshake is under way nobody looks at the deadline.
    private var isSecuring = false
    private var drainTimer: LoopTimer?

    package init(_ stream: SocketStream, _ settings: Settings, _ make: @escaping (SocketStream) -> any StreamHandler) {
        self.stream = stream
        self.settings = settings
        self.make = make
        deadline = .after(settings.limit)
    }

    package func serveBurst() async throws -> StreamBurst {
        if let inner { return try await inner.serveBurst() }
        guard let first = try stream.tryPeek() else { return .wait(until: deadline) }
        switch first {
        case .byte(Self.handshakeRecord): break
        case .byte(let byte):
            if byte | 0x20 >= UInt8(ascii: "a"), byte | 0x20 <= UInt8(ascii: "z") { await refuse() }
            return .close
        case .end: return .close
        }
        isSecuring = true
        if isDraining { closeSoon() }
        try await stream.secure(with: settings.context, as: .server, within: settings.limit)
        isSecuring = false
        drainTimer = nil
        let inner = make(stream)
        self.inner = inner
        if isDraining { inner.drain() }
        return try await inner.serveBurst()
    }

    package func drain() {
        isDraining = true
        deadline = min(deadline, .after(settings.drainLimit))
        if isSecuring { closeSoon() }
        inner?.drain()
    }

    /// Closes the stream when its handshake takes longer than a server that drains waits.
    private func closeSoon() {
        let timer = LoopTimer { [unowned self] in MainActor.assumeIsolated { stream.close() } }
        timer.start(after: settings.drainLimit)
        drainTimer = timer
    }

    // What it has sent is read: a close with unread input would make the kernel reset the connection, and nobody would read why.
    private func refuse() async {
        let refusal = settings.refusal()
        guard !refusal.isEmpty else { return }
        let limit = Deadline.after(settings.drainLimit)
        do {
            _ = try stream.tryWrite(refusal[...])
            stream.shutdownWrite()
            while !limit.hasPassed {
                guard let bytes = try stream.tryRead(atMost: 4096) else {
                    try await stream.waitUntilReadable(until: limit)
                    continue
                }
                if bytes.isEmpty { return }
                await EventLoop.stepBack()
            }
        } catch {
            // It is gone, or has been told.
        }
    }
}

extension SocketStream {
    /// What is to be read first.
    enum FirstByte {
        case byte(UInt8)
        case end
    }

    /// Looks at the first byte and leaves it where it is; nil when there is none yet.
    func tryPeek() throws(StreamError) -> FirstByte? {
        guard !isClosed else { throw failure(.closed, "read from") }
        var byte: UInt8 = 0
        while true {
            let count = recv(descriptor, &byte, 1, Int32(MSG_PEEK))
            if count == 1 { return .byte(byte) }
            if count == 0 { return .end }
            switch errno {
            case EINTR: continue
            case EAGAIN: return nil
            default: throw failure(.system(number: errno), "read from")
            }
        }
    }
}
