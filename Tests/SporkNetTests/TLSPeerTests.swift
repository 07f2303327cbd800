// TLS with others: OpenSSL's own client and server, and Python's ssl module, in both directions.
import Glibc
import SporkLoop
import SporkNet
import SporkTasks
import Testing

@Suite struct TLSPeerTests {
    @Test("openssl s_client talks to us in both versions, takes up its session, and is answered after it changed keys")
    func opensslClient() async {
        await #expect(processExitsWith: .success) {
            try tlsProgram { certificates in
                let server = try certificates.server { $0.applicationProtocols = ["http/1.1"] }
                let listener = try Listener(.loopback(port: 0))
                for version in ["-tls1_2", "-tls1_3"] {
                    for isResumed in [false, true] {
                        let session = "\(certificates.directory)/session\(version)"
                        let client = try OtherProgram(
                            """
                            exec openssl s_client -connect \(listener.address) \(version) -servername example.test -alpn http/1.1 \
                            -CAfile \(certificates.authority) -verify_return_error -verify_hostname example.test \
                            \(isResumed ? "-sess_in" : "-sess_out") \(session) 2>&1
                            """
                        )
                        let stream = try #require(try await listener.accept(within: .seconds(10)))
                        try await stream.secure(with: server, as: .server)
                        #expect(stream.tlsParameters?.applicationProtocol == "http/1.1")
                        #expect(stream.tlsParameters?.serverName == "example.test")
                        #expect(stream.tlsParameters?.isResumed == isResumed)
                        try await client.stream.write("hello\n")
                        same(try await stream.readLine(limit: 100), "hello")
                        if version == "-tls1_3" {
                            // A request for new keys, while we write more than the socket takes.
                            let block = pattern(3_000_000)
                            let writer = spawn { try await stream.write(block) }
                            let reader = spawn { try await stream.readLine(limit: 100) }
                            try await client.stream.write("K\n")
                            try await readPast("KEYUPDATE", in: client.stream)
                            try await client.stream.write("after\n")
                            let copying = spawn { try await readPast("the very end", in: client.stream) }
                            try await writer.value
                            same(try await reader.value, "after")
                            try await stream.write("the very end")
                            try await copying.value
                        } else {
                            try await stream.write("the very end")
                            try await readPast("the very end", in: client.stream)
                        }
                        try await client.stream.write("Q\n")
                        same(try await stream.read(atMost: 1), [])
                        stream.close()
                        client.end()
                    }
                }
            }
        }
    }

    @Test(
        "a client that asks for short records gets what was written, and nobody else's bytes, however slowly it reads",
        arguments: ["-tls1_2", "-tls1_3"]
    )
    func shortRecords(version: String) async {
        await #expect(processExitsWith: .success) { [version] in
            try tlsProgram { certificates in
                let listener = try Listener(.loopback(port: 0))
                let client = try OtherProgram(
                    "exec openssl s_client -connect \(listener.address) \(version) -maxfraglen 512 -quiet -ign_eof 2>/dev/null"
                )
                let stream = try #require(try await listener.accept(within: .seconds(10)))
                try await stream.secure(with: try certificates.server(), as: .server)
                try stream.set(.sendBuffer, to: 8_000)
                let sent = pattern(1_000_000)
                let writer = spawn { try await stream.write(sent) }
                // Nothing is taken until the writer has to wait.
                try await sleep(for: .milliseconds(200))
                #expect(!writer.isFinished)
                let received = try await client.stream.read(exactly: sent.count)
                #expect(received == sent)
                try await writer.value
                stream.close()
                client.end()
            }
        }
    }

    @Test("a reader that is faster than we encrypt does not hold the loop")
    func fastReader() async {
        await #expect(processExitsWith: .success) {
            try tlsProgram { certificates in
                let listener = try Listener(.loopback(port: 0))
                let client = try OtherProgram(
                    "exec openssl s_client -connect \(listener.address) -quiet >/dev/null 2>/dev/null"
                )
                let stream = try #require(try await listener.accept(within: .seconds(10)))
                try await stream.secure(with: try certificates.server(), as: .server)
                let writer = spawn { try await stream.write([UInt8](repeating: 1, count: 64 << 20)) }
                var (before, most) = (0, 0)
                while !writer.isFinished {
                    try await sleep(for: .zero)
                    most = max(most, stream.bytesSent - before)
                    before = stream.bytesSent
                }
                try await writer.value
                #expect(most <= 2 << 20, "\(most) bytes between two turns")
                client.end()
            }
        }
    }

    @Test("openssl s_server serves us in both versions, and lets us take up the session")
    func opensslServer() async {
        await #expect(processExitsWith: .success) {
            try tlsProgram { certificates in
                for version in [TLSVersion.tls12, .tls13] {
                    let server = try OtherProgram(
                        """
                        exec openssl s_server -accept 127.0.0.1:0 -cert \(certificates.file("server")) \
                        -key \(certificates.key("server")) -alpn h2 -rev 2>/dev/null
                        """
                    )
                    let port = try await server.line(after: "ACCEPT 127.0.0.1:")
                    let address = try #require(SocketAddress("127.0.0.1:\(port)"))
                    let client = try certificates.client {
                        $0.newestVersion = version
                        $0.applicationProtocols = ["h2"]
                    }
                    for isResumed in [false, true] {
                        let stream = try await SocketStream.connect(to: address, within: .seconds(10))
                        try await stream.secure(with: client, as: .client(serverName: "example.test"))
                        let parameters = try #require(stream.tlsParameters)
                        #expect(parameters.version == version && parameters.applicationProtocol == "h2")
                        #expect(parameters.isResumed == isResumed)
                        try await stream.write("olleh\n")
                        same(try await stream.readLine(limit: 100), "hello")
                        stream.close()
                    }
                    server.end()
                }
            }
        }
    }

    @Test("Python's ssl module as our client: it checks us, sends 5 MB and gets them back; it sees our close_notify")
    func pythonClient() async {
        await #expect(processExitsWith: .success) {
            try tlsProgram { certificates in
                let server = try certificates.server { $0.applicationProtocols = ["echo"] }
                let listener = try Listener(.loopback(port: 0))
                guard case .ipv4 = listener.address, let port = "\(listener.address)".split(separator: ":").last else {
                    return
                }
                for version in ["TLSv1_2", "TLSv1_3"] {
                    let client = try OtherProgram(
                        """
                        exec python3 -c '
                        import os, socket, ssl, threading
                        context = ssl.create_default_context(cafile="\(certificates.authority)")
                        context.maximum_version = ssl.TLSVersion.\(version)
                        context.set_alpn_protocols(["echo"])
                        raw = socket.create_connection(("127.0.0.1", \(port)))
                        peer = context.wrap_socket(raw, server_hostname="example.test", suppress_ragged_eofs=False)
                        sent, back = os.urandom(5_000_000), bytearray()
                        thread = threading.Thread(target=lambda: peer.sendall(sent))
                        thread.start()
                        while part := peer.recv(65536):
                            back += part
                            if len(back) == len(sent): peer.sendall(b"done")
                        thread.join()
                        print("python:", peer.version(), peer.selected_alpn_protocol(), back == sent, flush=True)
                        '
                        """
                    )
                    let stream = try #require(try await listener.accept(within: .seconds(10)))
                    try await stream.secure(with: server, as: .server)
                    var echoed = 0
                    while echoed < 5_000_000 {
                        let part = try await stream.read(atMost: 65536)
                        try #require(!part.isEmpty)
                        try await stream.write(part)
                        echoed += part.count
                    }
                    same(try await stream.read(exactly: 4), Array("done".utf8))
                    // Without the end being announced Python would raise an error here.
                    stream.close()
                    let expected = version == "TLSv1_2" ? " TLSv1.2 echo True" : " TLSv1.3 echo True"
                    same(try await client.line(after: "python:"), expected)
                    client.end()
                }
            }
        }
    }

    @Test("Python's ssl module as our server: an end it announces is an end, one it does not is truncated")
    func pythonServer() async {
        await #expect(processExitsWith: .success) {
            try tlsProgram { certificates in
                let server = try OtherProgram(
                    """
                    exec python3 -c '
                    import socket, ssl
                    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
                    context.load_cert_chain("\(certificates.file("server"))", "\(certificates.key("server"))")
                    listener = socket.create_server(("127.0.0.1", 0))
                    print("port:", listener.getsockname()[1], flush=True)
                    for announces in (True, False, True, False):
                        raw, _ = listener.accept()
                        peer = context.wrap_socket(raw, server_side=True)
                        peer.sendall(b"part of it")
                        if announces: peer.unwrap()
                        else: socket.socket(fileno=peer.detach()).close()
                    '
                    """
                )
                let port = try await server.line(after: "port: ")
                let address = try #require(SocketAddress("127.0.0.1:\(port)"))
                for version in [TLSVersion.tls12, .tls13] {
                    let client = try certificates.client { $0.newestVersion = version }
                    for announces in [true, false] {
                        let stream = try await SocketStream.connect(to: address, within: .seconds(10))
                        try await stream.secure(with: client, as: .client(serverName: "example.test"))
                        same(try await stream.read(exactly: 10), Array("part of it".utf8))
                        let end = await reason { same(try await stream.read(atMost: 1), []) }
                        #expect(end == (announces ? nil : .truncated), "\(version)")
                        stream.close()
                    }
                }
                server.end()
            }
        }
    }
}

/// Reads until these words have come.
private func readPast(_ words: String, in stream: SocketStream) async throws {
    let wanted = Array(words.utf8)
    var tail: [UInt8] = []
    while true {
        let part = try await stream.read(atMost: 100_000)
        try #require(!part.isEmpty)
        tail += part
        if tail.contains(wanted) { return }
        tail = Array(tail.suffix(wanted.count - 1))
    }
}
