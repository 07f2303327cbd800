// What spork bench measures beside the load, and where it writes it.
import ArgumentParser
import Glibc
import SporkLoad
import SporkNet

struct MeasureOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Watch the server with this process number, its children included.", valueName: "number")
    )
    var pid: Int32?

    @Option(
        help: ArgumentHelp(
            "Start this server, with {port} filled in (and {workers} by --sweep), and watch it.",
            valueName: "command"
        )
    )
    var spawn: String?

    @Option(
        help: ArgumentHelp(
            "Open so many connections that are silent after one request, and measure the server's memory for each.",
            valueName: "number"
        )
    )
    var idle: Int?

    @Option(
        help: ArgumentHelp(
            "Have bad clients beside the load, and measure what it loses by them.",
            valueName: HostileKind.allCases.map(\.rawValue).joined(separator: "|")
        )
    )
    var hostile: HostileKind?

    @Option(help: ArgumentHelp("How many of them. (default: 100)", valueName: "number"))
    var hostileConnections: Int?

    /// How many bad clients there are where nobody says.
    static let hostileConnections = 100

    @Option(help: ArgumentHelp("Write a row for each second.", valueName: "file"))
    var csv: String?

    @Option(help: ArgumentHelp("Write a report with plots, as one page.", valueName: "file"))
    var html: String?

    func validate() throws {
        if let pid, pid < 1 { throw ValidationError("--pid takes a process number") }
        if pid != nil, spawn != nil { throw ValidationError("--pid goes without --spawn") }
        if idle != nil, hostile != nil { throw ValidationError("--idle goes without --hostile") }
        guard (1...1_000_000).contains(idle ?? 1) else {
            throw ValidationError("--idle takes a number from 1 to 1000000")
        }
        guard (1...10_000).contains(hostileConnections ?? Self.hostileConnections) else {
            throw ValidationError("--hostile-connections takes a number from 1 to 10000")
        }
        if let spawn, !spawn.contains("{port}") { throw ValidationError("the command of --spawn has no {port}") }
    }

    /// The server to watch that runs already; nil for none.
    @MainActor func watchedProcess() throws -> ServerWatch? {
        guard let pid else { return nil }
        guard ServerWatch.isAlive(pid) else { throw NoSuchProcess(pid: pid) }
        return ServerWatch(pid: pid)
    }

    private struct NoSuchProcess: Error, CustomStringConvertible {
        let pid: Int32

        var description: String { "there is no process \(pid)" }
    }
}

extension HostileKind: ExpressibleByArgument {}

/// Files that results are written to.
enum ResultFile {
    /// Writes a whole file, in the place of one that was there.
    static func write(_ text: String, to path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw SystemError("open", path, number: errno) }
        defer { close(descriptor) }
        let bytes = Array(text.utf8)
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                rest = rest.dropFirst(count)
            } else if errno != EINTR {
                throw SystemError("write", path, number: errno)
            }
        }
    }

    /// The text of a file.
    static func read(_ path: String) throws -> String {
        String(decoding: try BodyArgument(argument: "@" + path)?.bytes ?? [], as: UTF8.self)
    }
}
