// The control socket: the master's side. A Unix socket that only its owner can open (mode 0600); who connects is asked for by the
// kernel's word (SO_PEERCRED) and has to be the master's user or root. Nothing in here waits: the master polls.
import CSporkShims
import Glibc
import SporkNet

/// Where the master takes requests, and the clients that are connected.
final class ControlSocket {
    /// How many clients there can be at once; more are turned away.
    static let mostClients = 32

    /// A connection of a client.
    struct Client {
        let descriptor: Int32
        var received: [UInt8] = []
        var unsent: [UInt8] = []
        /// What it waits for the end of.
        var waitsFor: Supervision.Change?
        /// Whether that has begun: a change that was under way before it asked is not its own.
        var hasBegun = false
    }

    /// What is read ahead of a client's requests.
    private static let mostReceived = 1024
    /// How long no client is taken after there was no descriptor for one, in seconds.
    private static let rest = 0.1

    private(set) var descriptor: Int32
    /// Until when no client is taken, in the seconds of the clock that it is told.
    private(set) var restsUntil: Double?
    private(set) var clients: [Int32: Client] = [:]
    private var file: UnixSocketFile?

    /// Binds the path.
    ///
    /// - Throws: `SystemError` when somebody uses it, or the path is none.
    init(path: String) throws {
        guard case .unix = SocketAddress("unix:\(path)") else {
            throw SystemError("bind the control socket", path, number: EINVAL)
        }
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        descriptor = socket(AF_UNIX, kind, 0)
        guard descriptor >= 0 else { throw SystemError("socket for", path, number: errno) }
        do {
            file = try UnixSocketFile.bind(descriptor, to: path, access: SocketFileAccess(mode: 0o600))
            guard listen(descriptor, Int32(Self.mostClients)) == 0 else {
                throw SystemError("listen on", path, number: errno)
            }
        } catch {
            file?.remove()
            Glibc.close(descriptor)
            throw error
        }
    }

    /// Takes over one that the program before has bound, with its clients.
    init(path: String, adopting descriptor: Int32, _ clients: [Handover.Client]) {
        (file, self.descriptor) = (UnixSocketFile(adopting: path), descriptor)
        for client in clients {
            self.clients[client.descriptor] = Client(
                descriptor: client.descriptor,
                received: client.received,
                unsent: client.unsent,
                waitsFor: client.waitsFor,
                hasBegun: client.waitsFor == .upgrade
            )
        }
    }

    /// The clients, for the program that takes this over.
    var handedOver: [Handover.Client] {
        clients.values.map { client in
            var handed = Handover.Client(descriptor: client.descriptor, waitsFor: client.waitsFor)
            (handed.received, handed.unsent) = (client.received, client.unsent)
            return handed
        }
    }

    /// What to wait for: clients, while there is a descriptor for them, their requests, and that they take answers.
    func interests(at now: Double) -> [pollfd] {
        if let end = restsUntil, end <= now { restsUntil = nil }
        var interests: [pollfd] = []
        if restsUntil == nil { interests.append(pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)) }
        // Who does not take his answers is asked nothing more.
        interests += clients.values.map { client in
            pollfd(fd: client.descriptor, events: Int16(client.unsent.isEmpty ? POLLIN : POLLOUT), revents: 0)
        }
        return interests
    }

    /// Takes a client, if one waits and may.
    ///
    /// - Returns: whether one waited.
    func accept(at now: Double) -> Bool {
        guard restsUntil == nil else { return false }
        let client = spork_accept(descriptor)
        guard client >= 0 else {
            // No descriptor or memory left: the client waits on, and asking at once again would only burn the processor.
            if client != -EAGAIN, client != -ECONNABORTED { restsUntil = now + Self.rest }
            return false
        }
        var user: uid_t = 0
        guard spork_peer_user(client, &user) == 0, user == 0 || user == geteuid(), clients.count < Self.mostClients
        else {
            Glibc.close(client)
            return true
        }
        clients[client] = Client(descriptor: client)
        return true
    }

    /// Reads what a client has sent.
    func receive(from client: Int32) {
        guard let room = clients[client].map({ $0.unsent.isEmpty ? Self.mostReceived - $0.received.count : 0 }),
            room > 0
        else { return }
        var bytes = [UInt8](repeating: 0, count: room)
        let count = read(client, &bytes, bytes.count)
        if count < 0, errno == EAGAIN || errno == EINTR { return }
        guard count > 0 else { return forget(client) }
        clients[client]?.received += bytes.prefix(count)
    }

    /// A client's next request, once it has taken the answers to those before; nil when there is none.
    func nextLine(from client: Int32) -> String? {
        guard let received = clients[client]?.received, clients[client]?.unsent.isEmpty == true else { return nil }
        guard let end = received.firstIndex(of: UInt8(ascii: "\n")) else {
            if received.count > ControlRequest.mostBytes { forget(client) }
            return nil
        }
        clients[client]?.received.removeFirst(end + 1)
        guard end <= ControlRequest.mostBytes else {
            forget(client)
            return nil
        }
        return String(decoding: received.prefix(end), as: UTF8.self)
    }

    /// Has a client wait for the end of a change.
    func await(_ change: Supervision.Change, by client: Int32) { clients[client]?.waitsFor = change }

    /// Stops taking clients; those who are connected are still answered.
    func stopListening() { file?.remove() }

    /// A change that has begun is what this client waits for.
    func begin(_ change: Supervision.Change, only client: Int32) {
        if clients[client]?.waitsFor == change { clients[client]?.hasBegun = true }
    }

    /// A change begins: those who wait for one wait for this.
    func begin(_ change: Supervision.Change) {
        for (number, client) in clients where client.waitsFor == change { clients[number]?.hasBegun = true }
    }

    /// Tells those who wait for a change how it went.
    func finish(_ change: Supervision.Change, _ answer: String) {
        for (number, client) in clients where client.waitsFor == change && client.hasBegun {
            clients[number]?.waitsFor = nil
            clients[number]?.hasBegun = false
            send(answer, to: number)
        }
    }

    /// Sends text to a client, now or when it takes it.
    func send(_ text: String, to client: Int32) {
        clients[client]?.unsent += Array(text.utf8)
        flush(client)
    }

    /// Sends what waits for a client.
    func flush(_ client: Int32) {
        guard let unsent = clients[client]?.unsent, !unsent.isEmpty else { return }
        let count = unsent.withUnsafeBytes { bytes in
            bytes.baseAddress.map { spork_send(client, $0, bytes.count, false) } ?? 0
        }
        if count > 0 {
            clients[client]?.unsent.removeFirst(count)
        } else if count != Int(-EAGAIN) {
            forget(client)
        }
    }

    /// Closes everything; the file goes only if it is still this socket's.
    func close() {
        for client in clients.keys { flush(client) }
        if descriptor >= 0 { file?.remove() }
        leave()
    }

    /// Closes this process's hold on everything: in a child, in which the answers that wait are not its own to send.
    func leave() {
        for client in clients.keys { Glibc.close(client) }
        clients = [:]
        if descriptor >= 0 { Glibc.close(descriptor) }
        descriptor = -1
    }

    private func forget(_ client: Int32) {
        clients[client] = nil
        Glibc.close(client)
    }
}
