// Every knob of the process model with its default, as one value: what the command line, a configuration file or a program fills
// in, and what the master goes by.
import Glibc
import SporkNet

/// How a server's processes are run.
public nonisolated struct ServerSettings: Sendable {
    /// How workers get their connections.
    public enum AcceptMode: String, Sendable, CaseIterable {
        /// All workers take from one queue: whoever is free takes the next.
        case shared
        /// Each worker has a queue of its own, and the kernel deals connections out by their addresses (SO_REUSEPORT, socket(7)). Wakes
        /// nobody in vain, but a connection waits for its worker even when others are idle. A queue stays when its worker's place goes; nothing
        /// new is dealt to it then. Only one server may listen at the address.
        case reuseport
    }

    /// On which processors workers run.
    public enum Affinity: Sendable, Equatable {
        /// Wherever the system puts them.
        case none
        /// Each on one processor, in turn, of those that the server may use.
        case oneEach
        /// Each on one of these, in turn.
        case processors([Int])
    }

    /// How many workers there are at first.
    public var workers = 1
    /// How many connections the kernel keeps for a listener until they are accepted.
    public var backlog = Listener.defaultBacklog
    /// How long a worker that ends may finish what it has begun; then it is killed.
    public var gracefulTimeout: Duration = .seconds(30)
    /// How long to go on serving after a graceful stop was asked for, so that balancers can hear of it.
    public var shutdownDelay: Duration = .zero
    /// How long a worker's loop may not turn while it has something to do, before it is aborted and replaced; nil for ever.
    public var hangTimeout: Duration? = .seconds(30)
    /// How long a worker may take until it serves, and a check before a reload or an upgrade.
    public var bootTimeout: Duration = .seconds(30)
    /// After how many requests a worker is replaced, give or take a tenth; nil for never.
    public var maxRequests: Int?
    /// With how many bytes of private memory a worker is replaced; nil for never.
    public var maxMemory: Int?
    /// At which age a worker is replaced, give or take a tenth; nil for never.
    public var maxAge: Duration?
    /// How workers get their connections.
    public var accept = AcceptMode.shared
    /// The user that workers become, with all groups it is in; nil for the one that starts the server.
    public var user: String?
    /// The group that workers become; nil for the user's.
    public var group: String?
    /// Where the master's process number is written, in a file that is locked as long as the master lives; nil for nowhere.
    public var pidFile: String?
    /// On which processors workers run.
    public var affinity = Affinity.none
    /// How many descriptors each process may have; nil for what it was started with.
    public var mostDescriptors: Int?
    /// The path of the control socket; nil for none.
    public var controlSocket: String?

    /// The defaults.
    public init() {}

    /// The limits of supervision that follow from these.
    package var limits: Supervision.Limits {
        var limits = Supervision.Limits()
        limits.graceful = Self.seconds(gracefulTimeout)
        limits.shutdownDelay = Self.seconds(shutdownDelay)
        limits.hang = hangTimeout.map { Self.seconds($0) }
        limits.boot = Self.seconds(bootTimeout)
        limits.requests = maxRequests.map { UInt64(max(1, $0)) }
        limits.memory = maxMemory.map { UInt64(max(1, $0)) }
        limits.age = maxAge.map { Self.seconds($0) }
        return limits
    }

    private static func seconds(_ duration: Duration) -> Double {
        let (seconds, attoseconds) = duration.components
        return max(0, Double(seconds) + Double(attoseconds) * 1e-18)
    }
}
