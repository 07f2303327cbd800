// What says whether something is as it was: an entity tag, a date. For what handlers make themselves; files have theirs from the file system.
import SporkLoop

/// A name for one state of something: another state has another (RFC 9110, 8.8.3).
public nonisolated struct EntityTag: Equatable, Sendable, CustomStringConvertible {
    /// What stands between its quotes.
    public let text: String
    /// Whether it stays the same where only the bytes differ, and not what they say; a strong one is another then.
    public let isWeak: Bool

    /// A tag with this text; what may not stand in one is percent-encoded.
    public init(_ text: String, isWeak: Bool = false) {
        var fit = ""
        for byte in text.utf8 {
            if byte > 0x20, byte < 0x7F, byte != UInt8(ascii: "\""), byte != UInt8(ascii: "%") {
                fit.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                fit.append(percentEncoding: byte)
            }
        }
        self.text = fit
        self.isWeak = isWeak
    }

    /// As it stands in a field.
    public var description: String { isWeak ? "W/\"\(text)\"" : "\"\(text)\"" }
}

/// What says whether something is as it was.
public nonisolated struct Validators: Equatable, Sendable {
    /// The name of its present state; nil where it has none.
    public var entityTag: EntityTag?
    /// When it was last modified, in seconds since 1970; nil where nobody knows.
    public var modified: Int?

    /// An entity tag, a date, or both.
    public init(entityTag: EntityTag? = nil, modified: Int? = nil) {
        self.entityTag = entityTag
        self.modified = modified
    }
}

extension Request {
    /// The answer where the request's conditions make it short; nil where it is to be answered, or done, as it was asked (RFC 9110, 13).
    ///
    ///     let state = Validators(entityTag: EntityTag("\(version)"))
    ///     if let answer = request.conditionalAnswer(for: state) { return answer }
    ///
    /// It is 304 to a GET or HEAD from a client that has it, and 412 to a request for another state than the present one, such as a PUT whose
    /// client has not seen what others have changed meanwhile. A 304 has the validators in it; where the whole answer has Cache-Control,
    /// Content-Location, Expires or Vary, they are to be added (15.4.5).
    ///
    /// - Parameter validators: the present state of what is asked for; nil where there is nothing, yet.
    public func conditionalAnswer(for validators: Validators?) -> Response? {
        let now = Int(EventLoop.wallClock)
        let tag = validators?.entityTag.map { Array("\"\($0.text)\"".utf8) }
        func evaluate(_ tag: UnsafeRawBufferPointer?) -> Preconditions.Outcome {
            Preconditions.evaluate(
                head,
                exists: validators != nil,
                entityTag: tag,
                isWeak: validators?.entityTag?.isWeak ?? false,
                modified: (validators?.modified).map { min($0, now) },
                now: now
            )
        }
        switch tag?.withUnsafeBytes({ evaluate($0) }) ?? evaluate(nil) {
        case .proceed: return nil
        case .failed: return .page(.preconditionFailed)
        case .notModified:
            var response = Response(.notModified)
            if let validators { response.setValidators(validators) }
            return response
        }
    }
}

extension Response {
    /// Sets ETag and Last-Modified.
    public mutating func setValidators(_ validators: Validators) {
        headers["ETag"] = validators.entityTag.map { "\($0)" }
        // Never in the future (RFC 9110, 8.8.2.1).
        headers["Last-Modified"] = validators.modified.map { HTTPDate.string(min($0, Int(EventLoop.wallClock))) }
    }
}
