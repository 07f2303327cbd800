// spork check: whether a configuration holds, and what it comes to. Nothing is bound: a socket that listens for a moment would take real clients
// with it when it goes.
import ArgumentParser
import Spork
import SporkPrefork

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Check the configuration of spork serve and show what holds.",
        discussion: """
            Takes the arguments of spork serve. Prints every setting with its value and where it comes from, as a file that --config \
            reads. Exit code 0 when a server could be started with it, 1 when not, 2 when the command line is wrong.
            """
    )

    @OptionGroup var options: ServeOptions

    func run() throws {
        let source = options.source
        try MainActor.assumeIsolated {
            let (effective, _) = try source.effective()
            try DirectoryServer.check(effective.values)
            Console.say(effective.text(standard: DirectoryServer.standard))
        }
    }
}
