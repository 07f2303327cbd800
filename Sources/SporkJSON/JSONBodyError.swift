// What can be wrong with a body that should be JSON, each with the status that is due. Decoding errors are put into a line for the client, which
// names the place in the body and nothing of the program.
import FoundationEssentials
import Spork

/// Why a body is not the value that was asked for.
public enum JSONBodyError: Error, Equatable, ResponseConvertible, CustomStringConvertible {
    /// The body's type is another: 415.
    case notJSON(type: String)
    /// It is no JSON: 400.
    case malformed
    /// It is JSON and not such a value: 422. Where, such as `words[3].text`, and what is wrong there.
    case unfit(path: String, reason: String)

    init(_ error: DecodingError, in body: Data) {
        // That JSON is UTF-8 comes first (RFC 8259, 8.1).
        guard String(validating: body, as: UTF8.self) != nil else {
            self = .malformed
            return
        }
        switch error {
        // A number that does not fit has no path either.
        case .dataCorrupted(let context) where context.codingPath.isEmpty && !Self.isJSON(body): self = .malformed
        case .dataCorrupted(let context): self = .unfit(path: Self.path(context.codingPath), reason: "has no fit value")
        case .keyNotFound(let key, let context):
            self = .unfit(path: Self.path(context.codingPath + [key]), reason: "is missing")
        case .valueNotFound(_, let context): self = .unfit(path: Self.path(context.codingPath), reason: "is null")
        case .typeMismatch(_, let context):
            self = .unfit(path: Self.path(context.codingPath), reason: "is of another type")
        @unknown default: self = .malformed
        }
    }

    /// What the client is told.
    public var status: Status {
        switch self {
        case .notJSON: .unsupportedMediaType
        case .malformed: .badRequest
        case .unfit: .unprocessableContent
        }
    }

    /// What is wrong, in a line.
    public var description: String {
        switch self {
        case .notJSON(""): "the body has to be JSON, and its type has to say so"
        case .notJSON(let type): "the body has to be JSON, and not \(type)"
        case .malformed: "the body is not JSON"
        case .unfit(let path, let reason): "\(path.isEmpty ? "the body" : path) \(reason)"
        }
    }

    /// The same in JSON: `{"error":"words[3] is missing"}`.
    public var response: Response {
        guard let text = try? JSONEncoder.plain.encode(["error": description]) else { return Response(status) }
        return Response(status, json: text)
    }

    private static func isJSON(_ body: Data) -> Bool { (try? JSONDecoder().decode(Anything.self, from: body)) != nil }

    private static func path(_ keys: [any CodingKey]) -> String {
        var path = ""
        for key in keys {
            if let index = key.intValue {
                path += "[\(index)]"
            } else {
                path += path.isEmpty ? key.stringValue : ".\(key.stringValue)"
            }
        }
        return path
    }
}

/// What any JSON is.
private nonisolated struct Anything: Decodable {
    // The whole text has been read before this is asked for.
    init(from decoder: any Decoder) {}
}
