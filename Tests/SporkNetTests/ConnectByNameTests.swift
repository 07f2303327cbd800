// Connecting to names: real sockets on loopback, names from a server of the tests' own, each test in a process of its own.
import Glibc
import SporkLoop
import SporkNet
import SporkTasks
import Testing

/// Listeners of both families on one port, or a port where only some of them listen.
private struct Ports {
    var six: Listener?
    var four: Listener?
    var port: UInt16

    // The kernel chooses the port of one, which may be in use for the other.
    init(six wantsSix: Bool = true, four wantsFour: Bool = true, backlog: Int32 = 100) throws {
        while true {
            let six = try Listener(try #require(SocketAddress("[::1]:0")), backlog: backlog)
            port = try #require(six.address.port)
            guard let four = try? Listener(.loopback(port: port), backlog: backlog) else { continue }
            if wantsSix { self.six = six } else { six.close() }
            if wantsFour { self.four = four } else { four.close() }
            return
        }
    }

    func close() {
        six?.close()
        four?.close()
    }

    /// Fills the queue of the IPv6 listener, made with a backlog of 0: the kernel drops what comes next (tcp(7)).
    func blackHole() async throws -> [SocketStream] {
        let address = try #require(six).address
        var fillers: [SocketStream] = []
        while fillers.count < 10 {
            do { fillers.append(try await SocketStream.connect(to: address, within: .milliseconds(30))) } catch {
                return fillers
            }
        }
        throw SystemError("fill", address.description, number: EOVERFLOW)
    }
}

private let zone: [String: NameServer.Reply] = [
    "both.test A": .addresses(["127.0.0.1"]), "both.test AAAA": .addresses(["::1"]),
    "slow.test A": .addresses(["127.0.0.1"]), "slow.test AAAA": .late(.milliseconds(400), .addresses(["::1"])),
    "soon.test A": .addresses(["127.0.0.1"]), "soon.test AAAA": .late(.milliseconds(10), .addresses(["::1"])),
    "never.test A": .silence, "never.test AAAA": .silence,
    "many.test A": .addresses(["127.0.0.2", "127.0.0.3"]), "many.test AAAA": .addresses(["::1"]),
]

@Suite struct ConnectByNameTests {
    @Test("IPv6 is used where both answer, IPv4 at once where IPv6 refuses")
    func families() async {
        await #expect(processExitsWith: .success) {
            try NameTest.run {
                let server = try NameServer(zone)
                let resolver = NameTest.resolver(server)
                let both = try Ports()
                let first = try await SocketStream.connect(to: "both.test", port: both.port, resolver: resolver)
                #expect(try both.six?.tryAccept() != nil)
                #expect(try both.four?.tryAccept() == nil)
                first.close()
                both.close()

                let one = try Ports(six: false)
                var delays = ConnectionRace.Delays()
                delays.attempt = .seconds(30)
                let time = try await NameTest.elapsed {
                    let stream = try await SocketStream.connect(
                        to: "both.test",
                        port: one.port,
                        delays: delays,
                        resolver: resolver
                    )
                    #expect(try one.four?.tryAccept() != nil)
                    stream.close()
                }
                NameTest.between(time, 0, 5000)
                one.close()
                await server.close()
            }
        }
    }

    @Test("where IPv6 says nothing, IPv4 is tried after the attempt delay, and the loser is closed")
    func blackHole() async {
        await #expect(processExitsWith: .success) {
            try NameTest.run {
                let server = try NameServer(zone)
                let ports = try Ports(backlog: 0)
                let fillers = try await ports.blackHole()
                let before = NameTest.sockets()
                let time = try await NameTest.elapsed {
                    let stream = try await SocketStream.connect(
                        to: "both.test:\(ports.port)",
                        within: .seconds(20),
                        resolver: NameTest.resolver(server)
                    )
                    #expect(try ports.four?.tryAccept() != nil)
                    NameTest.same(NameTest.sockets(), before + 1)
                    stream.close()
                }
                NameTest.between(time, 249, 900)
                for filler in fillers { filler.close() }
                ports.close()
                await server.close()
            }
        }
    }

    @Test("a slow AAAA is waited for 50 ms and no longer; one that comes in that time is used")
    func slowResolution() async {
        await #expect(processExitsWith: .success) {
            try NameTest.run {
                let server = try NameServer(zone)
                let resolver = NameTest.resolver(server)
                let ports = try Ports()
                let before = NameTest.sockets()
                let time = try await NameTest.elapsed {
                    let stream = try await SocketStream.connect(to: "slow.test", port: ports.port, resolver: resolver)
                    #expect(try ports.four?.tryAccept() != nil)
                    stream.close()
                }
                NameTest.between(time, 49, 390)
                // The question that was still open went with the race.
                NameTest.same(NameTest.sockets(), before)

                var delays = ConnectionRace.Delays()
                delays.resolution = .seconds(30)
                let stream = try await SocketStream.connect(
                    to: "soon.test",
                    port: ports.port,
                    delays: delays,
                    resolver: resolver
                )
                #expect(try ports.six?.tryAccept() != nil)
                stream.close()
                ports.close()
                await server.close()
            }
        }
    }

    @Test("when no address answers, the error names each and why; without an address it is the name's")
    func failures() async {
        await #expect(processExitsWith: .success) {
            try NameTest.run {
                let server = try NameServer(zone)
                let resolver = NameTest.resolver(server)
                let ports = try Ports(six: false, four: false)
                let port = ports.port
                for (name, tried) in [
                    ("both.test", "[::1]:\(port): connection refused; 127.0.0.1:\(port): connection refused"),
                    ("localhost", "[::1]:\(port): connection refused; 127.0.0.1:\(port): connection refused"),
                    (
                        "many.test",
                        "[::1]:\(port): connection refused; 127.0.0.2:\(port): connection refused; 127.0.0.3:\(port): connection refused"
                    ),
                ] {
                    NameTest.same(
                        await NameTest.failure {
                            try await SocketStream.connect(to: "\(name):\(port)", resolver: resolver)
                        },
                        "connect \(name):\(port): no address answered (\(tried))"
                    )
                }
                for (text, error) in [
                    ("none.test:1", "resolve none.test: no such name"), ("a b:1", "resolve a b: not a host name"),
                    ("none.test", "connect none.test: destination address required"),
                    ("none.test:x", "connect none.test:x: destination address required"),
                    ("none.test:", "connect none.test:: destination address required"),
                    ("127.0.0.1:\(port)", "connect 127.0.0.1:\(port): connection refused"),
                    ("tcp:[::1]:\(port)", "connect [::1]:\(port): connection refused"),
                    ("unix:/tmp/spork-no-such", "connect unix:/tmp/spork-no-such: no such file or directory"),
                ] {
                    NameTest.same(
                        await NameTest.failure { try await SocketStream.connect(to: text, resolver: resolver) },
                        error
                    )
                }
                await server.close()
            }
        }
    }

    @Test("a time limit ends the question or the attempts, whichever it meets")
    func limits() async {
        await #expect(processExitsWith: .success) {
            try NameTest.run {
                let server = try NameServer(zone)
                let resolver = NameTest.resolver(server)
                let asking = await NameTest.elapsed {
                    NameTest.same(
                        await NameTest.failure {
                            try await SocketStream.connect(
                                to: "never.test:1",
                                within: .milliseconds(40),
                                resolver: resolver
                            )
                        },
                        "resolve never.test: timed out"
                    )
                }
                NameTest.between(asking, 40, 1000)
                let ports = try Ports(four: false, backlog: 0)
                let fillers = try await ports.blackHole()
                let port = ports.port
                let trying = await NameTest.elapsed {
                    NameTest.same(
                        await NameTest.failure {
                            try await SocketStream.connect(
                                to: "both.test:\(port)",
                                within: .milliseconds(400),
                                resolver: resolver
                            )
                        },
                        "connect both.test:\(port): timed out ([::1]:\(port): no answer yet; 127.0.0.1:\(port): connection refused)"
                    )
                }
                NameTest.between(trying, 400, 900)
                for filler in fillers { filler.close() }
                ports.close()
                await server.close()
            }
        }
    }

    @Test("cancelled while it asks or while it tries, it closes everything")
    func cancellation() async {
        await #expect(processExitsWith: .success) {
            try NameTest.run {
                let server = try NameServer(zone)
                let resolver = NameTest.resolver(server)
                let ports = try Ports(four: false, backlog: 0)
                let fillers = try await ports.blackHole()
                let before = NameTest.sockets()
                let port = ports.port
                for name in ["never.test", "both.test"] {
                    let coroutine = spawn { try await SocketStream.connect(to: name, port: port, resolver: resolver) }
                    let asked = server.questions.count
                    while server.questions.count < asked + 2 { try await sleep(for: .milliseconds(1)) }
                    for _ in 0..<20 { try await sleep(for: .milliseconds(1)) }
                    #expect(NameTest.sockets() > before)
                    await coroutine.cancelAndWait()
                    NameTest.same("\(coroutine.state)", "cancelled")
                    NameTest.same(NameTest.sockets(), before)
                }
                for filler in fillers { filler.close() }
                ports.close()
                await server.close()
            }
        }
    }

    @Test("200 connections at once to two listeners leave nothing open")
    func many() async {
        await #expect(processExitsWith: .success) {
            try NameTest.run {
                let server = try NameServer(zone)
                let resolver = NameTest.resolver(server)
                let ports = try Ports(backlog: 400)
                let before = NameTest.sockets()
                let connections = (0..<200).map { number in
                    spawn {
                        let name = number % 2 == 0 ? "both.test" : "localhost"
                        let stream = try await SocketStream.connect(to: name, port: ports.port, resolver: resolver)
                        stream.close()
                    }
                }
                for connection in connections { try await connection.value }
                // Those that wanted the same name at the same time asked once.
                NameTest.same(server.questions.sorted(), ["both.test A", "both.test AAAA"])
                var accepted = 0
                while try ports.six?.tryAccept() != nil { accepted += 1 }
                NameTest.same(accepted, 200)
                NameTest.same(NameTest.sockets(), before)
                ports.close()
                await server.close()
            }
        }
    }
}
