// A configuration file's text: a setting a line, `name = value`, with the names of the flags. Pure; ConfigurationSource reads the file.
//
//     # Comments begin with # at the start of a line or behind a space.
//     bind = 0.0.0.0:8000
//     bind = unix:/run/spork.sock
//     graceful-timeout = 30s
//     pid-file = "/run/a name with # in it"

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

    /// Reads the text.
    ///
    /// - Throws: `ConfigurationError.malformed` for a line that is neither empty nor a comment nor a setting.
    package init(path: String, text: String) throws(ConfigurationError) {
        self.path = path
        for (index, line) in text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline).enumerated() {
            let content = Self.trimmed(line)
            if content.isEmpty || content.first == "#" { continue }
            guard let entry = Self.entry(content, line: index + 1) else {
                throw .malformed(origin: .file(path: path, line: index + 1))
            }
            entries.append(entry)
        }
    }

    private static func entry(_ content: Substring, line: Int) -> Entry? {
        guard let equals = content.firstIndex(of: "=") else { return nil }
        let name = trimmed(content[..<equals])
        guard !name.isEmpty, name.allSatisfy({ $0.isLetter || $0.isNumber || $0 == "-" || $0 == "_" })
        else { return nil }
        let rest = trimmed(content[content.index(after: equals)...])
        guard let value = value(of: rest) else { return nil }
        return Entry(name: String(name), value: value, line: line)
    }

    /// What stands behind the sign, without quotes and comment; nil for a quote without its end.
    private static func value(of text: Substring) -> String? {
        if text.first == "\"" {
            let quoted = text.dropFirst()
            guard let end = quoted.firstIndex(of: "\"") else { return nil }
            let rest = trimmed(quoted[quoted.index(after: end)...])
            return rest.isEmpty || rest.first == "#" ? String(quoted[..<end]) : nil
        }
        var before: Character = " "
        for index in text.indices {
            if text[index] == "#", before == " " || before == "\t" { return String(trimmed(text[..<index])) }
            before = text[index]
        }
        return String(text)
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var text = text
        while let last = text.last, last == " " || last == "\t" { text.removeLast() }
        return text.drop { $0 == " " || $0 == "\t" }
    }
}
