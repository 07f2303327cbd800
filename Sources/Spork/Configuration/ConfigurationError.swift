// Why a configuration is not followed, and where it stands that way.
import SporkNet

/// Where a value of a configuration comes from.
package nonisolated enum ConfigurationOrigin: Equatable, Sendable, CustomStringConvertible {
    case byDefault
    case flag
    case environment
    case file(path: String, line: Int)

    package var description: String {
        switch self {
        case .byDefault: "default"
        case .flag: "command line"
        case .environment: "environment"
        case .file(let path, let line): "\(path):\(line)"
        }
    }
}

/// What is wrong with a configuration.
package nonisolated enum ConfigurationError: Error, Equatable, CustomStringConvertible {
    /// There is no such setting; perhaps another was meant.
    case unknown(name: String, origin: ConfigurationOrigin, suggestion: String?)
    /// A setting cannot have this value.
    case badValue(name: String, value: String, origin: ConfigurationOrigin, expectation: String)
    /// A flag without its value.
    case missingValue(name: String)
    /// A line of a file that is no setting.
    case malformed(origin: ConfigurationOrigin)
    /// A file has something twice that there can be once.
    case repeated(name: String, origin: ConfigurationOrigin, first: Int)
    /// A line of a file with a byte that no text has.
    case notText(origin: ConfigurationOrigin)
    /// A setting that means nothing without another one.
    case incomplete(name: String, needs: String, origin: ConfigurationOrigin)
    /// The file cannot be read.
    case unreadable(SystemError)
    /// What should be the file is a directory, a pipe, a device.
    case notAFile(path: String)
    /// A flag that has no value was given one.
    case needlessValue(name: String)

    /// Whether it is the command line that is wrong.
    package var isMisuse: Bool {
        switch self {
        case .unknown(_, let origin, _), .badValue(_, _, let origin, _), .incomplete(_, _, let origin): origin == .flag
        case .missingValue, .needlessValue: true
        case .malformed, .repeated, .notText, .unreadable, .notAFile: false
        }
    }

    /// One line that names the place, and says what is wanted.
    package var description: String {
        switch self {
        case .unknown(let name, let origin, let suggestion):
            let guess = suggestion.map { "; is '\($0)' meant?" } ?? ""
            if case .file = origin { return "\(origin): there is no setting '\(name)'\(guess)" }
            return origin == .flag ? "there is no flag '\(name)'\(guess)" : "there is no variable \(name)\(guess)"
        case .badValue(let name, let value, let origin, let expectation):
            if case .file = origin { return "\(origin): \(name) cannot be '\(value)': \(expectation) is wanted" }
            return "\(name) cannot be '\(value)': \(expectation) is wanted"
        case .missingValue(let name): return "\(name) needs a value"
        case .needlessValue(let name): return "\(name) takes no value"
        case .notText(let origin): return "\(origin): this is no text in UTF-8"
        case .notAFile(let path): return "read \(path): it is no regular file"
        case .malformed(let origin): return "\(origin): this is no 'name = value'"
        case .repeated(let name, let origin, let first):
            return "\(origin): \(name) is there already, in line \(first)"
        case .incomplete(let name, let needs, let origin):
            if case .file = origin { return "\(origin): \(name) needs \(needs)" }
            return origin == .flag ? "--\(name) needs --\(needs)" : "\(name) needs \(needs)"
        case .unreadable(let error): return "\(error)"
        }
    }
}
