// The parts of a body as a handler reads them, one after the other, each as a stream: nothing is collected that nobody has asked for. The
// sequence makes a reader, which moves the parser over what the request's body gives.

extension RequestBody {
    /// The parts of a form with files (multipart/form-data, RFC 7578), as they come.
    ///
    ///     for try await part in request.body.parts(upTo: 1 << 30) {
    ///         if part.fileName == nil { title = try await part.string(upTo: 1024) } else { for try await piece in part { … } }
    ///     }
    ///
    /// Each is read while it is the one at hand: what is not read of it is passed over when the next is asked for. Iterating throws
    /// `HTTPError`: 415 when the body is of another kind, 400 when it is malformed or ends before its last boundary, 413 beyond a limit, and what
    /// reading a body throws.
    ///
    /// - Parameters:
    ///   - limit: how many bytes the whole body may have; the server's limit (1 MiB unless it is set) where none is named.
    ///   - limits: on the parts.
    public func parts(upTo limit: Int? = nil, limits: MultipartLimits = MultipartLimits()) -> MultipartParts {
        MultipartParts(body: limit.map { chunks(upTo: $0) } ?? self, limits: limits)
    }
}

/// The parts of a request's body.
public struct MultipartParts: AsyncSequence {
    let body: RequestBody
    let limits: MultipartLimits

    /// Reads one part after the other.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let body: RequestBody
        let limits: MultipartLimits
        private var reader: MultipartReader?

        init(body: RequestBody, limits: MultipartLimits) {
            self.body = body
            self.limits = limits
        }

        /// The next part, behind whatever is left of the one before; nil when there are no more.
        public mutating func next() async throws -> MultipartPart? {
            if reader == nil { reader = try MultipartReader(body, limits) }
            return try await reader?.nextPart()
        }
    }

    /// An iterator that reads from the connection; only one of them can.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(body: body, limits: limits) }
}

/// Moves a parser over a body.
final class MultipartReader {
    private enum Event {
        case part(Headers)
        case content([UInt8])
        case partEnd
        case end
    }

    private let body: RequestBody
    private var parser: MultipartParser
    // What has come and is not done with, from `start` on.
    private var bytes: [UInt8] = []
    private var start = 0
    // The part at hand, by its number, and whether there is more of it.
    private var number = 0
    private var isInPart = false

    init(_ body: RequestBody, _ limits: MultipartLimits) throws(HTTPError) {
        // One and no other: with two, others could go by the other's boundary.
        let types = body.request.headers.values("Content-Type")
        guard types.count == 1, let type = ParameterizedValue(types[0]), type.value == "multipart/form-data" else {
            throw HTTPError(.unsupportedMediaType, "a form in parts is expected")
        }
        guard let boundary = type["boundary"], let parser = MultipartParser(boundary: boundary, limits: limits) else {
            throw HTTPError(.badRequest, "the body's type names no boundary")
        }
        self.parser = parser
        self.body = body
    }

    func nextPart() async throws -> MultipartPart? {
        while true {
            switch try await next() {
            case .part(let headers):
                number += 1
                isInPart = true
                return try MultipartPart(headers, number, of: self)
            case .end:
                // Its place is taken by none.
                number += 1
                return nil
            case .content: break
            case .partEnd: isInPart = false
            }
        }
    }

    /// The next piece of the part with this number; nil at its end.
    func nextContent(ofPart number: Int) async throws -> [UInt8]? {
        guard number == self.number else { throw MultipartError.passedOver }
        guard isInPart else { return nil }
        switch try await next() {
        case .content(let piece): return piece
        case .part, .partEnd, .end:
            isInPart = false
            return nil
        }
    }

    private func next() async throws -> Event {
        while true {
            let action = bytes[start...].withUnsafeBytes { parser.advance(over: $0) }
            switch action {
            case .part(let headers, let used):
                start += used
                return .part(headers)
            case .content(let range):
                let piece = Array(bytes[(start + range.lowerBound)..<(start + range.upperBound)])
                start += range.upperBound
                return .content(piece)
            case .partEnd(let used):
                start += used
                return .partEnd
            case .end(let used):
                start += used
                return .end
            case .refuse(let refusal): throw HTTPError(refusal)
            case .needMore(let used):
                start += used
                // Suspends; a call that is given up leaves everything as it was.
                guard let chunk = try await body.readPiece() else {
                    throw HTTPError(.badRequest, "the body ends before its last boundary")
                }
                // In place: a line may come byte by byte, and what there is of it is not to be copied for each.
                bytes.removeSubrange(..<start)
                if bytes.isEmpty { bytes = chunk } else { bytes += chunk }
                start = 0
            }
        }
    }
}
