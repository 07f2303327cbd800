// Answers with parts of something that has a length: one range as it is, several as multipart/byteranges (RFC 9110, 14.6 and 15.3.7). Asked by
// whoever serves files.

extension Response {
    /// The answer with what a Range field asks for; nil when it is to be the whole.
    ///
    /// - Parameters:
    ///   - range: what is asked for.
    ///   - size: how long the whole is.
    ///   - type: its media type.
    ///   - fields: those that describe it, whichever part of it is sent.
    ///   - body: a part of it.
    package static func parts(
        _ range: ByteRange,
        ofSize size: Int,
        type: String,
        fields: [Field],
        body: (Range<Int>) -> Body
    ) -> Response? {
        switch range {
        case .whole:
            return nil
        case .unsatisfiable:
            return .page(.rangeNotSatisfiable, fields: [Field("Content-Range", "bytes */\(size)")])
        case .partial(let range):
            let place = [Field("Content-Type", type), Field("Content-Range", Self.place(range, size))]
            return Response(.partialContent, fields: place + fields, body: body(range))
        case .several(let ranges):
            let boundary = newBoundary()
            var pieces: [Body] = []
            for range in ranges {
                let head = "\r\n--\(boundary)\r\nContent-Type: \(type)\r\nContent-Range: \(place(range, size))\r\n\r\n"
                pieces += [.text(head), body(range)]
            }
            pieces.append(.text("\r\n--\(boundary)--\r\n"))
            let type = Field("Content-Type", "multipart/byteranges; boundary=\(boundary)")
            return Response(.partialContent, fields: [type] + fields, body: .pieces(pieces))
        }
    }

    private static func place(_ range: Range<Int>, _ size: Int) -> String {
        "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(size)"
    }

    // Nobody can have put it into what is sent.
    private static func newBoundary() -> String {
        String(UInt64.random(in: .min ... .max), radix: 36) + String(UInt64.random(in: .min ... .max), radix: 36)
    }
}
