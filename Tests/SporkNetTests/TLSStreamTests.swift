// A secured stream is a stream like any other: bytes, ends, limits, waiting coroutines.
import Glibc
import SporkLoop
import SporkNet
import SporkTasks
import Testing

@Suite struct TLSStreamTests {
    @Test("20 MB each way at once through small socket buffers arrive as they were, in both versions")
    func bothWays() async {
        await #expect(processExitsWith: .success) {
            try tlsProgram { certificates in
                let server = try certificates.server()
                for version in [TLSVersion.tls12, .tls13] {
                    let client = try certificates.client { $0.newestVersion = version }
                    let (near, far) = try await securedPair(client, server) { stream in
                        try stream.set(.sendBuffer, to: 64 * 1024)
                        try stream.set(.receiveBuffer, to: 64 * 1024)
                    }
                    let payload = pattern(20_000_000)
                    let ends = [near, far]
                    let writers = ends.map { stream in
                        spawn {
                            try await stream.write(payload)
                            stream.shutdownWrite()
                        }
                    }
                    let readers = ends.map { stream in spawn { try await readAll(stream) == payload } }
                    for writer in writers { try await writer.value }
                    for reader in readers { same(try await reader.value, true) }
                    #expect(near.bytesSent == payload.count && far.bytesSent == payload.count)
                }
            }
        }
    }

    @Test("pieces, files, lines and single bytes: every way to read and to write goes through TLS")
    func everyWay() async {
        await #expect(processExitsWith: .success) {
            try tlsProgram { certificates in
                let (near, far) = try await securedPair(try certificates.client(), try certificates.server())
                let payload = pattern(1_000_000)
                let path = certificates.directory + "/file"
                let file = open(path, O_CREAT | O_RDWR, 0o600)
                #expect(payload.withUnsafeBytes { write(file, $0.baseAddress, $0.count) } == payload.count)
                let writer = spawn {
                    try await far.write("a line\r\nanother\n")
                    try await far.write([Array("p".utf8), [], payload, Array("q".utf8), pattern(16_383)])
                    let block = ByteBlock(copying: payload)
                    for size in [1, 100, 16_383, 16_384, 16_385, 100_000] {
                        let part = UnsafeRawBufferPointer(rebasing: block.bytes[..<size])
                        try await far.write(part, block.bytes)
                        try await far.write(block.bytes, part)
                    }
                    try await far.sendFile(file, from: 10, count: payload.count - 10)
                    far.shutdownWrite()
                }
                let first = try await near.readLine(limit: 100)
                let second = try await near.readLine(limit: 100)
                #expect(first == "a line" && second == "another")
                let pieces = try await near.read(exactly: 1_000_002 + 16_383)
                #expect(pieces == Array("p".utf8) + payload + Array("q".utf8) + pattern(16_383))
                for size in [1, 100, 16_383, 16_384, 16_385, 100_000] {
                    let small = Array(payload[..<size])
                    same(try await near.read(exactly: payload.count + size), small + payload)
                    same(try await near.read(exactly: payload.count + size), payload + small)
                }
                var rest: [UInt8] = []
                // One byte at a time: what OpenSSL has decrypted and not handed out wakes no descriptor.
                while rest.count < 50_000 { rest += try await near.read(atMost: 1) }
                rest += try await readAll(near)
                try await writer.value
                #expect(rest == Array(payload[10...]))
                // A file that has become shorter says so.
                ftruncate(file, 100)
                let short = await reason { try await near.sendFile(file, from: 0, count: 200) }
                #expect(short == .fileTruncated)
                close(file)
            }
        }
    }

    @Test("either end may be ended while the other goes on")
    func halfClose() async {
        await #expect(processExitsWith: .success) {
            try tlsProgram { certificates in
                for version in [TLSVersion.tls12, .tls13] {
                    let client = try certificates.client { $0.newestVersion = version }
                    let (near, far) = try await securedPair(client, try certificates.server())
                    for (one, other) in [(near, far), (far, near)] {
                        try await one.write("the last")
                        one.shutdownWrite()
                        same(try await readAll(other), Array("the last".utf8))
                        same(try await other.read(atMost: 1), [])
                        let late = await reason { try await one.write("later") }
                        #expect(late == .system(number: EPIPE))
                        if one === near {
                            try await other.write("still here")
                            same(try await one.read(exactly: 10), Array("still here".utf8))
                        }
                    }
                }
            }
        }
    }

    @Test("an end that was announced is an end; one that was not is a truncated stream, now and later")
    func truncation() async {
        await #expect(processExitsWith: .success) {
            try tlsProgram { certificates in
                let (client, server) = (try certificates.client(), try certificates.server())
                let (near, far) = try await securedPair(client, server)
                try await far.write("all")
                far.close()
                same(try await readAll(near), Array("all".utf8))

                let (other, plain) = try await connectedPair()
                // The server's end: a relay that cuts the connection, without a word of TLS.
                let (relay, secured) = try await connectedPair()
                let accepting = spawn { try await secured.secure(with: server, as: .server) }
                let there = spawn { try await copy(plain, to: relay) }
                let back = spawn { try await copy(relay, to: plain) }
                try await other.secure(with: client, as: .client(serverName: "example.test"))
                try await accepting.value
                try await secured.write("a part")
                same(try await other.read(exactly: 6), Array("a part".utf8))
                await there.cancelAndWait()
                await back.cancelAndWait()
                plain.shutdownWrite()
                for _ in 0..<2 {
                    let error = await reason { try await other.read(atMost: 10) }
                    #expect(error == .truncated)
                }
                relay.close()
                let atServer = await reason { try await secured.read(atMost: 10) }
                #expect(atServer == .truncated || atServer == .system(number: ECONNRESET))
            }
        }
    }

    @Test("what was written reaches a slow peer whole, and with its end, although the stream was closed at once")
    func closeWhileFull() async {
        await #expect(processExitsWith: .success) {
            try tlsProgram { certificates in
                let (client, server) = (try certificates.client(), try certificates.server())
                let before = openDescriptors()
                for closes in [true, false] {
                    let (near, far) = try await securedPair(client, server) { stream in
                        try stream.set(.sendBuffer, to: 64 * 1024)
                        try stream.set(.receiveBuffer, to: 64 * 1024)
                    }
                    let payload = pattern(8_000_000)
                    var taken = 0
                    while let count = try far.tryWrite(payload[taken...]), count > 0 { taken += count }
                    #expect(taken > 0 && taken < payload.count)
                    // Part of a record is left, and there is no room for it.
                    if closes { far.close() } else { far.shutdownWrite() }
                    try await sleep(for: .milliseconds(20))
                    same(try await readAll(near), Array(payload[..<taken]))
                    near.close()
                    far.close()
                }
                while openDescriptors() > before { try await sleep(for: .milliseconds(1)) }
            }
        }
    }

    @Test("a write that was given up loses nothing and doubles nothing: what counts as sent arrives, then the next")
    func abandonedWrite() async {
        await #expect(processExitsWith: .success) {
            try tlsProgram { certificates in
                for version in [TLSVersion.tls12, .tls13] {
                    let client = try certificates.client { $0.newestVersion = version }
                    let (near, far) = try await securedPair(client, try certificates.server())
                    far.writeTimeout = .milliseconds(20)
                    let payload = pattern(20_000_000)
                    let late = await reason { try await far.write(payload) }
                    #expect(late == .timedOut)
                    let sent = far.bytesSent
                    #expect(sent > 0 && sent < payload.count)
                    far.writeTimeout = nil
                    let next = spawn {
                        try await far.write("next")
                        far.shutdownWrite()
                    }
                    let all = try await readAll(near)
                    try await next.value
                    #expect(all.count == sent + 4)
                    #expect(all == payload[..<sent] + Array("next".utf8))
                }
            }
        }
    }

    @Test("closing wakes the reader; limits and cancellation end a read, which can be repeated")
    func waking() async {
        await #expect(processExitsWith: .success) {
            try tlsProgram { certificates in
                let (near, far) = try await securedPair(try certificates.client(), try certificates.server())
                // The tickets are read meanwhile: they are no data.
                near.readTimeout = .milliseconds(20)
                let late = await reason { try await near.read(atMost: 1) }
                #expect(late == .timedOut)
                near.readTimeout = .zero
                let none = await reason { try await near.read(atMost: 1) }
                #expect(none == .wouldBlock)
                near.readTimeout = nil
                let nothing = try near.tryRead(atMost: 1)
                #expect(nothing == nil)
                let cancelled = spawn { try await near.read(atMost: 1) }
                for _ in 0..<3 { try await checkpoint() }
                await cancelled.cancelAndWait()
                let cancellation = await reason { try await cancelled.value }
                #expect(cancellation == .cancelled)
                try await far.write("still here")
                same(try await near.read(exactly: 10), Array("still here".utf8))
                let reader = spawn { try await near.read(atMost: 1) }
                let writer = spawn { try await near.write([UInt8](repeating: 1, count: 20_000_000)) }
                for _ in 0..<10 { try await checkpoint() }
                near.close()
                let reading = await reason { try await reader.value }
                let writing = await reason { try await writer.value }
                #expect(reading == .closed && writing == .closed)
            }
        }
    }

    @Test("keys are changed while the other direction is full")
    func changingKeys() async {
        await #expect(processExitsWith: .success) {
            try tlsProgram { certificates in
                let (near, far) = try await securedPair(try certificates.client(), try certificates.server()) {
                    stream in
                    try stream.set(.sendBuffer, to: 64 * 1024)
                    try stream.set(.receiveBuffer, to: 64 * 1024)
                }
                let payload = pattern(3_000_000)
                for round in 0..<10 {
                    // The near end reads nothing yet, so the far end's answer to the change finds no room.
                    let writer = spawn { try await far.write(payload) }
                    var sent = -1
                    while far.bytesSent != sent {
                        sent = far.bytesSent
                        for _ in 0..<100 { try await checkpoint() }
                    }
                    #expect(sent < (round + 1) * payload.count)
                    let reader = spawn { try await far.read(exactly: 10) }
                    for word in ["first", "other"] {
                        #expect(near.changeKeys())
                        try await near.write(word)
                        for _ in 0..<100 { try await checkpoint() }
                    }
                    same(try await near.read(exactly: payload.count), payload)
                    try await writer.value
                    same(try await reader.value, Array("firstother".utf8))
                }
            }
        }
    }

    @Test(
        "a direction that is ended under a coroutine that writes: both wait for room, and what counts as sent arrives"
    )
    func endUnderWriter() async {
        await #expect(processExitsWith: .success) {
            try tlsProgram { certificates in
                let (near, far) = try await securedPair(try certificates.client(), try certificates.server())
                let payload = pattern(20_000_000)
                let writer = spawn { try await far.write(payload) }
                for _ in 0..<10 { try await checkpoint() }
                far.shutdownWrite()
                for _ in 0..<10 { try await checkpoint() }
                let all = try await readAll(near)
                let error = await reason { try await writer.value }
                #expect(error == .system(number: EPIPE))
                #expect(far.bytesSent > 0 && far.bytesSent < payload.count)
                same(all, Array(payload[..<far.bytesSent]))
                try await near.write("heard")
                same(try await far.read(exactly: 5), Array("heard".utf8))
            }
        }
    }

    @Test("writing to a peer that has closed fails, whether its end was seen before or not")
    func writeToNobody() async {
        await #expect(processExitsWith: .success) {
            try tlsProgram { certificates in
                for version in [TLSVersion.tls12, .tls13] {
                    for isSeen in [true, false] {
                        let client = try certificates.client { $0.newestVersion = version }
                        let (near, far) = try await securedPair(client, try certificates.server())
                        near.close()
                        if isSeen { same(try await far.read(atMost: 1), []) }
                        let error = await reason { for _ in 0..<1000 { try await far.write(pattern(20_000)) } }
                        #expect(error == .system(number: EPIPE) || error == .system(number: ECONNRESET))
                    }
                }
            }
        }
    }

    @Test("two coroutines that read one secured stream are a programming error")
    func twoReaders() async {
        await #expect(processExitsWith: .signal(SIGILL)) {
            try tlsProgram { certificates in
                let (near, far) = try await securedPair(try certificates.client(), try certificates.server())
                certificates.remove()
                spawn { try await near.read(atMost: 10) }
                spawn { try await near.read(atMost: 10) }
                try await sleep(for: .seconds(5))
                far.close()
            }
        }
    }

    @Test("a plain stream becomes a secured one in the middle; what was received too early belongs to the handshake")
    func startInTheMiddle() async {
        await #expect(processExitsWith: .success) {
            try tlsProgram { certificates in
                let (near, far) = try await connectedPair()
                let server = try certificates.server()
                let accepting = spawn {
                    same(try await far.readLine(limit: 100), "STARTTLS")
                    try await far.secure(with: server, as: .server)
                    try await far.write("secret\n")
                }
                try await near.write("STARTTLS\n", more: true)
                try await near.secure(with: try certificates.client(), as: .client(serverName: "example.test"))
                same(try await near.readLine(limit: 100), "secret")
                try await accepting.value
            }
        }
    }
}

/// Copies bytes until the source ends.
private func copy(_ source: SocketStream, to target: SocketStream) async throws {
    while true {
        let part = try await source.read(atMost: 100_000)
        if part.isEmpty { return }
        try await target.write(part)
    }
}

extension SocketStream {
    /// Writes a text that more follows at once.
    fileprivate func write(_ text: String, more: Bool) async throws {
        let block = ByteBlock(copying: Array(text.utf8))
        try await write(block.bytes, more: more)
    }
}
