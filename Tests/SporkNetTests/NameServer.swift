// A name server of the tests' own, on loopback and on the loop of the test: it answers what it is told to, well or badly, over UDP
// and, where an answer is too long, over TCP.
import CSporkShims
import Glibc
import SporkLoop
import SporkNet
import SporkTasks
import Testing

/// A name server with a zone that is made up.
final class NameServer {
    /// What to answer.
    indirect enum Reply {
        /// These addresses, as text.
        case addresses([String])
        /// An alias, and the addresses of what it stands for.
        case alias([String], [String])
        /// No records, and this code; 0 is "there are none of this type".
        case code(UInt8)
        /// Nothing at all.
        case silence
        /// "Too long" over UDP, these addresses over TCP.
        case truncated([String])
        /// The reply after some time.
        case late(Duration, Reply)
        /// Bytes that are no answer.
        case bytes([UInt8])
        /// An answer to another question.
        case foreign([String])
        /// One packet after the other.
        case several([Reply])
    }

    static let noSuchName = Reply.code(3)

    /// Where it is asked.
    let address: SocketAddress
    /// What it was asked, such as "a.test AAAA", and over what.
    private(set) var questions: [String] = []
    private(set) var questionsOverTCP = 0

    private let hangsUp: Bool
    private let zone: [String: Reply]
    private let descriptor: Int32
    private let readiness: Readiness
    private let listener: Int32
    private let arrival: Readiness
    private var serving: [Coroutine<Void>] = []

    /// Starts a server; names and types that are not in `zone` do not exist.
    ///
    /// - Parameter hangsUp: ends and resets connections before anything can be written to them.
    init(_ zone: [String: Reply], hangsUp: Bool = false) throws {
        self.zone = zone
        self.hangsUp = hangsUp
        (descriptor, listener, address) = try Self.open()
        readiness = Readiness(descriptor: descriptor)
        arrival = Readiness(descriptor: listener)
        serving.append(spawn("name server, UDP") { [unowned self] in try await serveDatagrams() })
        serving.append(spawn("name server, TCP") { [unowned self] in try await serveStreams() })
    }

    /// Ends it.
    func close() async {
        for coroutine in serving { await coroutine.cancelAndWait() }
        readiness.close()
        arrival.close()
        Glibc.close(descriptor)
        Glibc.close(listener)
    }

    // The kernel chooses the port of one, which may be in use for the other.
    private static func open() throws -> (Int32, Int32, SocketAddress) {
        while true {
            let listener = socket(
                AF_INET,
                Int32(SOCK_STREAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue),
                0
            )
            let datagrams = socket(
                AF_INET,
                Int32(SOCK_DGRAM.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue),
                0
            )
            let isBound = SocketAddress.loopback(port: 0).withSystemAddress { bind(listener, $0, $1) } == 0
            if isBound, listen(listener, 100) == 0, let address = SocketAddress.local(of: listener),
                address.withSystemAddress({ bind(datagrams, $0, $1) }) == 0
            {
                return (datagrams, listener, address)
            }
            let number = errno
            Glibc.close(listener)
            Glibc.close(datagrams)
            guard number == EADDRINUSE else { throw SystemError("bind", "a name server", number: number) }
        }
    }

    private func serveDatagrams() async throws {
        var block = [UInt8](repeating: 0, count: 1024)
        while true {
            var peer = sockaddr_in()
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let count = withUnsafeMutablePointer(to: &peer) { peer in
                peer.withMemoryRebound(to: sockaddr.self, capacity: 1) { peer in
                    recvfrom(descriptor, &block, block.count, 0, peer, &length)
                }
            }
            guard count >= 0 else {
                if await readiness.readable() == .cancelled { throw CancellationError() }
                continue
            }
            let query = Array(block[..<count])
            questions.append(Self.text(of: query))
            answer(query, with: zone[Self.text(of: query)] ?? Self.noSuchName) { [descriptor] packet in
                withUnsafePointer(to: &peer) { peer in
                    peer.withMemoryRebound(to: sockaddr.self, capacity: 1) { peer in
                        _ = sendto(descriptor, packet, packet.count, 0, peer, length)
                    }
                }
            }
        }
    }

    private func answer(_ query: [UInt8], with reply: Reply, send: @escaping ([UInt8]) -> Void) {
        switch reply {
        case .silence: break
        case .bytes(let bytes): send(bytes)
        case .truncated: send(Self.packet(query, truncated: true))
        case .code(let code): send(Self.packet(query, code: code))
        case .addresses(let addresses): send(Self.packet(query, addresses: addresses))
        case .alias(let names, let addresses): send(Self.packet(query, aliases: names, addresses: addresses))
        case .foreign(let addresses): send(Self.packet([query[0] ^ 1] + query.dropFirst(), addresses: addresses))
        case .several(let replies): for reply in replies { answer(query, with: reply, send: send) }
        case .late(let delay, let reply):
            serving.append(
                spawn("name server, late answer", after: delay) { [self] in answer(query, with: reply, send: send) }
            )
        }
    }

    private func serveStreams() async throws {
        while true {
            let connection = spork_accept(listener)
            if connection < 0, hangsUp {
                // In each turn, so that it is faster than the peer, who waits for the loop.
                try await checkpoint()
                continue
            }
            if connection < 0 {
                if await arrival.readable() == .cancelled { throw CancellationError() }
                continue
            }
            if hangsUp {
                shutdown(connection, Int32(SHUT_WR))
                var atOnce = linger(l_onoff: 1, l_linger: 0)
                setsockopt(connection, SOL_SOCKET, SO_LINGER, &atOnce, socklen_t(MemoryLayout<linger>.size))
                Glibc.close(connection)
                continue
            }
            let stream = SocketStream(descriptor: connection)
            let head = try await stream.read(atMost: 2)
            let query = try await stream.read(atMost: Int(head[0]) << 8 | Int(head[1]))
            questionsOverTCP += 1
            guard case .truncated(let addresses)? = zone[Self.text(of: query)] else { continue }
            let packet = Self.packet(query, addresses: addresses)
            // In two parts, so that c-ares has to wait for the second.
            try await stream.write([UInt8(packet.count >> 8), UInt8(packet.count & 0xFF)] + packet[..<20])
            try await checkpoint()
            try await stream.write(Array(packet[20...]))
            _ = try await stream.read(atMost: 1)
        }
    }
}

// Packets (RFC 1035, section 4).
extension NameServer {
    private static func name(of query: [UInt8]) -> (labels: [String], end: Int) {
        var (labels, position) = ([String](), 12)
        while query[position] > 0 {
            let end = position + 1 + Int(query[position])
            labels.append(String(decoding: query[(position + 1)..<end], as: UTF8.self))
            position = end
        }
        return (labels, position + 1)
    }

    private static func text(of query: [UInt8]) -> String {
        let (labels, end) = name(of: query)
        return labels.joined(separator: ".") + (query[end + 1] == 28 ? " AAAA" : " A")
    }

    private static func packet(
        _ query: [UInt8],
        code: UInt8 = 0,
        truncated: Bool = false,
        aliases: [String] = [],
        addresses: [String] = []
    ) -> [UInt8] {
        let question = query[12..<(name(of: query).end + 4)]
        var records: [UInt8] = []
        var owner: [UInt8] = [0xC0, 12]
        for alias in aliases {
            records += record(owner, 5, encoded(alias))
            owner = encoded(alias)
        }
        for address in addresses {
            switch SocketAddress(host: address, port: 0) {
            case .ipv4(let address, _):
                records += record(owner, 1, withUnsafeBytes(of: address.bigEndian) { [UInt8]($0) })
            case .ipv6(let bytes, _, _): records += record(owner, 28, (0..<16).map { bytes[$0] })
            default: break
            }
        }
        let flags: [UInt8] = [truncated ? 0x83 : 0x81, 0x80 | code]
        let count = aliases.count + addresses.count
        let counts: [UInt8] = [0, 1, UInt8(count >> 8), UInt8(count & 0xFF), 0, 0, 0, 0]
        return Array(query[..<2]) + flags + counts + Array(question) + records
    }

    private static func record(_ owner: [UInt8], _ type: UInt8, _ data: [UInt8]) -> [UInt8] {
        owner + [0, type, 0, 1, 0, 0, 0, 60, 0, UInt8(data.count)] + data
    }

    private static func encoded(_ name: String) -> [UInt8] {
        name.split(separator: ".").flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) } + [0]
    }
}
