// A listening socket. The master makes it before it forks; the workers inherit it and share its queue of connections.
// The descriptor is closed when the object goes or `close` is called, whichever is first.
import CSporkShims
import Glibc
import SporkLoop

/// A socket that accepts connections: TCP or Unix.
public final class Listener {
    /// Connections that the kernel keeps until they are accepted, unless the listener says otherwise.
    public nonisolated static let defaultBacklog: Int32 = 2048

    /// Where it listens, with the port that the kernel chose.
    public let address: SocketAddress

    private var descriptor: Int32
    private let file: UnixSocketFile?
    // Unsafe only in that `deinit` uses it, which belongs to no actor.
    nonisolated(unsafe) private var readiness: Readiness?

    /// Binds and listens.
    ///
    /// A Unix socket file that nobody listens on any more is replaced; one that is in use is left alone. Non-blocking;
    /// IPv6 listeners take IPv6 only, so that both kinds can be bound side by side.
    ///
    /// - Parameters:
    ///   - backlog: how many connections the kernel keeps until they are accepted.
    ///   - access: of a Unix socket's file, from the moment on at which it can be seen.
    ///   - sharesPort: others may listen at the same address, each with a queue of its own (SO_REUSEPORT, socket(7)).
    /// - Throws: `SystemError`, naming bind or listen and the address.
    public init(
        _ address: SocketAddress,
        backlog: Int32 = Listener.defaultBacklog,
        access: SocketFileAccess = SocketFileAccess(),
        sharesPort: Bool = false
    ) throws {
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        let descriptor = socket(address.family, kind, 0)
        guard descriptor >= 0 else { throw SystemError("socket for", address.description, number: errno) }
        var file: UnixSocketFile?
        do {
            if case .ipv6 = address { try Self.set(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, address) }
            if !address.isLocal {
                try Self.set(descriptor, SOL_SOCKET, SO_REUSEADDR, address)
                if sharesPort { try Self.set(descriptor, SOL_SOCKET, SO_REUSEPORT, address) }
                // Accepted connections inherit it on Linux, which saves a system call for each.
                try Self.set(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, address)
            }
            if case .unix(let path) = address {
                file = try UnixSocketFile.bind(descriptor, to: path, access: access)
            } else if address.withSystemAddress({ Glibc.bind(descriptor, $0, $1) }) != 0 {
                throw SystemError("bind", address.description, number: errno)
            }
            guard Glibc.listen(descriptor, backlog) == 0 else {
                throw SystemError("listen on", address.description, number: errno)
            }
        } catch {
            file?.remove()
            Glibc.close(descriptor)
            throw error
        }
        self.file = file
        self.descriptor = descriptor
        self.address = SocketAddress.local(of: descriptor) ?? address
    }

    /// Binds and listens at an address in one of its text forms, such as `127.0.0.1:8000` or `unix:/path`; see `SocketAddress`.
    ///
    /// - Throws: `SystemError`, naming what failed and the address; EINVAL when the text is none.
    public convenience init(_ address: String, backlog: Int32 = Listener.defaultBacklog) throws {
        guard let parsed = SocketAddress(address) else { throw SystemError("bind", address, number: EINVAL) }
        try self.init(parsed, backlog: backlog)
    }

    /// Takes over a socket that listens already: from systemd, or from the program that this one replaces.
    ///
    /// - Parameter ownsFile: a Unix socket's file is this process's to remove.
    /// - Throws: `SystemError` when it is not one, or belongs to another family.
    package init(adopting descriptor: Int32, ownsFile: Bool = false) throws {
        var (listens, kind): (Int32, Int32) = (0, 0)
        var length = socklen_t(MemoryLayout<Int32>.size)
        guard getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) == 0,
            getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &kind, &length) == 0
        else { throw SystemError("take over descriptor", "\(descriptor)", number: errno) }
        guard listens != 0, kind == Int32(SOCK_STREAM.rawValue), let address = SocketAddress.local(of: descriptor)
        else {
            throw SystemError("take over descriptor", "\(descriptor)", number: EINVAL)
        }
        _ = spork_set_nonblocking(descriptor)
        _ = spork_keep_over_exec(descriptor, false)
        if !address.isLocal { try Self.set(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, address) }
        if ownsFile, case .unix(let path) = address {
            file = UnixSocketFile(adopting: path)
        } else {
            file = nil
        }
        self.descriptor = descriptor
        self.address = address
    }

    /// The socket's number, to be handed over to another program; -1 once this is closed.
    package var fileDescriptor: Int32 { descriptor }

    /// Has the kernel let nobody in any more, in any process that has the socket.
    ///
    /// A client that knocks is not answered until the last of them closes it, and refused then. Those who are in wait to be accepted. Of
    /// TCP only; a Unix socket whose file is gone lets nobody in either.
    package func refuseNewConnections() { if !address.isLocal { _ = spork_refuse_connections(descriptor) } }

    /// Has the kernel keep so many connections until they are accepted, from now on (listen(2)).
    package func setBacklog(_ backlog: Int32) { _ = Glibc.listen(descriptor, backlog) }

    /// Binds several addresses, or none: when one cannot be had, the socket files of those before it do not stay behind.
    ///
    /// - Throws: `SystemError`, naming the one that could not be had.
    public static func bind(
        _ addresses: [SocketAddress],
        backlog: Int32 = Listener.defaultBacklog
    ) throws -> [Listener] {
        var listeners: [Listener] = []
        do {
            for address in addresses { listeners.append(try Listener(address, backlog: backlog)) }
            return listeners
        } catch {
            for listener in listeners { listener.removeSocketFile() }
            throw error
        }
    }

    deinit {
        readiness?.close()
        if descriptor >= 0 { Glibc.close(descriptor) }
    }

    /// Waits for the next connection.
    ///
    /// With several processes on one listener, one that waits is woken for a connection, not all of them (EPOLLEXCLUSIVE,
    /// epoll_ctl(2)); where another was faster nevertheless it goes on waiting.
    ///
    /// - Parameter limit: how long it may take; nil for ever, zero for not at all: then it throws `.wouldBlock`.
    /// - Returns: the connection, or nil when the listener was closed.
    /// - Throws: `SystemError` when the system has no descriptor or memory left for it: wait a little, then call again;
    ///   `StreamError` when the time has passed; `CancellationError` when the coroutine is cancelled while it waits. No connection was
    ///   taken then.
    public func accept(within limit: Duration? = nil) async throws -> SocketStream? {
        if let limit, limit <= .zero {
            guard descriptor < 0 else { return try acceptAtOnce() }
            return nil
        }
        let deadline = Deadline.fromNow(limit)
        while descriptor >= 0 {
            // A closed readiness is never replaced here: `close` sets the descriptor to -1.
            let readiness = self.readiness ?? Readiness(descriptor: descriptor, isShared: true)
            self.readiness = readiness
            switch await readiness.readable(until: deadline) {
            case .closed: return nil
            case .cancelled: throw CancellationError()
            case .timedOut: throw StreamError(.timedOut, "accept on", address.description)
            case .woken: break
            }
            if let stream = try tryAccept() { return stream }
        }
        return nil
    }

    private func acceptAtOnce() throws -> SocketStream {
        guard let stream = try tryAccept() else {
            throw StreamError(.wouldBlock, "accept on", address.description)
        }
        return stream
    }

    /// Takes a connection if one waits.
    ///
    /// - Returns: nil when it would have blocked, or the listener is closed.
    public func tryAccept() throws -> SocketStream? {
        while descriptor >= 0 {
            let result = spork_accept(descriptor)
            if result >= 0 { return SocketStream(descriptor: result) }
            switch -result {
            case EAGAIN: return nil
            // The connection has failed already; accept(2) says to treat these as EAGAIN and go on to the next.
            case ECONNABORTED, EPROTO, ENETDOWN, EHOSTDOWN, EHOSTUNREACH, ENETUNREACH, ENONET, ENOPROTOOPT: continue
            default: throw SystemError("accept on", address.description, number: -result)
            }
        }
        return nil
    }

    /// Stops being woken for connections until `accept` is called again; the kernel goes on queueing them, and wakes other processes
    /// that wait.
    public func pause() { readiness?.disarm() }

    /// Removes a Unix listener's socket file if it still is this listener's.
    ///
    /// For the process that made the listener, before it closes it; does nothing in others, and nothing for TCP. A file that is left behind
    /// is replaced by the next listener.
    public func removeSocketFile() {
        // Closed, the file's number may be another's.
        if descriptor >= 0 { file?.remove() }
    }

    /// Closes this process's hold on the socket and wakes who waits in `accept`.
    ///
    /// Harmless when repeated.
    ///
    /// The socket itself goes with the last process that holds it.
    public func close() {
        readiness?.close()
        readiness = nil
        guard descriptor >= 0 else { return }
        Glibc.close(descriptor)
        descriptor = -1
    }

    /// Sets an option, which the connections that are accepted from now on inherit.
    ///
    /// - Throws: `SystemError`, naming the option and the address.
    public func set<Value>(_ option: SocketOption<Value>, to value: Value) throws(SystemError) {
        try option.set(value, of: descriptor, address.description)
    }

    private static func set(_ descriptor: Int32, _ level: Int32, _ option: Int32, _ address: SocketAddress) throws {
        var on: Int32 = 1
        guard setsockopt(descriptor, level, option, &on, socklen_t(MemoryLayout<Int32>.size)) == 0 else {
            throw SystemError("set options of", address.description, number: errno)
        }
    }
}
