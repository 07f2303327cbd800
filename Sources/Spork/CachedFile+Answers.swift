// The answers that a file gives: whole, in parts, or short because its client has it (RFC 9110, 13 and 14). The file service asks for those of
// files that it keeps, handlers for those of files that they have opened.
import SporkHTTP
import SporkLoop

extension CachedFile {
    /// The answer to a GET or HEAD for this file.
    func answer(to head: RequestHead) -> Response {
        shortAnswer(to: head, type: mediaType, fields: fields)
            ?? Response(.ok, preparedHead: self.head, body: body(0..<size))
    }

    /// The answer to a request that a handler answers with this file, as what it is said to be.
    ///
    /// Conditions and ranges are about what a request is for: one of another method is answered with the whole file.
    func answer(to head: RequestHead, type: String, disposition: String?) -> Response {
        var fields = fields
        if let disposition { fields.append(Response.Field("Content-Disposition", disposition)) }
        if head.method == .get || head.method == .head, let short = shortAnswer(to: head, type: type, fields: fields) {
            return short
        }
        let type = Response.Field("Content-Type", type)
        return Response(.ok, fields: [type] + fields, body: body(0..<size))
    }

    /// What is not the whole file; nil when that is due.
    private func shortAnswer(
        to head: RequestHead,
        type: String,
        fields: @autoclosure () -> [Response.Field]
    ) -> Response? {
        let outcome = entityTag.withUnsafeBytes {
            Preconditions.evaluate(head, entityTag: $0, modified: modified, now: Int(EventLoop.wallClock))
        }
        switch outcome {
        case .notModified: return Response(.notModified, fields: fields())
        case .failed: return .page(.preconditionFailed)
        case .proceed(let mayHaveRange):
            // Range means something for GET only (RFC 9110, 14.2).
            guard mayHaveRange, head.method == .get, let range = head.value(.range) else { return nil }
            return .parts(ByteRange(range, size: size), ofSize: size, type: type, fields: fields()) { body($0) }
        }
    }
}
