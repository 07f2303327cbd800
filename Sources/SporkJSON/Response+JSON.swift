// Values of a program's own types as answers in JSON.
import FoundationEssentials
import Spork

extension Response {
    /// An answer with a value in JSON.
    ///
    /// - Parameters:
    ///   - value: what is sent; encoded at once.
    ///   - status: how it went.
    ///   - encoder: how dates and keys are written; the standard way, slashes as they are, where none is named.
    /// - Throws: `EncodingError` when the value has no form in JSON, as a number that is infinite; answered with 500.
    public static func json(
        _ value: some Encodable,
        _ status: Status = .ok,
        encoder: JSONEncoder? = nil
    ) throws -> Response {
        Response(status, json: try (encoder ?? .plain).encode(value))
    }
}

extension JSONEncoder {
    // One for all answers: it keeps nothing between two values.
    static let plain: JSONEncoder = {
        let encoder = JSONEncoder()
        // The same value is the same bytes, whatever order its keys are kept in: an entity tag may stand for it.
        encoder.outputFormatting = [.withoutEscapingSlashes, .sortedKeys]
        return encoder
    }()
}
