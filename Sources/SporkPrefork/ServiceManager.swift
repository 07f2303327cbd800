// Telling systemd how the server is (sd_notify(3)): a datagram to the socket that NOTIFY_SOCKET names. Called by the master only; without
// the variable every call does nothing. A manager that does not listen is no reason to fail.
import Glibc
import SporkNet

/// The service manager that has started this server, if one has.
nonisolated struct ServiceManager {
    private let address: SocketAddress?
    /// How often it wants to hear that the master lives, in seconds; nil when it does not.
    let watchdogInterval: Double?

    /// Finds it by the environment.
    init() {
        let text = { (name: String) in getenv(name).map { String(cString: $0) } }
        address = text("NOTIFY_SOCKET").flatMap(Self.address)
        let isMeant = text("WATCHDOG_PID").flatMap { Int32($0) }.map { $0 == getpid() } ?? true
        let microseconds = text("WATCHDOG_USEC").flatMap { Double($0) }
        // Twice as often as it asks for, as sd_watchdog_enabled(3) recommends.
        watchdogInterval = isMeant ? microseconds.map { max(0.001, $0 / 2_000_000) } : nil
    }

    /// The address that a value of NOTIFY_SOCKET names: a path, or an abstract name after an at sign.
    static func address(_ value: String) -> SocketAddress? {
        guard value.hasPrefix("/") || value.hasPrefix("@") else { return nil }
        return SocketAddress("unix:\(value)")
    }

    /// All workers serve, also after a reload.
    func ready(status: String) { send("READY=1\nSTATUS=\(status)") }

    /// A reload or an upgrade has begun.
    func reloading() { send("RELOADING=1\nMONOTONIC_USEC=\(ScoreboardRow.nanoseconds / 1000)") }

    /// The server is about to end.
    func stopping() { send("STOPPING=1\nSTATUS=finishing what has begun") }

    /// A line for people.
    func status(_ text: String) { send("STATUS=\(text)") }

    /// The master lives.
    func alive() { send("WATCHDOG=1") }

    private func send(_ text: String) {
        guard let address else { return }
        let kind = Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
        let descriptor = socket(AF_UNIX, kind, 0)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        var text = text
        text.withUTF8 { bytes in
            _ = address.withSystemAddress {
                sendto(descriptor, bytes.baseAddress, bytes.count, Int32(MSG_NOSIGNAL), $0, $1)
            }
        }
    }
}
