// What the tests of TLS share: certificates, made by the openssl command in a directory that goes with the test; secured pairs; and peers
// that are other programs.
import Glibc
import SporkLoop
import SporkNet
import SporkTasks
import Testing

/// Certificates in a temporary directory.
nonisolated struct TestCertificates {
    let directory: String

    var authority: String { "\(directory)/ca.pem" }

    /// Makes an authority and what it vouches for: a server, one whose time is over, a client.
    init() throws {
        guard let made = mkdtemp(strdup("/tmp/spork-tls-test-XXXXXX")) else {
            throw SystemError("make", "a directory", number: errno)
        }
        defer { free(made) }
        directory = String(cString: made)
        try #require(run("cd \(directory) && \(Self.script)") == 0)
    }

    func file(_ name: String) -> String { "\(directory)/\(name).pem" }
    func key(_ name: String) -> String { "\(directory)/\(name).key" }

    func remove() { _ = run("rm -r \(directory)") }

    func server(
        _ name: String = "server",
        _ change: (inout TLSConfiguration) -> Void = { _ in }
    ) throws -> TLSContext {
        var configuration = TLSConfiguration()
        configuration.identity = .init(certificate: file(name), key: key(name))
        change(&configuration)
        return try TLSContext(configuration, for: .server)
    }

    func client(_ change: (inout TLSConfiguration) -> Void = { _ in }) throws -> TLSContext {
        var configuration = TLSConfiguration()
        configuration.trust = .only(file: authority)
        change(&configuration)
        return try TLSContext(configuration, for: .client)
    }

    private static let script = """
        exec 2>log; set -e
        new='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
        openssl req -x509 $new -keyout ca.key -out ca.pem -days 30 -subj '/CN=Test authority'
        printf 'subjectAltName=DNS:example.test,DNS:*.wild.test,IP:127.0.0.1,IP:::1\\n' >names
        vouch() { openssl x509 -req -in $1.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days $2 -extfile names -out $1.pem; }
        for name in server expired client; do
            openssl req -new $new -keyout $name.key -out $name.csr -subj "/O=Spork/CN=$name"
        done
        vouch server 30; vouch expired -1; vouch client 30
        openssl ec -in server.key -aes128 -passout pass:secret -out locked.key
        cp server.pem locked.pem
        """
}

/// Runs a shell command to its end; its exit code.
nonisolated func run(_ command: String) -> Int32 {
    var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("sh"), strdup("-c"), strdup(command), nil]
    defer { arguments.forEach { free($0) } }
    var (process, status) = (pid_t(), Int32())
    guard posix_spawn(&process, "/bin/sh", nil, nil, &arguments, environ) == 0 else { return -1 }
    waitpid(process, &status, 0)
    return status >> 8
}

/// Runs `body` with certificates on the loop of this process, cleans up, and ends the process well.
nonisolated func tlsProgram(_ body: @escaping @MainActor (TestCertificates) async throws -> Void) throws {
    let certificates = try TestCertificates()
    defer { certificates.remove() }
    try EventLoop.run {
        EventLoop.blockedLimit = nil
        try await withTimeout(.seconds(60)) { try await body(certificates) }
    }
    certificates.remove()
    exit(0)
}

/// A connection to oneself through TLS: the client's end, and the server's.
func securedPair(
    _ client: TLSContext,
    _ server: TLSContext,
    name: String = "example.test",
    options: (SocketStream) throws -> Void = { _ in }
) async throws -> (SocketStream, SocketStream) {
    let (near, far) = try await connectedPair()
    try options(near)
    try options(far)
    let accepting = spawn { try await far.secure(with: server, as: .server, within: .seconds(10)) }
    try await near.secure(with: client, as: .client(serverName: name), within: .seconds(10))
    try await accepting.value
    return (near, far)
}

/// How a handshake ends at both ends.
func handshakeErrors(
    _ client: TLSContext,
    _ server: TLSContext,
    name: String = "example.test"
) async throws -> (client: TLSError?, server: TLSError?) {
    let (near, far) = try await connectedPair()
    let accepting = spawn { await tlsError { try await far.secure(with: server, as: .server) } }
    let clientError = await tlsError { try await near.secure(with: client, as: .client(serverName: name)) }
    return (clientError, try await accepting.value)
}

/// The `TLSError` that `body` throws.
func tlsError(_ body: () async throws -> Void) async -> TLSError? {
    do {
        try await body()
        return nil
    } catch { return error as? TLSError }
}

/// Expects two values to be the same: `#expect` in an exit test cannot see through `await`.
func same<Value: Equatable>(_ value: Value, _ expected: Value, at place: SourceLocation = #_sourceLocation) {
    #expect(value == expected, sourceLocation: place)
}

/// What cannot be made into a context, in words.
func contextError(_ body: @MainActor () throws -> TLSContext) -> String {
    do {
        _ = try body()
        return "none"
    } catch { return "\(error)" }
}

/// Everything until the end of a stream.
func readAll(_ stream: SocketStream) async throws -> [UInt8] {
    var all: [UInt8] = []
    while true {
        let part = try await stream.read(atMost: 100_000)
        if part.isEmpty { return all }
        all += part
    }
}

/// Bytes that show where one is missing.
nonisolated func pattern(_ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 13) }
}

/// Another program whose standard input and output are a stream here.
final class OtherProgram {
    let stream: SocketStream
    private let process: pid_t

    /// Starts a shell command; `exec` in it makes the program itself the child.
    init(_ command: String) throws {
        var ends: [Int32] = [-1, -1]
        let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue)
        try #require(socketpair(AF_UNIX, kind, 0, &ends) == 0)
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, ends[1], 0)
        posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
        var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("sh"), strdup("-c"), strdup(command), nil]
        defer { arguments.forEach { free($0) } }
        var process = pid_t()
        try #require(posix_spawn(&process, "/bin/sh", &actions, nil, &arguments, environ) == 0)
        Glibc.close(ends[1])
        _ = fcntl(ends[0], F_SETFL, O_NONBLOCK)
        self.process = process
        stream = SocketStream(descriptor: ends[0])
        stream.readTimeout = .seconds(20)
    }

    /// Reads lines until one begins with `prefix`; what follows that.
    func line(after prefix: String) async throws -> String {
        while let line = try await stream.readLine(limit: 65536) {
            if line.hasPrefix(prefix) { return String(line.dropFirst(prefix.count)) }
        }
        throw StreamError(.endOfStream, "read from", "another program")
    }

    /// Ends it.
    func end() {
        stream.close()
        kill(process, SIGKILL)
        var status: Int32 = 0
        waitpid(process, &status, 0)
    }
}
