// The listening sockets of a server: bound by the master, inherited from systemd, or handed over by the program that this one
// replaces. The master keeps all of them open, so that no connection is refused while workers come and go: those of slots that there are
// no more, too, for closing one resets what the kernel has queued on it. The kernel is only told to give such a one nothing new.
import CSporkShims
import Glibc
import SporkNet

/// What a server listens on.
public final class ListenerSet {
    /// Where the server listens, with the ports that the kernel chose.
    public var addresses: [SocketAddress] { shared.map(\.address) + portAddresses }

    var shared: [Listener] = []
    // While a change is under way: what will be listened on as well, and what will not be any more.
    var added: [Listener] = []
    var removed: [Listener] = []
    var nextBacklog: Int32?
    var backlog: Int32
    // What systemd has passed, by descriptor.
    let passed: Set<Int32>
    // With `reuseport`, the queues that one slot has for itself.
    private var own: [Int: [Listener]] = [:]
    // To how many slots connections are dealt; nil while that was never said.
    private var dealtTo: Int?
    let portAddresses: [SocketAddress]
    let standard: SocketAddress?
    private let settings: ServerSettings

    var accept: ServerSettings.AcceptMode { settings.accept }

    /// Opens the sockets.
    ///
    /// Sockets that systemd passes (LISTEN_FDS, sd_listen_fds(3)) are used, and addresses that are not among them are bound. In an
    /// upgrade the sockets of the program before are used, whatever the addresses.
    ///
    /// - Parameters:
    ///   - addresses: where to listen.
    ///   - standard: where to listen when there are no addresses and systemd passes no sockets.
    /// - Throws: `SystemError`, naming what could not be had; nothing is left behind then.
    public init(_ addresses: [SocketAddress], standard: SocketAddress? = nil, settings: ServerSettings) throws {
        (self.settings, self.standard, backlog) = (settings, standard, settings.backlog)
        // Asked for now: in a child the answer would be another.
        passed = Set(SystemdSockets.descriptors)
        let wanted: [SocketAddress]
        if let handover = Handover.inherited {
            for (descriptor, slot) in handover.listeners {
                // What systemd has passed to the first program is still systemd's.
                let isOwn = !passed.contains(descriptor)
                let listener = try Listener(adopting: descriptor, ownsFile: isOwn)
                if slot == 0 { shared.append(listener) } else { own[slot, default: []].append(listener) }
            }
            wanted = []
        } else {
            shared = try passed.sorted().map { try Listener(adopting: $0) }
            let inherited = Set(shared.map(\.address))
            let standard = shared.isEmpty && addresses.isEmpty ? standard.map { [$0] } ?? [] : []
            wanted = (addresses + standard).filter { !inherited.contains($0) }
        }
        let ports = settings.accept == .reuseport ? wanted.filter { !$0.isLocal } : []
        let bound = try Listener.bind(wanted.filter { !ports.contains($0) }, backlog: settings.backlog)
        shared += bound
        do { own[1] = try (own[1] ?? []) + Self.bind(ports, settings) } catch {
            for listener in bound { listener.removeSocketFile() }
            throw error
        }
        if own[1]?.isEmpty == true { own[1] = nil }
        portAddresses = own.min { $0.key < $1.key }?.value.map(\.address) ?? []
    }

    /// The queues of the first slot, which has them as long as the server runs.
    var queuesOfTheFirst: [Listener] { own[1] ?? [] }

    /// Everything that is open, with the slot it belongs to, 0 for all.
    var all: [(descriptor: Int32, slot: Int)] {
        shared.map { ($0.fileDescriptor, 0) }
            + own.sorted { $0.key < $1.key }.flatMap { slot, listeners in listeners.map { ($0.fileDescriptor, slot) } }
    }

    /// What the worker in a slot accepts from.
    ///
    /// - Parameter isNew: it belongs to the generation with which a change begins to hold.
    func listeners(forSlot slot: Int, isNew: Bool) throws -> [Listener] {
        // In the order of the slots, by which the kernel knows them.
        if !portAddresses.isEmpty {
            for number in 1...max(1, slot) where own[number] == nil {
                own[number] = try Self.bind(portAddresses, settings)
            }
        }
        return shared.filter { !isNew || !isRemoved($0) } + (isNew ? added : []) + (own[slot] ?? [])
    }

    /// Has new connections dealt to the first `count` slots only, where each has a queue of its own.
    ///
    /// To be called before the workers of slots behind these are told to drain, and when those of new ones serve. Another server that
    /// listens at the same address is not reckoned with.
    func deal(toFirst count: Int) {
        guard let first = own.min(by: { $0.key < $1.key })?.value, own.count > 1 else { return }
        let wanted = count < own.count ? count : 0
        guard wanted != dealtTo, wanted != 0 || dealtTo != nil || Handover.inherited != nil else { return }
        dealtTo = wanted
        for listener in first { _ = spork_deal_connections(listener.fileDescriptor, UInt32(wanted)) }
    }

    /// Closes this process's hold on what belongs to others: in a worker, which has no use for it, and would keep the sockets alive.
    func keepOnly(slot: Int, isNew: Bool) {
        for (other, listeners) in own where other != slot { listeners.forEach { $0.close() } }
        for listener in isNew ? removed : added { listener.close() }
    }

    private func isRemoved(_ listener: Listener) -> Bool { removed.contains { $0 === listener } }

    /// Closes this process's hold on everything and removes the files of Unix sockets, unless somebody has replaced them.
    func close() {
        for listener in shared + added + own.values.flatMap({ $0 }) {
            // While it is open: then it cannot be another's.
            listener.removeSocketFile()
            listener.close()
        }
    }

    private static func bind(_ addresses: [SocketAddress], _ settings: ServerSettings) throws -> [Listener] {
        try addresses.map { try Listener($0, backlog: settings.backlog, sharesPort: true) }
    }
}
