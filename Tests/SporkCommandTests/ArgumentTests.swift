// The flags of commands with workers stand for the settings: each is there, and what it is given arrives.
import ArgumentParser
import Spork
import Testing

@testable import SporkCommand

@Suite struct ArgumentTests {
    @Test("spork serve has a flag for each of its settings")
    func serve() throws {
        for setting in Setting.ofServe where setting.name != "directory" {
            let options = try ServeOptions.parse(["--\(setting.name)", "some value"])
            let given = options.processes.values.merging(options.http.values) { first, _ in first }
                .merging(options.tls.values) { first, _ in first }.filter {
                    !$0.value.isEmpty
                }
            #expect(given == [setting.name: ["some value"]])
        }
        #expect(try ServeOptions.parse(["site"]).directory == "site")
    }

    @Test("spork echo has a flag for each of its settings")
    func echo() throws {
        for setting in Setting.ofEcho {
            let command = try EchoCommand.parse(["--\(setting.name)", "some value"])
            let given = command.processes.values.merging(command.tls.values) { first, _ in first }
            #expect(given.filter { !$0.value.isEmpty } == [setting.name: ["some value"]])
        }
    }

    @Test("short flags, their value behind them or at once")
    func short() throws {
        let options = try ProcessOptions.parse(["-w4", "-b", "127.0.0.1:1", "-b[::1]:2", "--config", "c"])
        #expect(options.values["workers"] == ["4"])
        #expect(options.values["bind"] == ["127.0.0.1:1", "[::1]:2"])
        #expect(options.config == "c")
    }

    @Test("what was meant by something that is no command")
    func guesses() {
        let commands = ["serve", "echo", "bench", "ctl", "check"]
        let guesses = [
            "sevre": "spork serve", "bnech": "spork bench", "chekc": "spork check", "upgrade": "spork ctl upgrade",
            "reload": "spork ctl reload", "http://a/": "spork bench http://a/", "/": "spork serve /",
        ]
        for (word, guess) in guesses { #expect(CommandGuess.guess(for: word, among: commands) == guess) }
        for word in ["frobnicate", "x", ""] {
            #expect(CommandGuess.guess(for: word, among: commands) == nil)
        }
        #expect(CommandGuess.distance(from: "", to: "abc") == 3 && CommandGuess.distance(from: "abc", to: "abc") == 0)
    }

    @Test("lengths of time")
    func durations() {
        #expect(DurationArgument(argument: "1.5s")?.duration == .milliseconds(1500))
        #expect(DurationArgument(argument: "soon") == nil)
        #expect(DurationArgument(.seconds(30)).defaultValueDescription == "30s")
    }
}
