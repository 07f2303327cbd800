// One part of a body: what its fields say, and its content as a stream. Made by MultipartReader, whose parser has read the fields.

/// A part of a form: a field with a short text, or a file.
///
/// Iterating gives its content in pieces as they come. What was read once is gone, and so is what was not read when the next part is asked for:
/// then reading throws `MultipartError`.
public final class MultipartPart: AsyncSequence {
    /// The name of the form's field.
    public let name: String
    /// What the client calls the file, without directories and control characters; nil where it is none.
    ///
    /// For people to see. Whoever makes it the name of a file on disk lets clients choose among those: better give files names of your own.
    public let fileName: String?
    /// All fields of the part.
    public let headers: Headers
    private let reader: MultipartReader
    private let number: Int

    init(_ headers: Headers, _ number: Int, of reader: MultipartReader) throws(HTTPError) {
        let dispositions = headers.values("Content-Disposition")
        guard dispositions.count == 1, let disposition = ParameterizedValue(dispositions[0]),
            disposition.value == "form-data", let name = disposition["name"]
        else { throw HTTPError(.badRequest, "a part of the form has no name") }
        // No client of today encodes parts, and whoever asked for the content would get something else (RFC 7578, 4.7).
        let encodings = headers.values("Content-Transfer-Encoding")
        guard encodings.allSatisfy({ coding in ["7bit", "8bit", "binary"].contains { coding.isSameField(as: $0) } })
        else { throw HTTPError(.unsupportedMediaType, "a part of the form is encoded") }
        self.name = Self.decode(name)
        fileName = disposition["filename"].map { Self.lastComponent(Self.decode($0)) }
        self.headers = headers
        self.reader = reader
        self.number = number
    }

    /// The type that the client gives the content; nil where it gives none, which stands for plain text (RFC 7578, 4.4).
    public var contentType: String? { headers["Content-Type"] }

    /// All of the content.
    ///
    /// - Parameter limit: how many bytes it may have.
    /// - Throws: `HTTPError` 413 when there are more, and what iterating throws.
    public func bytes(upTo limit: Int) async throws -> [UInt8] {
        var collected: [UInt8] = []
        while let piece = try await reader.nextContent(ofPart: number) {
            guard collected.count + piece.count <= limit else {
                throw HTTPError(.contentTooLarge, "\(name) is longer than \(limit) bytes")
            }
            collected += piece
        }
        return collected
    }

    /// All of the content as a text in UTF-8; see `bytes(upTo:)`.
    ///
    /// - Throws: also `HTTPError` 400 when it is not UTF-8.
    public func string(upTo limit: Int) async throws -> String {
        guard let text = String(validating: try await bytes(upTo: limit), as: UTF8.self) else {
            throw HTTPError(.badRequest, "\(name) is not UTF-8")
        }
        return text
    }

    /// Reads one piece after the other.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let reader: MultipartReader
        let number: Int

        /// The next piece, at least one byte; nil at the end of the part.
        public mutating func next() async throws -> [UInt8]? { try await reader.nextContent(ofPart: number) }
    }

    /// An iterator that reads from the connection; two of them take turns.
    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(reader: reader, number: number) }

    // Browsers write quotes and line ends so, and nothing else: a percent sign before other digits is one (HTML, 4.10.21.8).
    private static func decode(_ text: String) -> String {
        guard text.utf8.contains(UInt8(ascii: "%")) else { return text }
        var (decoded, bytes) = ([UInt8](), Array(text.utf8)[...])
        while let byte = bytes.first {
            let escape = byte == UInt8(ascii: "%") ? bytes.dropFirst().prefix(2).map(\.inLowerCase) : []
            switch escape {
            case [0x32, 0x32]: decoded.append(UInt8(ascii: "\""))
            case [0x30, 0x64]: decoded.append(0x0D)
            case [0x30, 0x61]: decoded.append(0x0A)
            default:
                decoded.append(byte)
                bytes.removeFirst()
                continue
            }
            bytes.removeFirst(3)
        }
        return String(decoding: decoded, as: UTF8.self)
    }

    private static func lastComponent(_ name: String) -> String {
        let last =
            name.unicodeScalars.split(whereSeparator: { $0 == "/" || $0 == "\\" }).last ?? Substring.UnicodeScalarView()
        let fit = String(String.UnicodeScalarView(last.filter { !$0.isControlOrLineEnd }))
        return fit == "." || fit == ".." ? "" : fit
    }
}

/// Why a part cannot be read.
public enum MultipartError: Error, Equatable {
    /// The next part has been asked for, or the end was reached.
    case passedOver
}
