// One thing that a server can be told: its name, which is that of the flag, of the line in a configuration file and, in capitals, of the
// environment variable; what its values look like; and where they belong. The tables of them are in Setting+Tables.swift.
import SporkNet
import SporkPrefork

/// A setting by its name.
package nonisolated struct Setting: Sendable {
    /// How often it is given, and with what.
    package enum Kind: Sendable {
        /// Once, with a value.
        case single
        /// Any number of times, with a value each.
        case repeatable
        /// As a flag it stands alone; elsewhere it is true or false.
        case toggle
    }

    /// What it is called: lower case, words joined by hyphens.
    package let name: String
    /// Its short flag.
    package let letter: Character?
    /// What stands for its value in a help text.
    package let valueName: String
    package let kind: Kind
    /// What it is for: a sentence.
    package let summary: String
    /// What is wanted, for whoever has written something else.
    package let expectation: String
    /// Puts values into a configuration, in place of those it has; the answer is the first that is not one.
    package let take: @Sendable ([String], inout ServiceConfiguration) -> String?
    /// The values in a configuration, as they are written; none when it is not set.
    package let values: @Sendable (ServiceConfiguration) -> [String]

    /// The environment variable of this name.
    package var variable: String {
        Self.variablePrefix + name.uppercased().map { $0 == "-" ? "_" : String($0) }.joined()
    }

    package static let variablePrefix = "SPORK_"

    /// A setting with one value, read and written by functions.
    static func single<Value>(
        _ name: String,
        letter: Character? = nil,
        _ valueName: String,
        _ place: any WritableKeyPath<ServiceConfiguration, Value> & Sendable,
        wants expectation: String,
        _ summary: String,
        read: @escaping @Sendable (String) -> Value?,
        write: @escaping @Sendable (Value) -> String?
    ) -> Setting {
        Setting(
            name: name,
            letter: letter,
            valueName: valueName,
            kind: .single,
            summary: summary,
            expectation: expectation,
            take: { texts, configuration in
                for text in texts {
                    guard let value = read(text) else { return text }
                    configuration[keyPath: place] = value
                }
                return nil
            },
            values: { configuration in write(configuration[keyPath: place]).map { [$0] } ?? [] }
        )
    }

    /// A length of time, which may have to be longer than none.
    static func time(
        _ name: String,
        isPositive: Bool = false,
        _ place: any WritableKeyPath<ServiceConfiguration, Duration> & Sendable,
        _ summary: String
    ) -> Setting {
        single(
            name,
            "time",
            place,
            wants: "a time such as 30s, 500ms or 2m",
            summary,
            read: { text in
                SettingText.duration(text).flatMap { isPositive && $0 == .zero ? nil : $0 }
            },
            write: { SettingText.text(of: $0) }
        )
    }

    /// A length of time that can be switched off.
    static func optionalTime(
        _ name: String,
        _ place: any WritableKeyPath<ServiceConfiguration, Duration?> & Sendable,
        _ summary: String
    ) -> Setting {
        single(
            name,
            "time|off",
            place,
            wants: "a time such as 30s, 500ms or 2m, or off",
            summary,
            read: { text -> Duration?? in
                if text == "off" { return .some(nil) }
                guard let duration = SettingText.duration(text) else { return nil }
                return .some(duration == .zero ? nil : duration)
            },
            write: { $0.map { SettingText.text(of: $0) } ?? "off" }
        )
    }

    /// A whole number of at least `least`.
    static func number<Number: FixedWidthInteger & Sendable>(
        _ name: String,
        atLeast least: Number,
        _ place: any WritableKeyPath<ServiceConfiguration, Number> & Sendable,
        _ summary: String
    ) -> Setting {
        single(
            name,
            "number",
            place,
            wants: "a number of at least \(least)",
            summary,
            read: { Number($0).flatMap { $0 < least ? nil : $0 } },
            write: { "\($0)" }
        )
    }

    /// A whole number of at least `least`, or off.
    static func optionalNumber(
        _ name: String,
        atLeast least: Int,
        _ place: any WritableKeyPath<ServiceConfiguration, Int?> & Sendable,
        _ summary: String
    ) -> Setting {
        single(
            name,
            "number|off",
            place,
            wants: "a number of at least \(least), or off",
            summary,
            read: { text -> Int?? in text == "off" ? .some(nil) : Int(text).flatMap { $0 < least ? nil : .some($0) } },
            write: { $0.map { "\($0)" } ?? "off" }
        )
    }

    /// An amount of memory.
    static func bytes(
        _ name: String,
        _ place: any WritableKeyPath<ServiceConfiguration, Int> & Sendable,
        _ summary: String
    ) -> Setting {
        single(
            name,
            "bytes",
            place,
            wants: "a number of bytes such as 64K, 300M or 2G",
            summary,
            read: { SettingText.bytes($0) },
            write: { SettingText.text(ofBytes: $0) }
        )
    }

    /// A text that is not empty: a name, a path.
    static func text(
        _ name: String,
        _ valueName: String,
        _ place: any WritableKeyPath<ServiceConfiguration, String?> & Sendable,
        _ summary: String
    ) -> Setting {
        single(
            name,
            valueName,
            place,
            wants: "a \(valueName)",
            summary,
            read: { $0.isEmpty ? nil : .some($0) },
            write: { $0 }
        )
    }

    /// A yes or no, no unless it is given.
    static func toggle(
        _ name: String,
        _ place: any WritableKeyPath<ServiceConfiguration, Bool> & Sendable,
        _ summary: String
    ) -> Setting {
        Setting(
            name: name,
            letter: nil,
            valueName: "",
            kind: .toggle,
            summary: summary,
            expectation: "true or false",
            take: { texts, configuration in
                guard let text = texts.last else { return nil }
                guard let value = SettingText.truth(text) else { return text }
                configuration[keyPath: place] = value
                return nil
            },
            values: { [$0[keyPath: place] ? "true" : "false"] }
        )
    }
}
