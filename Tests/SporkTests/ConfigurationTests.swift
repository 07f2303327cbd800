// Configuration: what values look like, what a file says, what goes before what, and what is said about mistakes. Pure.
import SporkNet
import SporkPrefork
import Testing

@testable import Spork

@Suite struct ConfigurationTests {
    private func effective(
        flags: [String: [String]] = [:],
        environment: [String: String] = [:],
        file: String = "",
        settings: [Setting] = Setting.ofServe
    ) throws -> EffectiveConfiguration {
        let file = try ConfigurationFile(path: "spork.conf", bytes: Array(file.utf8))
        return try EffectiveConfiguration(
            settings,
            defaults: ServiceConfiguration(),
            flags: flags,
            environment: environment,
            file: file
        )
    }

    private func complaint(_ body: () throws -> Void) -> String {
        do { try body() } catch { return "\(error)" }
        return "nothing is wrong"
    }

    @Test("flags go before the environment, the environment before the file, the file before the defaults")
    func precedence() throws {
        let file = "graceful-timeout = 1s\nhang-timeout = 1s\nboot-timeout = 1s\n"
        let values = try effective(
            flags: ["graceful-timeout": ["3s"]],
            environment: ["SPORK_GRACEFUL_TIMEOUT": "2s", "SPORK_HANG_TIMEOUT": "2s"],
            file: file
        ).values
        #expect(values.processes.gracefulTimeout == .seconds(3))
        #expect(values.processes.hangTimeout == .seconds(2))
        #expect(values.processes.bootTimeout == .seconds(1))
        #expect(values.processes.shutdownDelay == .zero)
    }

    @Test("a repeatable setting of a stronger source takes the place of all values of the weaker")
    func repeatable() throws {
        let file = "bind = 127.0.0.1:1\nbind = [::1]:2\n"
        #expect(try effective(file: file).values.addresses.map { "\($0)" } == ["127.0.0.1:1", "[::1]:2"])
        let environment = ["SPORK_BIND": "127.0.0.1:3 unix:/x"]
        let fromEnvironment = try effective(environment: environment, file: file)
        #expect(fromEnvironment.values.addresses.map { "\($0)" } == ["127.0.0.1:3", "unix:/x"])
        let fromFlags = try effective(flags: ["bind": ["127.0.0.1:4"]], environment: environment, file: file)
        #expect(fromFlags.values.addresses.map { "\($0)" } == ["127.0.0.1:4"])
    }

    @Test("every setting can be given in every way, and what is shown is read as the same")
    func everySetting() throws {
        let samples = [
            "bind": "127.0.0.1:81", "workers": "3", "accept": "reuseport", "cpu-affinity": "0,2", "user": "nobody",
            "group": "games", "pid-file": "/run/a b # c", "control": "/run/ctl", "directory": "/srv",
            "allow-trace": "true",
        ]
        for setting in Setting.ofServe + Setting.ofService {
            let sample =
                samples[setting.name] ?? (setting.valueName.hasPrefix("time") ? "1500ms" : "17")
            let settings = [setting]
            let file = "\(setting.name) = \"\(sample)\""
            let all = [
                try effective(flags: [setting.name: [sample]], settings: settings),
                try effective(environment: [setting.variable: sample], settings: settings),
                try effective(file: file, settings: settings),
            ]
            for one in all {
                #expect(setting.values(one.values) == [sample], "\(setting.name)")
                #expect(
                    setting.values(ServiceConfiguration()) != [sample],
                    "\(setting.name): the sample is the default"
                )
                let shown = one.text(standard: .loopback(port: 80))
                let again = try effective(file: shown, settings: settings)
                #expect(setting.values(again.values) == [sample], "\(setting.name): \(shown)")
            }
        }
    }

    @Test("a certificate needs its key, wherever each of them stands")
    func together() throws {
        let both = try effective(flags: ["tls-key": ["k"]], environment: ["SPORK_TLS_CERTIFICATE": "c"]).values
        #expect(both.tls == TLSFiles(certificate: "c", key: "k"))
        #expect(try effective().values.tls == nil)
        #expect(complaint { _ = try effective(flags: ["tls-key": ["k"]]) } == "--tls-key needs --tls-certificate")
        #expect(
            complaint { _ = try effective(file: "\ntls-certificate = c") }
                == "spork.conf:2: tls-certificate needs tls-key"
        )
    }

    @Test("the names are a system: lower case, no two alike, short ones neither")
    func names() {
        for table in [Setting.ofServe, Setting.ofEcho, Setting.ofService] {
            #expect(Set(table.map(\.name)).count == table.count)
            #expect(Set(table.compactMap(\.letter)).count == table.compactMap(\.letter).count)
            for setting in table {
                #expect(setting.name.allSatisfy { $0.isLowercase || $0 == "-" }, "\(setting.name)")
                #expect(setting.summary.hasSuffix("."), "\(setting.name)")
            }
        }
        #expect(Setting.ofServe.first { $0.name == "graceful-timeout" }?.variable == "SPORK_GRACEFUL_TIMEOUT")
    }

    @Test("comments, quotes, spaces and line ends in a file")
    func fileForm() throws {
        let text = """
            # a comment

              user=nobody   # the weakest\r
            \tpid-file =  "/run/a # b"  # quoted
            group = games#1
            control = /run/x#y
            """
        let file = try ConfigurationFile(path: "f", bytes: Array(text.utf8))
        #expect(file.entries.map(\.name) == ["user", "pid-file", "group", "control"])
        #expect(file.entries.map(\.value) == ["nobody", "/run/a # b", "games#1", "/run/x#y"])
        #expect(file.entries.map(\.line) == [3, 4, 5, 6])
    }

    @Test(
        "values are written so that they are read as the same",
        arguments: [
            "a", "", " a", "a\t", "a # b", "\"", "a\"#b", "\"q\" x", "\\", "a\\\"", "é",
            // Marks that make one character with a quote, a sign or a blank beside them.
            "\u{301}", "\u{301}#", " \u{301}", "#\u{600}", "\"\u{301}", "a #\u{301}", "a\t\u{301}\\",
        ]
    )
    func quotes(value: String) throws {
        let line = "user = \(ConfigurationFile.text(of: value))  # note"
        #expect(try ConfigurationFile(path: "f", bytes: Array(line.utf8)).entries.map(\.value) == [value])
    }

    @Test(
        "lines that are no settings",
        arguments: ["workers", "= 4", "work ers = 4", "pid-file = \"/run/x", "pid-file = \"a\" b", "[section]", "a: 4"]
    )
    func malformed(line: String) {
        #expect(throws: ConfigurationError.malformed(origin: .file(path: "f", line: 2))) {
            try ConfigurationFile(path: "f", bytes: Array("\n\(line)\n".utf8))
        }
    }

    @Test("mistakes are named with their place and with what is wanted")
    func mistakes() {
        let cases: [(String, () throws -> Void)] = [
            (
                "spork.conf:2: there is no setting 'max-memroy'; is 'max-memory' meant?",
                { _ = try effective(file: "\nmax-memroy = 3G") }
            ),
            ("spork.conf:1: there is no setting 'colour'", { _ = try effective(file: "colour = red") }),
            (
                "there is no variable SPORK_WROKERS; is 'SPORK_WORKERS' meant?",
                { _ = try effective(environment: ["SPORK_WROKERS": "3"]) }
            ),
            (
                "spork.conf:3: workers is there already, in line 1",
                { _ = try effective(file: "workers = 1\n\nworkers = 2") }
            ),
            (
                "spork.conf:1: workers cannot be '0': a number from 1 to 1024, or auto is wanted",
                { _ = try effective(flags: ["workers": ["2"]], file: "workers = 0") }
            ),
            (
                "spork.conf:2: bind cannot be 'here': an address such as 127.0.0.1:8000, [::1]:8000 or unix:/path is wanted",
                { _ = try effective(file: "bind = 127.0.0.1:1\nbind = here") }
            ),
            (
                "SPORK_MAX_AGE cannot be '3 days': a time such as 30s, 500ms or 2m, or off is wanted",
                { _ = try effective(environment: ["SPORK_MAX_AGE": "3 days"]) }
            ),
            (
                "--nofile cannot be '3': a number of at least 16, or off is wanted",
                { _ = try effective(flags: ["nofile": ["3"]]) }
            ),
        ]
        for (expected, body) in cases { #expect(complaint(body) == expected) }
    }

    @Test("variables that others set for a service called spork are not looked at")
    func othersVariables() throws {
        let names = ["SPORK_PORT", "SPORK_PORT_80_TCP", "SPORK_SERVICE_HOST", "SPORK_HANDOVER", "SPORK_CONFIG", "PATH"]
        _ = try effective(environment: Dictionary(uniqueKeysWithValues: names.map { ($0, "x") }))
    }

    @Test("only the command line is misuse")
    func misuse() {
        let bad = { ConfigurationError.badValue(name: "n", value: "v", origin: $0, expectation: "e") }
        #expect(bad(.flag).isMisuse)
        #expect(!bad(.environment).isMisuse)
        #expect(!bad(.file(path: "f", line: 1)).isMisuse)
        #expect(ConfigurationError.missingValue(name: "--bind").isMisuse)
    }

    @Test("distances of names")
    func spelling() {
        let cases = [("abc", "abc", 0), ("abc", "acb", 1), ("abc", "ab", 1), ("", "abc", 3), ("kitten", "sitting", 3)]
        for (left, right, distance) in cases { #expect(Spelling.distance(left, right) == distance, "\(left) \(right)") }
        #expect(Spelling.suggestion(for: "wrokers", among: ["bind", "workers"]) == "workers")
        #expect(Spelling.suggestion(for: "colour", among: ["bind", "workers"]) == nil)
    }

    @Test("the command line of a service")
    func flags() throws {
        let arguments = [
            "-b127.0.0.1:1", "--bind=[::1]:2", "-w", "3", "--allow-trace", "--config", "c", "--max-age", "1h",
        ]
        let flags = try ServiceFlags(arguments, Setting.ofService)
        #expect(flags.values["bind"] == ["127.0.0.1:1", "[::1]:2"])
        #expect(flags.values["workers"] == ["3"])
        #expect(flags.values["allow-trace"] == ["true"])
        #expect(flags.values["max-age"] == ["1h"])
        #expect(flags.path == "c")
        #expect(!flags.wantsHelp && !flags.wantsCheck)
        #expect(try ServiceFlags(["-h"], Setting.ofService).wantsHelp)
        #expect(try ServiceFlags(["--check"], Setting.ofService).wantsCheck)
    }

    @Test("mistakes on the command line of a service")
    func flagMistakes() {
        let cases: [([String], String)] = [
            (["--bind"], "--bind needs a value"), (["-w"], "-w needs a value"),
            (["--config"], "--config needs a value"),
            (["--wrokers", "3"], "there is no flag '--wrokers'; is '--workers' meant?"),
            (["stray"], "there is no flag 'stray'"), (["-x3"], "there is no flag '-x'"),
        ]
        for (arguments, expected) in cases {
            #expect(complaint { _ = try ServiceFlags(arguments, Setting.ofService) } == expected)
        }
    }

    @Test("help names every flag with its default")
    func help() {
        let help = ServiceFlags.help(for: "x", Setting.ofService, defaults: ServiceConfiguration())
        for setting in Setting.ofService { #expect(help.contains("--\(setting.name)"), "\(setting.name)") }
        #expect(help.contains("(default: 30s)"))
    }
}
