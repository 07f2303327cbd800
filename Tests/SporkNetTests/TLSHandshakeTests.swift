// The handshake of TLS: what the two ends agree upon, whom they refuse, and that it ends when the peer does not play along.
import Glibc
import SporkLoop
import SporkNet
import SporkTasks
import Testing

@Suite struct TLSHandshakeTests {
    @Test("both versions: name, application protocol, cipher and subject are known at both ends")
    func parameters() async {
        await #expect(processExitsWith: .success) {
            try tlsProgram { certificates in
                for version in [TLSVersion.tls12, .tls13] {
                    let client = try certificates.client {
                        $0.newestVersion = version
                        $0.applicationProtocols = ["h2", "http/1.1"]
                    }
                    let server = try certificates.server { $0.applicationProtocols = ["http/1.1", "h2"] }
                    let (near, far) = try await securedPair(client, server)
                    let (mine, theirs) = (try #require(near.tlsParameters), try #require(far.tlsParameters))
                    #expect(mine.version == version && theirs.version == version)
                    // The server's order decides.
                    #expect(mine.applicationProtocol == "http/1.1" && theirs.applicationProtocol == "http/1.1")
                    #expect(theirs.serverName == "example.test")
                    #expect(mine.peerSubject == "CN=server,O=Spork" && theirs.peerSubject == nil)
                    #expect(mine.cipher == theirs.cipher && mine.cipher.hasPrefix("TLS_"))
                    #expect(!mine.isResumed && !theirs.isResumed)
                    try await near.write("over \(version)\n")
                    let line = try await far.readLine(limit: 100)
                    #expect(line == "over \(version)")
                    near.close()
                    far.close()
                    #expect(near.tlsParameters == nil)
                }
            }
        }
    }

    @Test("no application protocol in common is refused at both ends; where one end has none there is none")
    func applicationProtocols() async {
        await #expect(processExitsWith: .success) {
            try tlsProgram { certificates in
                let client = try certificates.client { $0.applicationProtocols = ["h2"] }
                let server = try certificates.server { $0.applicationProtocols = ["http/1.1"] }
                let errors = try await handshakeErrors(client, server)
                #expect(errors.client?.reason == .noSharedApplicationProtocol)
                #expect(errors.server?.reason == .noSharedApplicationProtocol)
                for (one, other) in [(client, try certificates.server()), (try certificates.client(), server)] {
                    let (near, far) = try await securedPair(one, other)
                    #expect(near.tlsParameters?.applicationProtocol == nil)
                    #expect(far.tlsParameters?.applicationProtocol == nil)
                }
            }
        }
    }

    @Test("no version in common is an error at both ends")
    func versions() async {
        await #expect(processExitsWith: .success) {
            try tlsProgram { certificates in
                let client = try certificates.client { $0.newestVersion = .tls12 }
                let server = try certificates.server { $0.oldestVersion = .tls13 }
                let errors = try await handshakeErrors(client, server)
                #expect(errors.client?.description == "TLS handshake with example.test: no shared protocol version")
                #expect(errors.server?.reason == .noSharedVersion)
            }
        }
    }

    @Test("a certificate is checked: authority, name, address, time; with the opt-out it is not")
    func verification() async {
        await #expect(processExitsWith: .success) {
            try tlsProgram { certificates in
                let server = try certificates.server()
                let client = try certificates.client()
                for name in ["example.test", "EXAMPLE.test", "example.test.", "a.wild.test", "127.0.0.1", "::1"] {
                    let errors = try await handshakeErrors(client, server, name: name)
                    #expect(errors.client == nil && errors.server == nil, "\(name)")
                }
                for name in ["other.test", "wild.test", "a.b.wild.test", "127.0.0.2", "::2"] {
                    let errors = try await handshakeErrors(client, server, name: name)
                    #expect(errors.client?.reason == .nameMismatch, "\(name)")
                    if case .alert = errors.server?.reason {
                    } else {
                        Issue.record("\(String(describing: errors.server))")
                    }
                }
                let unknown = try await handshakeErrors(try TLSContext.client(), server)
                #expect(
                    unknown.client?.description
                        == "TLS handshake with example.test: certificate verify failed: unable to get local issuer certificate"
                )
                #expect(unknown.server?.reason == .alert(number: 48, "unknown CA"))
                let expired = try await handshakeErrors(client, try certificates.server("expired"))
                #expect(expired.client?.reason == .certificateRefused("certificate has expired"))
                let anyone = try TLSContext.client(trust: .anyone)
                for name in ["other.test", "127.0.0.2"] {
                    let errors = try await handshakeErrors(anyone, try certificates.server("expired"), name: name)
                    #expect(errors.client == nil && errors.server == nil)
                }
                let added = try TLSContext.client(trust: .systemAnd(file: certificates.authority))
                let errors = try await handshakeErrors(added, server)
                #expect(errors.client == nil)
            }
        }
    }

    @Test("a server that requires a certificate of its clients refuses those without one, and knows the others")
    func clientCertificates() async {
        await #expect(processExitsWith: .success) {
            try tlsProgram { certificates in
                let server = try certificates.server {
                    $0.clientCertificates = .required
                    $0.trust = .only(file: certificates.authority)
                }
                for version in [TLSVersion.tls12, .tls13] {
                    let without = try certificates.client { $0.newestVersion = version }
                    let (near, far) = try await connectedPair()
                    let accepting = spawn { await tlsError { try await far.secure(with: server, as: .server) } }
                    let atClient = await tlsError {
                        try await near.secure(with: without, as: .client(serverName: "::1"))
                    }
                    let atServer = try await accepting.value
                    #expect(atServer?.reason == .failed("peer did not return a certificate"))
                    if version == .tls12 {
                        if case .alert = atClient?.reason {} else { Issue.record("no alert in the handshake") }
                    } else {
                        // In this version the client is through before the server has looked.
                        #expect(atClient == nil)
                        let reading = await reason { try await near.read(atMost: 1) }
                        if case .tls(.alert(116, _)) = reading {
                        } else {
                            Issue.record("\(String(describing: reading))")
                        }
                    }
                    let with = try certificates.client {
                        $0.newestVersion = version
                        $0.identity = .init(certificate: certificates.file("client"), key: certificates.key("client"))
                    }
                    let (_, known) = try await securedPair(with, server)
                    #expect(known.tlsParameters?.peerSubject == "CN=client,O=Spork")
                }
            }
        }
    }

    @Test("a handshake ends in time with a peer that says nothing, little, garbage or HTTP, and leaves nothing open")
    func badPeers() async {
        await #expect(processExitsWith: .success) {
            try tlsProgram { certificates in
                let (server, client) = (try certificates.server(), try certificates.client())
                let roles = [(client, TLSRole.client(serverName: "example.test")), (server, .server)]
                let before = openDescriptors()
                for (context, role) in roles {
                    let (near, far) = try await connectedPair()
                    let start = ContinuousClock.now
                    let silent = await tlsError {
                        try await near.secure(with: context, as: role, within: .milliseconds(50))
                    }
                    #expect(silent?.reason == .timedOut && near.isClosed)
                    #expect(ContinuousClock.now - start < .seconds(5))
                    far.close()
                }
                // Each byte of a record's beginning wakes the handshake; none buys it time.
                let (slow, dripping) = try await connectedPair()
                let drip = spawn {
                    for byte in [22, 3, 1, 0, 200] + [UInt8](repeating: 1, count: 1000) {
                        try await dripping.write([byte])
                        try await sleep(for: .milliseconds(2))
                    }
                }
                let dripped = await tlsError {
                    try await slow.secure(with: server, as: .server, within: .milliseconds(60))
                }
                #expect(dripped?.reason == .timedOut)
                await drip.cancelAndWait()
                dripping.close()

                for (context, role) in roles {
                    for text in ["GET / HTTP/1.1\r\nHost: example.test\r\n\r\n", "SSH-2.0-OpenSSH\r\n"] {
                        let (near, far) = try await connectedPair()
                        try await far.write(text)
                        let other = await tlsError { try await near.secure(with: context, as: role) }
                        #expect(other?.reason == .notTLS)
                        far.close()
                    }
                    let (near, far) = try await connectedPair()
                    far.close()
                    let gone = await tlsError { try await near.secure(with: context, as: role) }
                    #expect([.truncated, .system(number: ECONNRESET)].contains(gone?.reason))
                }
                #expect(openDescriptors() == before)
            }
        }
    }

    @Test("a handshake that is cancelled, or whose stream is closed, ends at once and closes its stream")
    func cancellation() async {
        await #expect(processExitsWith: .success) {
            try tlsProgram { certificates in
                let client = try certificates.client()
                let before = openDescriptors()
                let (near, far) = try await connectedPair()
                let handshake = spawn { try await near.secure(with: client, as: .client(serverName: "example.test")) }
                _ = try await far.read(atMost: 1)
                await handshake.cancelAndWait()
                do { try await handshake.value } catch is CancellationError {}
                #expect(near.isClosed)
                let (other, otherFar) = try await connectedPair()
                let closed = spawn {
                    await tlsError { try await other.secure(with: client, as: .client(serverName: "a.test")) }
                }
                _ = try await otherFar.read(atMost: 1)
                other.close()
                let error = try await closed.value
                #expect(error?.reason == .closed)
                far.close()
                otherFar.close()
                #expect(openDescriptors() == before)
            }
        }
    }

    @Test("a file that is not there, or is of no use, is an error that names it; no password is asked for")
    func files() async {
        await #expect(processExitsWith: .success) {
            try tlsProgram { certificates in
                let (good, key) = (certificates.file("server"), certificates.key("server"))
                let other = certificates.key("client")
                let missing = contextError { try .server(certificate: "/nowhere.pem", key: key) }
                #expect(missing == "read certificate /nowhere.pem: no such file or directory")
                let useless = contextError { try .server(certificate: key, key: key) }
                #expect(useless == "read certificate \(key): no start line")
                let mismatched = contextError { try .server(certificate: good, key: other) }
                #expect(mismatched == "read key \(other): key values mismatch")
                let locked = contextError { try certificates.server("locked") }
                #expect(locked.hasPrefix("read key \(certificates.key("locked")): "))
                let untrusted = contextError { try .client(trust: .only(file: "/nowhere.pem")) }
                #expect(untrusted == "read trusted certificates /nowhere.pem: no such file or directory")
            }
        }
    }
}
