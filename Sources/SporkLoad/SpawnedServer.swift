// A server that a sweep starts, measures and ends: a shell command in a process group of its own, so that all of its
// processes can be counted and none is left behind.
import CSporkShims
import Glibc
import SporkLoop
import SporkNet

/// A command that runs while load is put on it.
public struct SpawnedServer {
    private let group: pid_t
    private let keeper: ServerKeeper

    /// Its first process: the command, or the shell that runs it where it is more than one.
    public var process: Int32 { group }

    /// A signal came while a server was waited for, which has been ended.
    public struct Interruption: Error {}

    /// Why a server could not be measured.
    enum Failure: Error, CustomStringConvertible {
        case ended(command: String)
        case unreachable(command: String, address: SocketAddress)

        var description: String {
            switch self {
            case .ended(let command): "the server ended before it could be reached: \(command)"
            case .unreachable(let command, let address):
                "the server does not listen on \(address) after 10 s: \(command)"
            }
        }
    }

    /// Starts `command` in a shell and waits until `address` accepts connections, at most 10 s.
    init(command: String, listeningOn address: SocketAddress) throws {
        group = try Self.spawn(command)
        do { keeper = try ServerKeeper(of: group) } catch {
            kill(-group, SIGKILL)
            waitpid(group, nil, 0)
            throw error
        }
        let end = EventLoop.monotonicSeconds() + 10
        while !Self.accepts(address) {
            if Interrupt.hasCome {
                stop()
                throw Interruption()
            }
            // A shell may be gone when what it has started goes on.
            waitpid(group, nil, WNOHANG)
            guard kill(-group, 0) == 0 else {
                keeper.end()
                throw Failure.ended(command: command)
            }
            guard EventLoop.monotonicSeconds() < end else {
                stop()
                throw Failure.unreachable(command: command, address: address)
            }
            usleep(5000)
        }
    }

    /// Starts `command` with {port} filled in, and says where to find it.
    ///
    /// - Parameter url: its {port} is filled in, too; of one without only scheme and path count.
    public static func start(_ command: String, url: String?) throws -> (server: SpawnedServer, target: LoadTarget) {
        let port = try unusedPort()
        var filled = LoadSweep.fill(url ?? "http://127.0.0.1:{port}/", workers: 1, port: port)
        if let url, filled == url {
            let given = try LoadTarget(url: url, at: .loopback(port: port))
            let address = "\(given.scheme)://127.0.0.1:\(port)"
            filled = given.isEcho ? address : address + given.path
        }
        let target = try LoadTarget(url: filled)
        let command = LoadSweep.fill(command, workers: 1, port: port)
        return (try SpawnedServer(command: command, listeningOn: target.address), target)
    }

    /// From now on Ctrl-C does not end this process at once, which would leave servers behind: runs end, and nothing new begins.
    public static func catchInterrupts() { Interrupt.catch() }

    /// Whether one has come since, that no run has taken for itself.
    public static var isInterrupted: Bool { Interrupt.hasCome }

    /// A port on 127.0.0.1 that nobody uses now.
    ///
    /// The kernel hands out another one each time for a while.
    static func unusedPort() throws -> UInt16 {
        let listener = try Listener(.loopback(port: 0))
        defer { listener.close() }
        return listener.address.port ?? 0
    }

    /// Asks the server to end, and kills what is left after 5 s.
    public func stop() {
        kill(-group, SIGTERM)
        let end = EventLoop.monotonicSeconds() + 5
        while waitpid(group, nil, WNOHANG) == 0, EventLoop.monotonicSeconds() < end { usleep(5000) }
        kill(-group, SIGKILL)
        waitpid(group, nil, 0)
        keeper.end()
    }

    /// What the shell is given: it becomes the command, so that this is the process that is watched, unless it is more than one.
    static func script(_ command: String) -> String {
        let first = command.prefix { $0 != " " }
        if command.contains(where: { ";&|()\n".contains($0) }) || ["cd", "exec", "."].contains(first) {
            return command
        }
        // A word with "=" in it sets a variable for the command, which exec does not know.
        return (first.contains("=") && first.first?.isLetter == true ? "exec env " : "exec ") + command
    }

    private static func spawn(_ command: String) throws -> pid_t {
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK))
        posix_spawnattr_setpgroup(&attributes, 0)
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        // What the server says about itself would stand in the middle of the table; its complaints may.
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        let words: [String] = ["sh", "-c", script(command)]
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var pid: pid_t = 0
        let failure = posix_spawn(&pid, "/bin/sh", &actions, &attributes, &arguments, environ)
        guard failure == 0 else { throw SystemError("start", command, number: failure) }
        return pid
    }

    private static func accepts(_ address: SocketAddress) -> Bool {
        let probe = socket(address.family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard probe >= 0 else { return false }
        defer { close(probe) }
        return address.withSystemAddress { connect(probe, $0, $1) } == 0
    }
}
