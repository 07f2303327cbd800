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

    /// Puts the parts together.
    public init(settings: ServerSettings, addresses: [SocketAddress]? = nil, body: @escaping Master.Body) {
        (self.settings, self.addresses, self.body) = (settings, addresses, body)
    }
}

extension ServerSettings {
    /// Whether workers can become what these say.
    ///
    /// - Throws: `SystemError` when there is no such user or group, or this process may not become it.
    package func check() throws { _ = try Privileges(self) }
}

nonisolated extension ServerSettings {
    /// The first setting that these have otherwise and that a running server cannot change; nil when there is none.
    ///
    /// The master holds what they name from its start to its end.
    func firstThatNeedsRestart(comparedWith old: ServerSettings) -> String? {
        if accept != old.accept { return "accept" }
        if pidFile != old.pidFile { return "pid-file" }
        if controlSocket != old.controlSocket { return "control" }
        if mostDescriptors != old.mostDescriptors { return "nofile" }
        return nil
    }
}

/// A plan with what had to be looked up for it: in the master, before a worker needs it.
struct PreparedPlan {
    let settings: ServerSettings
    let addresses: [SocketAddress]?
    let privileges: Privileges
    let body: Master.Body

    init(_ plan: ServerPlan) throws {
        (settings, addresses, body) = (plan.settings, plan.addresses, plan.body)
        privileges = try Privileges(plan.settings)
    }
}

/// A reload asks for something that a running server cannot do.
nonisolated struct NeedsRestart: Error, CustomStringConvertible {
    let setting: String

    var description: String { "\(setting) has changed, which needs a restart" }
}
