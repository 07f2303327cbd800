// A connection without a loop, for what is done one after the other: one request, its whole answer, blocking. Silent connections are
// made with it, and answers are compared by it.
import CSporkShims
import Glibc
import SporkHTTP
import SporkNet

/// A blocking connection; a descriptor and nothing else, so that many of them cost little.
struct PlainConnection {
    /// An answer as it came.
    struct Answer: Equatable {
        var status: Int
        /// All of it, head and content.
        var bytes: [UInt8]
        /// Its content, chunks put together.
        var content: ArraySlice<UInt8>
    }

    private let descriptor: Int32

    /// Connects; each operation takes at most so long.
    ///
    /// - Parameter source: the address to connect from; nil lets the kernel choose.
    init(to address: SocketAddress, from source: SocketAddress? = nil, within seconds: Int = 5) throws(SystemError) {
        let socket = Glibc.socket(address.family, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { throw SystemError("open a socket", number: errno) }
        descriptor = socket
        var limit = timeval(tv_sec: seconds, tv_usec: 0)
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &limit, size)
        setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, size)
        if let source {
            // The port is chosen by connect, which knows that it is free towards that address.
            var later: Int32 = 1
            setsockopt(socket, Int32(IPPROTO_IP), 24, &later, socklen_t(MemoryLayout<Int32>.size))
            guard source.withSystemAddress({ bind(socket, $0, $1) }) == 0 else {
                defer { Glibc.close(socket) }
                throw SystemError("bind", "\(source)", number: errno)
            }
        }
        guard address.withSystemAddress({ connect(socket, $0, $1) }) == 0 else {
            defer { Glibc.close(socket) }
            throw SystemError("connect", "\(address)", number: errno)
        }
    }

    func close() { Glibc.close(descriptor) }

    /// Sends a request and reads its answer to the end; nil when none comes, or not all of it.
    func ask(_ request: [UInt8], isHead: Bool = false) -> Answer? {
        var rest = request[...]
        while !rest.isEmpty {
            let sent = rest.withUnsafeBytes { bytes in
                bytes.baseAddress.map { spork_send(descriptor, $0, bytes.count, false) } ?? 0
            }
            guard sent > 0 else { return nil }
            rest = rest.dropFirst(sent)
        }
        return answer(isHead)
    }

    private func answer(_ isHead: Bool) -> Answer? {
        var parser = ResponseParser(isHead: isHead, reportsParts: true)
        var (all, used): ([UInt8], Int) = ([], 0)
        var content: [UInt8] = []
        // Whether there may be more in what has come.
        var goesOn = false
        var chunk = [UInt8](repeating: 0, count: 16 * 1024)
        while true {
            if !goesOn {
                let count = read(descriptor, &chunk, chunk.count)
                if count == 0, parser.endsWithStream {
                    return Answer(status: parser.statusSoFar, bytes: all, content: content[...])
                }
                guard count > 0, all.count < 1 << 28 else { return nil }
                all += chunk[..<count]
            }
            goesOn = false
            let action = all.withUnsafeBytes { parser.advance(over: UnsafeRawBufferPointer(rebasing: $0[used...])) }
            switch action {
            case .needMore(let more):
                used += more
            case .head(let more):
                used += more
                goesOn = true
            case .content(let more, let count):
                used += more
                content += all[(used - count)..<used]
                goesOn = true
            case .complete(_, let status, _):
                return Answer(status: status, bytes: all, content: content[...])
            case .malformed: return nil
            }
        }
    }
}
