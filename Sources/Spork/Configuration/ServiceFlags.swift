// The command line of a program that calls Server.main, read by its settings. Pure: what the arguments say, or what is wrong with them.

/// What the command line of a service says.
package nonisolated struct ServiceFlags {
    /// Values by the settings' names.
    package private(set) var values: [String: [String]] = [:]
    /// The configuration file.
    package private(set) var path: String?
    /// Whether only help is wanted.
    package private(set) var wantsHelp = false
    /// Whether the configuration is only to be checked and shown.
    package private(set) var wantsCheck = false

    /// Reads arguments: `--option value`, `--option=value`, `-o value` and `-ovalue`.
    package init(_ arguments: some Collection<String>, _ settings: [Setting]) throws(ConfigurationError) {
        var rest = arguments.makeIterator()
        while let argument = rest.next() {
            let (option, attached) = Self.split(argument)
            switch option {
            case "--help", "-h", "--check":
                guard attached == nil else { throw .needlessValue(name: option) }
                if option == "--check" { wantsCheck = true } else { wantsHelp = true }
            case "--config":
                guard let value = attached ?? rest.next() else { throw .missingValue(name: option) }
                path = value
            default:
                guard let setting = settings.first(where: { Self.is($0, option) }) else {
                    throw .unknown(name: option, origin: .flag, suggestion: Self.suggestion(for: option, settings))
                }
                if setting.kind == .toggle, attached == nil {
                    values[setting.name] = ["true"]
                } else {
                    guard let value = attached ?? rest.next() else { throw .missingValue(name: option) }
                    values[setting.name, default: []].append(value)
                }
            }
        }
    }

    private static func `is`(_ setting: Setting, _ option: String) -> Bool {
        option == "--\(setting.name)" || setting.letter.map { option == "-\($0)" } == true
    }

    private static func suggestion(for option: String, _ settings: [Setting]) -> String? {
        Spelling.suggestion(for: option, among: settings.map { "--\($0.name)" } + ["--config", "--check", "--help"])
    }

    private static func split(_ argument: String) -> (option: String, value: String?) {
        if argument.hasPrefix("--") {
            guard let equals = argument.firstIndex(of: "=") else { return (argument, nil) }
            return (String(argument[..<equals]), String(argument[argument.index(after: equals)...]))
        }
        guard argument.hasPrefix("-"), argument.count > 2 else { return (argument, nil) }
        return (String(argument.prefix(2)), String(argument.dropFirst(2)))
    }

    /// What `--help` says.
    package static func help(for program: String, _ settings: [Setting], defaults: ServiceConfiguration) -> String {
        let rows = settings.map { setting -> (flag: String, text: String) in
            let letter = setting.letter.map { "-\($0), " } ?? "    "
            let flag = "\(letter)--\(setting.name)" + (setting.valueName.isEmpty ? "" : " <\(setting.valueName)>")
            let value = setting.kind == .single ? setting.values(defaults).first : nil
            return (flag, setting.summary + (value.map { " (default: \($0))" } ?? ""))
        }
        let own = [
            ("    --config <path>", "A file with the same settings: name = value."),
            ("    --check", "Check the configuration, show what holds, and end."),
            ("-h, --help", "Show this."),
        ]
        let width = (rows.map(\.flag) + own.map(\.0)).map(\.count).max() ?? 0
        let lines = (rows + own).map { flag, text in
            "  \(flag)\(String(repeating: " ", count: width - flag.count))  \(text)\n"
        }
        return """
            Usage: \(program) [options]

            \(lines.joined())
            Flags go before SPORK_ variables of the same names (SPORK_GRACEFUL_TIMEOUT), and these before the file. Times are
            written 30s, 500ms, 2m, or as a number of seconds.

            TERM, QUIT: finish what has begun, then end. INT (Ctrl-C): end at once. HUP: read the file again, replace all workers.
            USR2: replace the program. TTIN, TTOU: one worker more, one fewer. WINCH: drain all workers, keep the master.

            """
    }
}
