// How a program writes the body of a request that is not there yet: piece by piece, each when the server has taken the one before. ClientExchange makes
// one for a body of the kind `.stream`, and ends the body when its function has returned.
import SporkNet

/// Writes the body of a request.
public final class ClientBodyWriter {
    private var exchange: ClientExchange?
    private let isChunked: Bool
    private var hasEnded = false
    /// How many bytes have still to be written; nil where that is open.
    public private(set) var remaining: Int?
    /// Whether a write was given up: where the body goes on nobody knows then.
    private var hasFailed = false
    /// Whether it was given up because the connection did not take it; the server may have said why.
    private(set) var isBroken = false

    init(_ exchange: ClientExchange, _ framing: RequestSerializer.Framing) {
        self.exchange = exchange
        switch framing {
        case .none: (isChunked, remaining) = (false, 0)
        case .length(let length): (isChunked, remaining) = (false, length)
        case .chunked: (isChunked, remaining) = (true, nil)
        }
    }

    /// Whether the server has got all there is.
    var isWhole: Bool { !hasFailed && (hasEnded || remaining == 0) }

    /// Sends these bytes, waiting until the connection has taken them.
    ///
    /// - Throws: `StreamError` when the server is gone, or has taken nothing for the client's `bodyTimeout`; `BodyError` when they are more than the
    ///   length that was announced, or the answer has ended before its request, or an earlier write was given up, which ends the request; `CancellationError` when the
    ///   request is given up.
    public func write(_ bytes: ArraySlice<UInt8>) async throws {
        guard let exchange, !hasEnded, !hasFailed else { throw BodyError.ended }
        guard !bytes.isEmpty else { return }
        if let remaining, bytes.count > remaining { throw BodyError.longerThanAnnounced }
        try await sending { try await exchange.send(bytes, asChunk: self.isChunked) }
        if let remaining { self.remaining = remaining - bytes.count }
    }

    /// Sends these bytes; see `write`.
    public func write(_ bytes: [UInt8]) async throws { try await write(bytes[...]) }

    /// Sends this text as UTF-8; see `write`.
    public func write(_ text: String) async throws { try await write(Array(text.utf8)[...]) }

    /// Ends the body.
    func end() async throws {
        guard let exchange else { throw BodyError.ended }
        guard !hasFailed else { throw exchange.error(.unfit("a part of the body was given up")) }
        guard remaining ?? 0 == 0 else {
            throw exchange.error(.unfit("the body is shorter than its announced length"))
        }
        if isChunked { try await sending { try await exchange.sendLastChunk() } }
        hasEnded = true
    }

    /// Takes nothing any more.
    func detach() { exchange = nil }

    private func sending(_ send: @MainActor () async throws -> Void) async throws {
        do { try await send() } catch {
            hasFailed = true
            isBroken = (error as? StreamError).map { $0.reason != .cancelled } ?? false
            throw error
        }
    }
}
