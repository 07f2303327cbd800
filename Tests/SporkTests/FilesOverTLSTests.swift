// Files over TLS, where the kernel cannot send them by itself: the same bytes, whole, in one range and in several.
import Glibc
import SporkHTTP
import SporkLoop
import SporkNet
import SporkTasks
import Testing

@testable import Spork

/// A certificate for 127.0.0.1 that vouches for itself, made by the openssl command.
private func makeCertificate(in directory: String) -> Bool {
    let command = """
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=test \
        -addext subjectAltName=IP:127.0.0.1 -keyout \(directory)/b -out \(directory)/c 2>/dev/null
        """
    var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("sh"), strdup("-c"), strdup(command), nil]
    defer { arguments.forEach { free($0) } }
    var (process, status) = (pid_t(), Int32())
    guard posix_spawn(&process, "/bin/sh", nil, nil, &arguments, environ) == 0 else { return false }
    waitpid(process, &status, 0)
    return status == 0
}

@Suite struct FilesOverTLSTests {
    @Test("a file over TLS: whole, one range, several, and the connection goes on")
    func files() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let directory = try TemporaryDirectory()
                defer { directory.remove() }
                try #require(makeCertificate(in: directory.path))
                let content = String((0..<200_000).map { Character(Unicode.Scalar(UInt8(97 + $0 % 23))) })
                try directory.write(content, to: "a")
                let served = try ServedDirectory(directory.path)
                let router = Router()
                var wasSecure = false
                router.get("/{name}") { request in
                    wasSecure = request.isSecure
                    return try Response.file(request["name"], in: served, for: request)
                }
                let http = HTTPServer(router: router)
                var configuration = TLSConfiguration()
                configuration.identity = .init(certificate: "\(directory.path)/c", key: "\(directory.path)/b")
                let server = try TLSContext(configuration, for: .server)
                configuration = TLSConfiguration()
                configuration.trust = .only(file: "\(directory.path)/c")
                let client = try TLSContext(configuration, for: .client)

                let listener = try Listener(.loopback(port: 0))
                let serving = spawn {
                    guard let far = try await listener.accept() else { return }
                    try await far.secure(with: server, as: .server, within: .seconds(10))
                    let handler = http.handler(for: far)
                    while case .wait = try await handler.serveBurst() { try await far.waitUntilReadable(until: .never) }
                    far.close()
                }
                let near = try await SocketStream.connect(to: listener.address)
                try await near.secure(with: client, as: .client(serverName: "127.0.0.1"), within: .seconds(10))
                near.readTimeout = .seconds(10)
                let request = "GET /a HTTP/1.1\r\nHost: a\r\n"
                try await near.write(
                    "\(request)\r\n\(request)Range: bytes=100000-100009\r\n\r\n"
                        + "\(request)Range: bytes=0-9,60000-159999\r\nConnection: close\r\n\r\n"
                )
                var bytes: [UInt8] = []
                while true {
                    let more = try await near.read(atMost: 65_536)
                    if more.isEmpty { break }
                    bytes += more
                }
                try await serving.value
                let answers = String(decoding: bytes, as: UTF8.self)
                let utf8 = Array(content.utf8)
                let whole = String(decoding: utf8, as: UTF8.self)
                #expect(wasSecure && answers.hasPrefix("HTTP/1.1 200 OK\r\n"))
                #expect(answers.contains("\r\n\r\n\(whole)HTTP/1.1 206 Partial Content\r\n"))
                let part = String(decoding: utf8[100_000..<100_010], as: UTF8.self)
                #expect(answers.contains("\r\n\r\n\(part)HTTP/1.1 206 Partial Content\r\n"))
                let large = String(decoding: utf8[60_000..<160_000], as: UTF8.self)
                #expect(
                    answers.contains("bytes 60000-159999/200000\r\n\r\n\(large)\r\n--") && answers.hasSuffix("--\r\n")
                )
            }
            exit(0)
        }
    }
}
