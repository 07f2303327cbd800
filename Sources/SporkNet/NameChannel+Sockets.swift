// The system calls of c-ares' sockets, made here instead of by c-ares: it writes to TCP without MSG_NOSIGNAL, so a name server
// that hangs up could end the process by SIGPIPE.
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
                    var message = msghdr()
                    message.msg_iov = UnsafeMutablePointer(mutating: parts)
                    message.msg_iovlen = Int(count)
                    return sendmsg(descriptor, &message, Int32(MSG_NOSIGNAL))
                }
            )
        )
        return UnsafePointer(functions)
    }()
}
