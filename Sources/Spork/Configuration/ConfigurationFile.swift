// A configuration file's text: a setting a line, `name = value`, with the names of the flags. Pure; ConfigurationSource reads the file.
//
//     # Comments begin with # at the start of a line or behind a space.
//     bind = 0.0.0.0:8000
//     bind = unix:/run/spork.sock
//     graceful-timeout = 30s
//     pid-file = "/run/a \"name\" with # in it"

/// The settings in a configuration file.
package nonisolated struct ConfigurationFile {
    /// A line that sets something.
    package struct Entry: Equatable {
        package let name: String
        package let value: String
        package let line: Int
    }

    /// What the file is called in messages.
    package let path: String
    package private(set) var entries: [Entry] = []

    private typealias Scalars = Substring.UnicodeScalarView

    /// Reads the text.
    ///
    /// - Throws: `ConfigurationError.malformed` for a line that is neither empty nor a comment nor a setting, `notText` for one that is not
    ///   UTF-8 or has a control character.
    package init(path: String, bytes: [UInt8]) throws(ConfigurationError) {
        self.path = path
        // Some editors begin a file with a mark of its encoding.
        let bytes = bytes.starts(with: [0xEF, 0xBB, 0xBF]) ? bytes[3...] : bytes[...]
        for (index, line) in bytes.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated() {
            let origin = ConfigurationOrigin.file(path: path, line: index + 1)
            let line = line.last == 0x0D ? line.dropLast() : line
            guard let text = String(validating: line, as: UTF8.self), line.allSatisfy({ $0 >= 0x20 || $0 == 0x09 })
            else { throw .notText(origin: origin) }
            // Scalars, not characters: an accent behind a quote or a sign makes it no other one.
            let content = Self.trimmed(text.unicodeScalars[...])
            if content.isEmpty || content.first == "#" { continue }
            guard let entry = Self.entry(content, line: index + 1) else { throw .malformed(origin: origin) }
            entries.append(entry)
        }
    }

    private static func entry(_ content: Scalars, line: Int) -> Entry? {
        guard let equals = content.firstIndex(of: "=") else { return nil }
        let name = String(trimmed(content[..<equals]))
        guard !name.isEmpty, name.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "-" || $0 == "_" }) else {
            return nil
        }
        let rest = trimmed(content[content.index(after: equals)...])
        guard let value = value(of: rest) else { return nil }
        return Entry(name: name, value: value, line: line)
    }

    /// What stands behind the sign, without quotes and comment; nil for a quote without its end.
    private static func value(of text: Scalars) -> String? {
        if text.first == "\"" { return quoted(text.dropFirst()) }
        var before: Unicode.Scalar = " "
        for index in text.indices {
            if text[index] == "#", before == " " || before == "\t" { return String(trimmed(text[..<index])) }
            before = text[index]
        }
        return String(text)
    }

    /// What stands behind an opening quote, up to the closing one; a backslash goes before either that is meant itself.
    private static func quoted(_ text: Scalars) -> String? {
        var value = String.UnicodeScalarView()
        var rest = text
        while let scalar = rest.popFirst() {
            switch scalar {
            case "\"":
                rest = trimmed(rest)
                return rest.isEmpty || rest.first == "#" ? String(value) : nil
            case "\\":
                guard let escaped = rest.popFirst(), escaped == "\"" || escaped == "\\" else { return nil }
                value.append(escaped)
            default: value.append(scalar)
            }
        }
        return nil
    }

    /// A value as it is written in a file, in quotes where it needs them.
    package static func text(of value: String) -> String {
        let scalars = value.unicodeScalars
        let isPlain =
            !value.isEmpty && trimmed(scalars[...]).elementsEqual(scalars)
            && !scalars.contains { $0 == "#" || $0 == "\"" }
        if isPlain { return value }
        let escaped = scalars.flatMap { $0 == "\"" || $0 == "\\" ? ["\\", $0] : [$0] }
        return "\"" + String(String.UnicodeScalarView(escaped)) + "\""
    }

    private static func trimmed(_ text: Scalars) -> Scalars {
        var text = text
        while let last = text.last, last == " " || last == "\t" { text.removeLast() }
        return text.drop { $0 == " " || $0 == "\t" }
    }
}
