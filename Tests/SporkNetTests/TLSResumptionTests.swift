// Sessions that are taken up again, and that nothing grows with the number of connections.
import CSporkShims
import Glibc
import SporkLoop
import SporkNet
import SporkTasks
import Testing

@Suite struct TLSResumptionTests {
    @Test("the second connection to a server takes up the session of the first, in both versions")
    func resumption() async {
        await #expect(processExitsWith: .success) {
            try tlsProgram { certificates in
                let server = try certificates.server()
                for version in [TLSVersion.tls12, .tls13] {
                    let client = try certificates.client { $0.newestVersion = version }
                    for round in 0..<6 {
                        let (near, far) = try await securedPair(client, server)
                        #expect(near.tlsParameters?.isResumed == (round > 0), "\(version), round \(round)")
                        #expect(far.tlsParameters?.isResumed == (round > 0))
                        // What was shown the first time is known still.
                        #expect(near.tlsParameters?.peerSubject == "CN=server,O=Spork")
                        #expect(far.tlsParameters?.serverName == "example.test")
                        try await exchange(near, far)
                    }
                    // Another name is another server.
                    let (near, far) = try await securedPair(client, server, name: "a.wild.test")
                    #expect(near.tlsParameters?.isResumed == false)
                    try await exchange(near, far)
                    #expect(client.resumableServers == 2)
                }
            }
        }
    }

    @Test("who has the same ticket keys takes up the session, who has others does not; without resumption nobody does")
    func ticketKeys() async {
        await #expect(processExitsWith: .success) {
            try tlsProgram { certificates in
                let keys = TLSTicketKeys()
                #expect(TLSTicketKeys(bytes: keys.bytes) == keys && TLSTicketKeys(bytes: [1, 2, 3]) == nil)
                #expect(keys != TLSTicketKeys())
                for version in [TLSVersion.tls12, .tls13] {
                    let servers = try (0..<3).map { _ in try certificates.server() }
                    servers[0].setTicketKeys(keys)
                    servers[1].setTicketKeys(keys)
                    let client = try certificates.client { $0.newestVersion = version }
                    for (server, isResumed) in zip(servers, [false, true, false]) {
                        let (near, far) = try await securedPair(client, server)
                        #expect(near.tlsParameters?.isResumed == isResumed)
                        try await exchange(near, far)
                    }
                    let forgetful = try certificates.client {
                        $0.newestVersion = version
                        $0.resumesSessions = false
                    }
                    let statelessServer = try certificates.server { $0.resumesSessions = false }
                    for (client, server) in [(forgetful, servers[0]), (client, statelessServer)] {
                        for _ in 0..<2 {
                            let (near, far) = try await securedPair(client, server, name: "a.wild.test")
                            #expect(near.tlsParameters?.isResumed == false)
                            try await exchange(near, far)
                        }
                    }
                }
            }
        }
    }

    @Test("a client keeps sessions for so many servers and no more")
    func bounded() async {
        await #expect(processExitsWith: .success) {
            try tlsProgram { certificates in
                let client = try certificates.client { $0.mostResumableServers = 2 }
                let server = try certificates.server()
                for (name, isResumed) in [
                    ("a.wild.test", false), ("b.wild.test", false), ("a.wild.test", true), ("c.wild.test", false),
                    ("a.wild.test", true), ("b.wild.test", false),
                ] {
                    let (near, far) = try await securedPair(client, server, name: name)
                    #expect(near.tlsParameters?.isResumed == isResumed, "\(name)")
                    try await exchange(near, far)
                    #expect(client.resumableServers <= 2)
                }
            }
        }
    }

    @Test("a context made before a fork serves in each child, and one takes up the other's sessions")
    func fork() async {
        await #expect(processExitsWith: .success) {
            let certificates = try TestCertificates()
            defer { certificates.remove() }
            let (streams, workers) = forkedServers(2, try certificates.server())
            try EventLoop.run {
                let client = try certificates.client()
                for (descriptor, expected) in zip(streams, ["new", "again"]) {
                    let stream = SocketStream(descriptor: descriptor)
                    try await stream.secure(with: client, as: .client(serverName: "example.test"))
                    same(String(decoding: try await readAll(stream), as: UTF8.self), expected)
                    stream.close()
                }
            }
            for worker in workers { waitpid(worker, nil, 0) }
            certificates.remove()
            exit(0)
        }
    }

    @Test("1,000 handshakes, a third of them failing, leave no descriptor and no memory behind")
    func manyHandshakes() async {
        await #expect(processExitsWith: .success) {
            try tlsProgram { certificates in
                let server = try certificates.server()
                let client = try certificates.client()
                let stranger = try TLSContext.client()
                var before = (descriptors: 0, kilobytes: 0)
                for round in 0..<1_100 {
                    // The first hundred fill what is kept on purpose.
                    if round == 100 { before = (openDescriptors(), residentKilobytes()) }
                    switch round % 3 {
                    case 0:
                        let (near, far) = try await securedPair(client, server)
                        try await exchange(near, far)
                    case 1:
                        // Neither end is closed: they go.
                        let (near, far) = try await securedPair(client, server)
                        try await near.write("x")
                        same(try await far.read(atMost: 1), Array("x".utf8))
                    default:
                        let errors = try await handshakeErrors(stranger, server)
                        #expect(errors.client != nil && errors.server != nil)
                    }
                }
                #expect(openDescriptors() == before.descriptors)
                let growth = residentKilobytes() - before.kilobytes
                #expect(growth < 1000, "\(growth) KiB more after 1,000 handshakes")
            }
        }
    }
}

/// Starts processes that share a context; each serves the other end of a connection, saying whether it has taken up a session, and ends.
private nonisolated func forkedServers(
    _ count: Int,
    _ context: TLSContext
) -> (descriptors: [Int32], processes: [pid_t]) {
    var (descriptors, processes): ([Int32], [pid_t]) = ([], [])
    for _ in 0..<count {
        var ends: [Int32] = [-1, -1]
        socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0, &ends)
        let process = spork_fork()
        if process == 0 {
            let end = ends[1]
            try? EventLoop.run {
                let stream = SocketStream(descriptor: end)
                try await stream.secure(with: context, as: .server)
                try await stream.write(stream.tlsParameters?.isResumed == true ? "again" : "new")
                stream.close()
            }
            _exit(0)
        }
        close(ends[1])
        descriptors.append(ends[0])
        processes.append(process)
    }
    return (descriptors, processes)
}

/// A word each way, so that the client has seen the server's tickets, and the end.
private func exchange(_ near: SocketStream, _ far: SocketStream) async throws {
    try await near.write("ping")
    same(try await far.read(exactly: 4), Array("ping".utf8))
    try await far.write("pong")
    same(try await near.read(exactly: 4), Array("pong".utf8))
    near.close()
    same(try await far.read(atMost: 1), [])
    far.close()
}

/// How much memory this process has, in KiB.
private func residentKilobytes() -> Int {
    guard let file = fopen("/proc/self/statm", "r") else { return -1 }
    defer { fclose(file) }
    var text = [UInt8](repeating: 0, count: 100)
    let count = fread(&text, 1, text.count, file)
    let fields = String(decoding: text[..<count], as: UTF8.self).split(separator: " ")
    return (Int(fields[1]) ?? 0) * Int(getpagesize()) / 1024
}
