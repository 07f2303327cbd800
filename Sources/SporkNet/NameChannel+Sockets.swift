// The system calls of c-ares' sockets, made here instead of by c-ares, because of two of its habits. It writes to TCP without
// MSG_NOSIGNAL, so a name server that hangs up could end the process by SIGPIPE. And its questions share a socket: where nobody
// listens, the error that the first question has caused is told to the second one, and the first waits for its time-out.
import CCares
import Glibc

nonisolated extension NameChannel {
    /// Has `handle` make its system calls through this file.
    static func useOwnSockets(_ handle: ares_channel) { ares_set_socket_functions(handle, functions, nil) }

    // c-ares keeps the pointer, so it lives as long as the process. Nobody changes what it points to.
    nonisolated(unsafe) private static let functions: UnsafePointer<ares_socket_functions> = {
        let functions = UnsafeMutablePointer<ares_socket_functions>.allocate(capacity: 1)
        functions.initialize(
            to: ares_socket_functions(
                asocket: { family, type, number, _ in
                    socket(family, type | Int32(SOCK_NONBLOCK.rawValue) | Int32(SOCK_CLOEXEC.rawValue), number)
                },
                aclose: { descriptor, _ in Glibc.close(descriptor) },
                aconnect: { descriptor, address, length, _ in connect(descriptor, address, length) },
                arecvfrom: { descriptor, bytes, count, flags, address, length, _ in
                    recvfrom(descriptor, bytes, count, flags, address, length)
                },
                asendv: { descriptor, parts, count, _ in
                    let sent = send(descriptor, parts, count)
                    // The error of an earlier datagram: once more, and it is there to be read, which c-ares takes to be about all.
                    return sent < 0 && errno == ECONNREFUSED ? send(descriptor, parts, count) : sent
                }
            )
        )
        return UnsafePointer(functions)
    }()

    private static func send(_ descriptor: Int32, _ parts: UnsafePointer<iovec>?, _ count: Int32) -> Int {
        var message = msghdr()
        message.msg_iov = UnsafeMutablePointer(mutating: parts)
        message.msg_iovlen = Int(count)
        return sendmsg(descriptor, &message, Int32(MSG_NOSIGNAL))
    }
}
