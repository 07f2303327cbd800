// Bodies in JSON as a program's own types. A product of its own: what decodes is FoundationEssentials, which nothing else of the house needs, and a
// program without JSON shall not carry.
import FoundationEssentials
import Spork

extension Request {
    /// The body as a value of this type, from JSON.
    ///
    ///     struct Words: Codable { var words: [String] }
    ///     let words = try await request.json(Words.self, upTo: 64 * 1024)
    ///
    /// - Parameters:
    ///   - type: what it is to be.
    ///   - limit: how many bytes it may have. A length that is larger is refused before any of it is read.
    ///   - decoder: how dates and keys are written; the standard way where none is named.
    /// - Throws: `JSONBodyError`: 415 when the body's type is not JSON, 400 when it is no JSON, 422 when it is, and no such value; `HTTPError`: 413
    ///   when it is longer than the limit, and what reading a body throws; `CancellationError`.
    public func json<Value: Decodable>(
        _ type: Value.Type = Value.self,
        upTo limit: Int,
        decoder: JSONDecoder? = nil
    ) async throws -> Value {
        try checkType()
        let data = Data(try await body.bytes(upTo: limit))
        do { return try (decoder ?? JSONDecoder()).decode(type, from: data) } catch let error as DecodingError {
            throw JSONBodyError(error, in: data)
        }
    }

    private func checkType() throws(JSONBodyError) {
        let type = headers.mediaType
        // Others say what they are made of behind a plus (RFC 6839, 3.1).
        guard type == "application/json" || (type.hasPrefix("application/") && type.hasSuffix("+json")) else {
            throw .notJSON(type: headers["Content-Type"] ?? "")
        }
    }
}
