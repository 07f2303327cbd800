// What all servers of this package have in common: a configuration that is read again for every reload, a master that goes by it, and lines for
// people. `spork serve`, `spork echo` and Server.main are made of it.
import Glibc
import SporkNet
import SporkPrefork

/// A server that goes by a configuration.
package struct Service {
    private let source: ConfigurationSource
    private let standard: SocketAddress
    private let protocols: [String]
    private let prepare: (ServiceConfiguration, TLSContext?) throws -> Master.Body
    // All generations of workers have the same, so that a reload costs nobody a session.
    private let ticketKeys = TicketKeys()

    /// Describes a server; nothing happens yet.
    ///
    /// - Parameters:
    ///   - source: what it goes by.
    ///   - standard: where it listens when nobody says anything else.
    ///   - protocols: what is spoken inside of TLS (ALPN).
    ///   - prepare: opens what the configuration names and returns what each worker runs, which secures its connections where there is a
    ///     context. Called at the start and for every reload.
    package init(
        _ source: ConfigurationSource,
        standard: SocketAddress,
        protocols: [String] = [],
        prepare: @escaping (ServiceConfiguration, TLSContext?) throws -> Master.Body
    ) {
        (self.source, self.standard, self.protocols, self.prepare) = (source, standard, protocols, prepare)
    }

    /// Serves until a signal ends it; see `Master.run`.
    ///
    /// - Parameters:
    ///   - banner: the line that is said when all workers serve, from the places where it listens and the configuration.
    ///   - say: called with that line.
    ///   - report: called with a line about anything an operator should know.
    /// - Throws: what is wrong with the configuration, or cannot be bound.
    package func run(
        banner: (ListenerSet, ServiceConfiguration) -> String,
        say: @escaping (String) -> Void,
        report: @escaping (String) -> Void
    ) throws {
        let configuration: ServiceConfiguration
        let first: ServerPlan
        do {
            (configuration, first) = try read()
        } catch {
            Master.abandonUpgrade(because: "\(error)")
            throw error
        }
        let listeners = try ListenerSet(
            configuration.addresses,
            standard: standard,
            settings: configuration.settings
        )
        let master = Master(listeners: listeners, first: first, report: { report("\($0)") }) { try read().plan }
        let workers = configuration.settings.workers
        let line =
            "\(banner(listeners, configuration)) · master \(getpid()) · "
            + "\(workers == 1 ? "1 worker" : "\(workers) workers") · Ctrl-C ends it"
        try master.run { say(line) }
    }

    /// What holds now, with everything opened that it names: before anything is bound, for what cannot be served needs no port.
    private func read() throws -> (configuration: ServiceConfiguration, plan: ServerPlan) {
        let (effective, text) = try source.effective()
        let configuration = effective.values
        let context = try configuration.tls?.load(ticketKeys.value, protocols: protocols)
        var plan = ServerPlan(settings: configuration.settings, body: try prepare(configuration, context))
        (plan.addresses, plan.text) = (configuration.addresses, text)
        return (configuration, plan)
    }

    // Made when they are needed: a server without TLS has no business with OpenSSL.
    private final class TicketKeys {
        private(set) lazy var value = TLSTicketKeys()
    }

    /// Where it can be reached, for people.
    package static func places(_ listeners: ListenerSet, scheme: String) -> String {
        listeners.addresses.map { $0.isLocal ? "\($0)" : "\(scheme)://\($0)" }.joined(separator: ", ")
    }
}

extension Service {
    /// Whether a server could be started with this, as far as can be told without binding anything.
    ///
    /// - Throws: `SystemError` for a user or a group that is not to be had; `TLSError` for a file.
    static func check(_ configuration: ServiceConfiguration) throws {
        _ = try configuration.tls?.load()
        try configuration.settings.check()
    }
}
