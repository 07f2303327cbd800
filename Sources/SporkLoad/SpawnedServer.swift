// A server that a sweep starts, measures and ends: a shell command in a process group of its own, so that all of its
// processes can be counted and none is left behind.
import CSporkShims
import Glibc
import SporkLoop
import SporkNet

/// A command that runs while load is put on it.
struct SpawnedServer {
    private let group: pid_t

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
        let end = EventLoop.monotonicSeconds() + 10
        while !Self.accepts(address) {
            guard waitpid(group, nil, WNOHANG) == 0 else {
                kill(-group, SIGKILL)
                throw Failure.ended(command: command)
            }
            guard EventLoop.monotonicSeconds() < end else {
                stop()
                throw Failure.unreachable(command: command, address: address)
            }
            usleep(5000)
        }
    }

    /// A port on 127.0.0.1 that nobody uses now.
    ///
    /// The kernel hands out another one each time for a while.
    static func unusedPort() throws -> UInt16 {
        let listener = try Listener(.loopback(port: 0))
        defer { listener.close() }
        return listener.address.port ?? 0
    }

    /// Processor time of all processes of the server so far, in seconds, and how many there are.
    func processorTime() -> (user: Double, system: Double, processes: Int) {
        var (user, system, processes) = (0, 0, 0)
        guard let directory = opendir("/proc") else { return (0, 0, 0) }
        defer { closedir(directory) }
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            guard let pid = Int32(name), let stat = ProcessStatistics(pid: pid), stat.group == group else { continue }
            user += stat.userTicks
            system += stat.systemTicks
            processes += 1
        }
        let ticks = Double(sysconf(Int32(_SC_CLK_TCK)))
        return (Double(user) / ticks, Double(system) / ticks, processes)
    }

    /// Asks the server to end, and kills what is left after 5 s.
    func stop() {
        kill(-group, SIGTERM)
        let end = EventLoop.monotonicSeconds() + 5
        while waitpid(group, nil, WNOHANG) == 0, EventLoop.monotonicSeconds() < end { usleep(5000) }
        kill(-group, SIGKILL)
        waitpid(group, nil, 0)
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
        let words: [String] = ["sh", "-c", "exec " + command]
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

/// What /proc says about one process.
struct ProcessStatistics {
    let group: pid_t
    let userTicks: Int
    let systemTicks: Int

    /// Reads /proc/PID/stat; nil when the process is gone.
    ///
    /// Children that have ended are counted with their parent.
    init?(pid: pid_t) {
        let descriptor = spork_open_read("/proc/\(pid)/stat")
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 2048)
        let count = read(descriptor, &bytes, bytes.count)
        guard count > 0 else { return nil }
        self.init(text: String(decoding: bytes[..<count], as: UTF8.self))
    }

    /// Reads the text of such a file: the name in the second field may contain anything, so fields count from its end.
    init?(text: String) {
        guard let nameEnd = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: nameEnd)...].split(separator: " ")
        guard fields.count > 14, let group = pid_t(fields[2]) else { return nil }
        let times = fields[11...14].compactMap { Int($0) }
        guard times.count == 4 else { return nil }
        self.group = group
        userTicks = times[0] + times[2]
        systemTicks = times[1] + times[3]
    }
}
