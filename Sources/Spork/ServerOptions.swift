// The command line of a program that calls Server.main. Pure: what the arguments say, or what is wrong with them.
import SporkNet
import SporkPrefork

/// What the command line of a service says.
struct ServerOptions {
    /// Why the command line is not followed.
    enum Mistake: Error, Equatable, CustomStringConvertible {
        case helpWanted
        case unknown(String)
        case missingValue(String)
        case badValue(option: String, value: String)

        var description: String {
            switch self {
            case .helpWanted: "help is wanted"
            case .unknown(let argument): "unknown argument '\(argument)'"
            case .missingValue(let option): "\(option) needs a value"
            case .badValue(let option, let value): "\(option) cannot be '\(value)'"
            }
        }
    }

    /// More are a mistake: every worker is a process.
    private static let mostWorkers = 1024

    private(set) var addresses: [SocketAddress] = []
    private(set) var settings: ServerSettings
    private(set) var allowsTrace = false

    /// Reads arguments: `--option value`, `--option=value`, `-o value` and `-ovalue`.
    ///
    /// - Parameter settings: what holds where the arguments say nothing; nil for the defaults and a worker a processor.
    init(_ arguments: some Collection<String>, _ settings: ServerSettings? = nil) throws(Mistake) {
        self.settings = settings ?? ServerSettings()
        if settings == nil { self.settings.workers = ProcessorCount.available }
        var rest = arguments.makeIterator()
        while let argument = rest.next() {
            var (option, value) = Self.split(argument)
            if option == "--help" || option == "-h" { throw .helpWanted }
            if option == "--allow-trace", value == nil {
                allowsTrace = true
                continue
            }
            guard ["--bind", "-b", "--workers", "-w"].contains(option) else { throw .unknown(argument) }
            value = value ?? rest.next()
            guard let value else { throw .missingValue(option) }
            if option.contains("b") {
                guard let address = SocketAddress(value) else { throw .badValue(option: option, value: value) }
                addresses.append(address)
            } else if value == "auto" {
                self.settings.workers = ProcessorCount.available
            } else {
                guard let number = Int(value), (1...Self.mostWorkers).contains(number) else {
                    throw .badValue(option: option, value: value)
                }
                self.settings.workers = number
            }
        }
    }

    private static func split(_ argument: String) -> (option: String, value: String?) {
        if argument.hasPrefix("--") {
            guard let equals = argument.firstIndex(of: "=") else { return (argument, nil) }
            return (String(argument[..<equals]), String(argument[argument.index(after: equals)...]))
        }
        guard argument.hasPrefix("-"), argument.count > 2 else { return (argument, nil) }
        return (String(argument.prefix(2)), String(argument.dropFirst(2)))
    }

    static func help(for name: String) -> String {
        """
        Usage: \(name) [options]

          -b, --bind ADDRESS     where to listen: HOST:PORT, [IPV6]:PORT or unix:/path; repeatable (127.0.0.1:8000)
          -w, --workers NUMBER   how many workers, or auto for one a processor (auto)
              --allow-trace      answer TRACE
          -h, --help             show this

        TERM, QUIT: finish what has begun, then end. INT (Ctrl-C): end at once. HUP: replace all workers. USR2: replace the
        program. TTIN, TTOU: one worker more, one fewer. WINCH: drain all workers, keep the master.

        """
    }
}
