// The command line's entrance: finds the subcommand, runs it, and turns whatever goes wrong into one line and an exit code.
// 0 it went well, 1 it could not be done, 2 it was called wrongly, 3 what was asked for was missed, 130 it was interrupted.
import ArgumentParser
import Glibc
import Spork
import SporkLoad
import SporkNet

@main
enum Main {
    static func main() {
        do {
            var command = try SporkCommand.parseAsRoot()
            try command.run()
        } catch let exit as ExitCode {
            Glibc.exit(exit.rawValue)
        } catch {
            // Help and version come as errors with exit code 0 too, and so does a missing subcommand.
            if SporkCommand.exitCode(for: error).isSuccess || error is CleanExit { SporkCommand.exit(withError: error) }
            let isOurs = error is ConfigurationError || error is LoadTarget.Failure
            let isMisuse = isMisuse(error)
            // The first line says it; what may follow are guesses at what was meant.
            let misuse = SporkCommand.message(for: error).prefix { $0 != "\n" }
            let message = unknownCommand ?? (isMisuse && !isOurs ? String(misuse) : "\(error)")
            Console.complain(message + (isMisuse ? "; see '\(help)'" : ""))
            Glibc.exit(isMisuse ? 2 : 1)
        }
    }

    private static func isMisuse(_ error: any Error) -> Bool {
        if let error = error as? ConfigurationError { return error.isMisuse }
        guard let failure = error as? LoadTarget.Failure else {
            return SporkCommand.exitCode(for: error) == .validationFailure
        }
        if case .malformed = failure { return true }
        return false
    }

    private static var names: [String] {
        SporkCommand.configuration.subcommands.compactMap { $0.configuration.commandName }
    }

    /// What to say where the first argument is no command; nil where it is one.
    private static var unknownCommand: String? {
        guard let name = CommandLine.arguments.dropFirst().first, !name.hasPrefix("-"), name != "help",
            !names.contains(name)
        else { return nil }
        let guess = CommandGuess.guess(for: name, among: names)
        return "'\(name)' is no command" + (guess.map { ". Did you mean '\($0)'?" } ?? "")
    }

    /// Where the command that was called is explained.
    private static var help: String {
        guard let name = CommandLine.arguments.dropFirst().first, names.contains(name) else { return "spork help" }
        return "spork help \(name)"
    }
}

struct SporkCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "spork",
        abstract: "The pre-fork coroutine server for Swift.",
        version: "0.1.0",
        subcommands: [ServeCommand.self, EchoCommand.self, BenchGroup.self, CtlCommand.self, CheckCommand.self]
    )
}

enum Console {
    /// Writes to standard output, unbuffered: nothing is left to be written twice after a fork.
    ///
    /// Ends this process with exit code 1 when that fails: what nobody can read is no success.
    static func say(_ text: String) {
        guard let number = put(text, to: STDOUT_FILENO) else { return }
        complain("\(SystemError("write", "standard output", number: number))")
        Glibc.exit(1)
    }

    /// One line on standard error.
    static func complain(_ text: String) { _ = put("spork: \(text)\n", to: STDERR_FILENO) }

    // The error's number, or nil when all is out.
    private static func put(_ text: String, to descriptor: Int32) -> Int32? {
        var text = text
        return text.withUTF8 { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = write(descriptor, UnsafeBufferPointer(rebasing: rest).baseAddress, rest.count)
                if count > 0 { rest = rest.dropFirst(count) } else if errno != EINTR { return errno }
            }
            return nil
        }
    }
}
