// spork ctl: asks a running master for something over its control socket and tells what came of it. The requests are the control
// socket's; see ControlRequest.
import ArgumentParser
import Glibc
import Spork
import SporkNet
import SporkPrefork

struct CtlCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "ctl",
        abstract: "Ask a running server for something, over its control socket.",
        discussion: """
            Requests: reload and upgrade, which wait until all is done; workers N; status, or status json; reopen (the logs); stop, or \
            stop fast. Exit code 0 when it was done, 1 when it was not, with the reason.
            """
    )

    @Option(
        help: ArgumentHelp(
            "The socket that the server was given with --control; SPORK_CONTROL where this is not given.",
            valueName: "path"
        )
    )
    var control: String?

    @Option(
        help: ArgumentHelp(
            "How long to wait for the answer; a reload takes as long as its workers do.",
            valueName: "time"
        )
    )
    var timeout = DurationArgument(.seconds(300))

    @Argument(help: ArgumentHelp("What is asked for.", valueName: "request"))
    var request: [String]

    func validate() throws {
        do { _ = try ControlRequest(line: request.joined(separator: " ")) } catch {
            throw ValidationError(error.reason)
        }
        guard let socket else {
            throw ValidationError("--control is needed, or SPORK_CONTROL: the socket of the server")
        }
        guard SocketAddress("unix:\(socket)") != nil else {
            throw ValidationError("'\(socket)' is no path of a socket")
        }
    }

    private var socket: String? {
        control ?? getenv("SPORK_CONTROL").map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 }
    }

    func run() throws {
        let (path, line, limit) = (socket ?? "", request.joined(separator: " ") + "\n", timeout.duration)
        let verdict = try EventLoop.run { try await Self.ask(line, at: path, within: limit) }
        guard verdict.hasPrefix("ok") else { throw NotDone(reason: String(verdict.dropFirst("failed ".count))) }
        if let said = verdict.split(separator: " ", maxSplits: 1).dropFirst().first { Console.say("\(said)\n") }
    }

    /// Passes on what the server says; its last line is the verdict.
    @MainActor private static func ask(_ line: String, at path: String, within limit: Duration) async throws -> String {
        let server = try await SocketStream.connect(to: .unix(path), within: .seconds(5))
        server.readTimeout = limit
        try await server.write(line)
        while let answer = try await server.readLine(limit: 1 << 20) {
            if answer.hasPrefix("ok") || answer.hasPrefix("failed ") { return answer }
            Console.say(answer + "\n")
        }
        throw NotDone(reason: "the server ended without an answer")
    }

    private struct NotDone: Error, CustomStringConvertible {
        let reason: String

        var description: String { reason }
    }
}
