// The client over https, with Spork's own server behind a handshake: whom it believes, and an end that nobody has announced.
import Glibc
import SporkLoop
import SporkTasks
import Testing

@testable import SporkHTTP
@testable import SporkNet

/// A certificate for 127.0.0.1 that vouches for itself, in a directory that goes with the test.
private struct Identity {
    let directory: String

    init() throws {
        guard let made = mkdtemp(strdup("/tmp/spork-client-test-XXXXXX")) else {
            throw SystemError("make", "a directory", number: errno)
        }
        defer { free(made) }
        directory = String(cString: made)
        try #require(
            run(
                """
                cd \(directory) && exec openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 9 \
                -subj /CN=test -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out certificate.pem 2>log
                """
            ) == 0
        )
    }

    var certificate: String { "\(directory)/certificate.pem" }

    func context() throws -> TLSContext {
        try TLSContext.server(
            certificate: certificate,
            key: "\(directory)/key.pem",
            applicationProtocols: ["http/1.1"]
        )
    }

    func remove() { _ = run("rm -r \(directory)") }
}

/// Runs a shell command to its end; its exit code.
private func run(_ command: String) -> Int32 {
    var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("sh"), strdup("-c"), strdup(command), nil]
    defer { arguments.forEach { free($0) } }
    var (process, status) = (pid_t(), Int32())
    guard posix_spawn(&process, "/bin/sh", nil, nil, &arguments, environ) == 0 else { return -1 }
    waitpid(process, &status, 0)
    return status >> 8
}

/// Spork's server behind a handshake.
private func securedServer(_ identity: Identity, _ router: Router) throws -> Listener {
    let listener = try Listener(.loopback(port: 0))
    let http = HTTPServer(router: router)
    let settings = SecuringHandler.Settings(try identity.context())
    let server = StreamServer([listener], handler: { SecuringHandler($0, settings) { http.handler(for: $0) } })
    spawn("server") { try await server.run() }
    return listener
}

@Suite struct ClientTLSTests {
    @Test("https: whom it believes, under which name; bodies both ways on one connection")
    func https() async {
        await #expect(processExitsWith: .success) {
            try clientProgram {
                let identity = try Identity()
                defer { identity.remove() }
                let router = Router()
                router.put("/echo") { request in try await request.body.bytes(upTo: 1 << 24).count.description }
                router.get("/big") { _ in Response(bytes: [UInt8](repeating: 5, count: 3_000_000)) }
                let listener = try securedServer(identity, router)
                let url = "https://\(listener.address)"

                let nobody = HTTPClient()
                same(
                    await clientError { _ = try await nobody.get("\(url)/big") },
                    "TLS handshake with 127.0.0.1: certificate verify failed: self-signed certificate"
                )
                same(nobody.statistics.connections, 0)
                var settings = HTTPClient.Configuration()
                settings.tls.trust = .only(file: identity.certificate)
                let client = HTTPClient(settings)
                for _ in 0..<2 {
                    let body = ClientRequest.Body.bytes([UInt8](repeating: 1, count: 3_000_000))
                    same(try await client.put("\(url)/echo", body).body.string(upTo: 99), "3000000")
                    let big = try await client.get("\(url)/big").body.bytes(upTo: 3_000_000)
                    #expect(big.count == 3_000_000 && big.allSatisfy { $0 == 5 })
                }
                same(client.statistics, .init(connections: 1, idleConnections: 1, waiting: 0, connectionsMade: 1))
                var named = try ClientRequest(.get, "https://localhost:\(listener.address.port ?? 0)/big")
                same(
                    await clientError { _ = try await client.send(named) },
                    "TLS handshake with localhost: certificate verify failed: it is for another name"
                )
                settings.tls.trust = .anyone
                named.headers["Host"] = "a"
                let anyone = HTTPClient(settings)
                let trusting = try await anyone.send(named)
                same(trusting.status, .ok)
                trusting.body.drop()
            }
        }
    }

    @Test("an end that nobody has announced is no end; one that was announced is, where there is no length")
    func truncation() async {
        await #expect(processExitsWith: .success) {
            try clientProgram {
                let identity = try Identity()
                defer { identity.remove() }
                let listener = try Listener(.loopback(port: 0))
                let context = try identity.context()
                spawn("server") {
                    for isAnnounced in [true, false] {
                        guard let stream = try await listener.accept() else { return }
                        try await stream.secure(with: context, as: .server)
                        try await stream.answer("HTTP/1.1 200 OK\n\nhello")
                        if !isAnnounced { stream.forgetTLS() }
                        stream.close()
                    }
                }
                var settings = HTTPClient.Configuration()
                settings.tls.trust = .only(file: identity.certificate)
                let client = HTTPClient(settings)
                let url = "https://\(listener.address)/"
                same(try await client.get(url).body.string(upTo: 5), "hello")
                let cut = try await client.get(url)
                same(
                    await clientError { _ = try await cut.body.bytes(upTo: 5) },
                    "the server closed the connection before the end of its answer"
                )
            }
        }
    }
}
