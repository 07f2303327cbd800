// What a master goes by from one reload to the next. It is read anew for each, by what the master is given.
import SporkNet

/// How a server's processes are run, where it listens, and what its workers do.
public struct ServerPlan {
    /// How the processes are run.
    public var settings: ServerSettings
    /// Where to listen; none for what is usual, nil for where the server listens already.
    public var addresses: [SocketAddress]?
    /// What each worker runs.
    public var body: Master.Body
    /// The text that all this was read from; a program that takes its place back after an upgrade that has failed gets it again.
    package var text: [UInt8]?

    /// Puts the parts together.
    public init(settings: ServerSettings, addresses: [SocketAddress]? = nil, body: @escaping Master.Body) {
        (self.settings, self.addresses, self.body) = (settings, addresses, body)
    }
}

nonisolated extension ServerSettings {
    /// What the master holds from its start to its end: settings that only a restart changes, with their values as texts.
    var fixed: [String: String] {
        [
            "accept": accept.rawValue, "pid-file": pidFile ?? "", "control": controlSocket ?? "",
            "nofile": mostDescriptors.map { "\($0)" } ?? "",
        ]
    }

    /// Whether a server that was started with these fixed settings can go on with the ones here.
    ///
    /// - Throws: `NeedsRestart`, naming the first that cannot be changed.
    func check(fixed others: [String: String]) throws(NeedsRestart) {
        for (name, value) in fixed.sorted(by: { $0.key < $1.key }) where others[name, default: value] != value {
            throw NeedsRestart(setting: name)
        }
    }
}

/// A plan with what had to be looked up for it: in the master, before a worker needs it.
struct PreparedPlan {
    let settings: ServerSettings
    let addresses: [SocketAddress]?
    let privileges: Privileges
    let body: Master.Body
    let text: [UInt8]?

    init(_ plan: ServerPlan) throws {
        (settings, addresses, body, text) = (plan.settings, plan.addresses, plan.body, plan.text)
        privileges = try Privileges(plan.settings)
    }
}

/// A reload or an upgrade asks for something that a running server cannot do.
nonisolated struct NeedsRestart: Error, CustomStringConvertible {
    let setting: String

    var description: String { "\(setting) has changed, which needs a restart" }
}
