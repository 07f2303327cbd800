// Resolving names against a name server of the tests' own, each test in a process of its own.
import Glibc
import SporkLoop
import SporkNet
import SporkTasks
import Testing

@Suite struct NameResolverTests {
    @Test("addresses written out and localhost ask nobody and do not suspend")
    func literals() async {
        await #expect(processExitsWith: .success) {
            try NameTest.run {
                let server = try NameServer([:])
                let resolver = NameTest.resolver(server)
                let jobs = EventLoop.statistics.jobsRun
                for (name, expected) in [
                    ("127.0.0.1", ["127.0.0.1:80"]), ("::1", ["[::1]:80"]), ("[2001:db8::2]", ["[2001:db8::2]:80"]),
                    ("[fe80::1%lo]", ["[fe80::1%lo]:80"]), ("fe80::1%1", ["[fe80::1%lo]:80"]),
                    ("localhost", ["[::1]:80", "127.0.0.1:80"]), ("LocalHost.", ["[::1]:80", "127.0.0.1:80"]),
                    ("any.localhost", ["[::1]:80", "127.0.0.1:80"]),
                ] {
                    let found = try await resolver.addresses(of: name, port: 80).map(\.description)
                    NameTest.same(found, expected)
                }
                NameTest.same(EventLoop.statistics.jobsRun, jobs)
                for name in [
                    "[127.0.0.1]", "127.1", "fe80::1%no such", "a b", "-a", "a..b", "", ".", "127.0.0.1\0.test",
                ] {
                    NameTest.same(
                        await NameTest.failure { try await resolver.addresses(of: name, port: 80) },
                        "resolve \(name): not a host name"
                    )
                }
                NameTest.same(EventLoop.statistics.jobsRun, jobs)
                NameTest.same(server.questions, [])
                await server.close()
            }
        }
    }

    @Test("A and AAAA are asked for, aliases followed, names in capitals and with a final dot are the same names")
    func addresses() async {
        await #expect(processExitsWith: .success) {
            try NameTest.run {
                let server = try NameServer([
                    "both.test A": .addresses(["192.0.2.1", "192.0.2.2"]),
                    "both.test AAAA": .addresses(["2001:db8::1"]),
                    "four.test A": .addresses(["192.0.2.4"]), "four.test AAAA": .code(0),
                    "six.test A": .code(2), "six.test AAAA": .addresses(["2001:db8::6"]),
                    "private.test A": .addresses(["192.0.2.7"]), "private.test AAAA": .addresses(["fd00::7"]),
                    "alias.test A": .alias(["one.test", "two.test"], ["192.0.2.8"]),
                    "alias.test AAAA": .alias(["one.test", "two.test"], ["2001:db8::8"]),
                ])
                let resolver = NameTest.resolver(server)
                for (name, expected) in [
                    ("both.test", ["[2001:db8::1]:1", "192.0.2.1:1", "192.0.2.2:1"]),
                    ("BOTH.Test.", ["[2001:db8::1]:1", "192.0.2.1:1", "192.0.2.2:1"]),
                    ("four.test", ["192.0.2.4:1"]), ("six.test", ["[2001:db8::6]:1"]),
                    ("private.test", ["192.0.2.7:1", "[fd00::7]:1"]),
                    ("alias.test", ["[2001:db8::8]:1", "192.0.2.8:1"]),
                ] {
                    let found = try await resolver.addresses(of: name, port: 1).map(\.description)
                    NameTest.same(found, expected)
                }
                NameTest.same(Array(server.questions.prefix(2).sorted()), ["both.test A", "both.test AAAA"])
                await server.close()
            }
        }
    }

    @Test("each way to fail has its error, and none leaves anything behind")
    func errors() async {
        await #expect(processExitsWith: .success) {
            try NameTest.run {
                let server = try NameServer([
                    "empty.test A": .code(0), "empty.test AAAA": .code(0), "half.test A": .code(0),
                    "failing.test A": .code(2), "failing.test AAAA": .code(2),
                    "refusing.test A": .code(5), "refusing.test AAAA": .code(5),
                    "dangling.test A": .alias(["gone.test"], []), "dangling.test AAAA": .alias(["gone.test"], []),
                    "broken.test A": .several([.bytes([]), .bytes([1, 2, 3]), .foreign(["192.0.2.66"])]),
                    "broken.test AAAA": .bytes([UInt8](repeating: 0xFF, count: 300)),
                ])
                let resolver = NameTest.resolver(server)
                let hasty = NameTest.resolver(server) { configuration in
                    configuration.timeoutPerTry = .milliseconds(30)
                    configuration.tries = 2
                }
                for (name, reason) in [
                    ("none.test", "no such name"), ("empty.test", "the name has no address"),
                    ("half.test", "the name has no address"), ("failing.test", "the name server failed"),
                    ("refusing.test", "the name server failed"), ("dangling.test", "the name has no address"),
                ] {
                    NameTest.same(
                        await NameTest.failure { try await resolver.addresses(of: name, port: 1) },
                        "resolve \(name): \(reason)"
                    )
                }
                NameTest.same(
                    await NameTest.failure { try await hasty.addresses(of: "broken.test", port: 1) },
                    "resolve broken.test: timed out"
                )
                await server.close()
                NameTest.same(
                    await NameTest.failure { try await resolver.addresses(of: "a.test", port: 1) },
                    "resolve a.test: no name server could be reached"
                )
                let several = NameTest.resolver(server) { $0.servers = [server.address, .loopback(port: 1)] }
                NameTest.same(
                    await NameTest.failure { try await several.addresses(of: "a.test", port: 1) },
                    "resolve a.test: the name server failed"
                )
                for servers in [[], [SocketAddress.unix("/tmp/no")]] {
                    let unusable = NameTest.resolver(server) { $0.servers = servers }
                    NameTest.same(
                        await NameTest.failure { try await unusable.addresses(of: "a.test", port: 1) },
                        "resolve a.test: the resolver's settings cannot be used"
                    )
                }
            }
        }
    }

    @Test("packets that are no answers are passed over; the answer behind them counts")
    func garbage() async {
        await #expect(processExitsWith: .success) {
            try NameTest.run {
                let noise: [NameServer.Reply] = [
                    .bytes([7]), .bytes([UInt8](repeating: 0xC0, count: 100)), .foreign(["192.0.2.66"]),
                ]
                let server = try NameServer([
                    "a.test A": .several(noise + [.addresses(["192.0.2.1"])]),
                    "a.test AAAA": .several(noise + [.addresses(["2001:db8::1"])]),
                ])
                let found = try await NameTest.resolver(server).addresses(of: "a.test", port: 1).map(\.description)
                NameTest.same(found, ["[2001:db8::1]:1", "192.0.2.1:1"])
                await server.close()
            }
        }
    }

    @Test("an answer that is too long is asked for again over TCP, and bounded")
    func truncated() async {
        await #expect(processExitsWith: .success) {
            try NameTest.run {
                let many = (1...200).map { "192.0.2.\($0)" }
                let server = try NameServer(["long.test A": .truncated(many), "long.test AAAA": .code(0)])
                let found = try await NameTest.resolver(server) { $0.mostAddresses = 150 }
                    .addresses(of: "long.test", port: 53)
                NameTest.same(found.map(\.host), Array(many.prefix(150)))
                NameTest.same(server.questionsOverTCP, 1)
                await server.close()
            }
        }
    }

    @Test("a server that hangs up instead of taking a question over TCP is an error and no signal")
    func hangUp() async {
        await #expect(processExitsWith: .success) {
            try NameTest.run {
                let zone: [String: NameServer.Reply] = [
                    "long.test A": .truncated([]), "long.test AAAA": .truncated([]),
                ]
                let server = try NameServer(zone, hangsUp: true)
                NameTest.same(
                    await NameTest.failure { try await NameTest.resolver(server).addresses(of: "long.test", port: 1) },
                    "resolve long.test: no name server could be reached"
                )
                await server.close()
            }
        }
    }

    @Test(
        "servers that fail or say nothing are followed by the next; the tries take the time that is set, and others run"
    )
    func timeouts() async {
        await #expect(processExitsWith: .success) {
            try NameTest.run {
                let silent = try NameServer([
                    "a.test A": .silence, "a.test AAAA": .silence, "b.test A": .code(2), "b.test AAAA": .code(2),
                ])
                let resolver = NameTest.resolver(silent) { configuration in
                    configuration.timeoutPerTry = .milliseconds(60)
                    configuration.tries = 2
                }
                var ticks = 0
                let ticker = spawn { while true { try await sleep(for: .milliseconds(5)); ticks += 1 } }
                let time = await NameTest.elapsed {
                    NameTest.same(
                        await NameTest.failure { try await resolver.addresses(of: "a.test", port: 1) },
                        "resolve a.test: timed out"
                    )
                }
                // 60 ms, then twice as long.
                NameTest.between(time, 175, 5000)
                NameTest.same(silent.questions.count, 4)
                #expect(ticks > 10)
                await ticker.cancelAndWait()

                let patient = NameTest.resolver(silent) { $0.timeoutPerTry = .seconds(30) }
                let limited = await NameTest.elapsed {
                    NameTest.same(
                        await NameTest.failure {
                            try await patient.addresses(of: "a.test", port: 1, within: .milliseconds(20))
                        },
                        "resolve a.test: timed out"
                    )
                }
                NameTest.between(limited, 20, 15_000)

                let good = try NameServer([
                    "a.test A": .addresses(["192.0.2.1"]), "b.test A": .addresses(["192.0.2.2"]),
                ])
                let both = NameTest.resolver(silent) { configuration in
                    configuration.servers = [silent.address, good.address]
                    configuration.timeoutPerTry = .milliseconds(60)
                }
                let second = try await NameTest.elapsed {
                    NameTest.same(try await both.addresses(of: "a.test", port: 1).map(\.host), ["192.0.2.1"])
                }
                NameTest.between(second, 59, 15_000)
                NameTest.same(try await both.addresses(of: "b.test", port: 1).map(\.host), ["192.0.2.2"])
                // Where nobody listens, no time is lost: not by the first question, nor by those that share its socket.
                await silent.close()
                let dead = NameTest.resolver(silent) { configuration in
                    configuration.servers = [silent.address, good.address]
                    configuration.timeoutPerTry = .seconds(30)
                }
                let third = try await NameTest.elapsed {
                    let lookups = ["a.test", "b.test", "a.test.", "b.test."].map { name in
                        spawn { try await dead.addresses(of: name, port: 1).count }
                    }
                    for lookup in lookups { NameTest.same(try await lookup.value, 1) }
                }
                NameTest.between(third, 0, 5000)
                await good.close()
            }
        }
    }

    @Test(
        "a lookup that is cancelled ends at once; its late answer harms nobody; others that want the same name get it"
    )
    func cancellation() async {
        await #expect(processExitsWith: .success) {
            try NameTest.run {
                let server = try NameServer([
                    "late.test A": .late(.milliseconds(60), .addresses(["192.0.2.1"])),
                    "late.test AAAA": .late(.milliseconds(60), .code(0)),
                    "later.test A": .late(.milliseconds(120), .addresses(["192.0.2.2"])),
                ])
                let before = NameTest.sockets()
                let resolver = NameTest.resolver(server)
                let first = spawn { try await resolver.addresses(of: "late.test", port: 1) }
                let second = spawn { try await resolver.addresses(of: "late.test", port: 2) }
                let other = spawn { try await resolver.addresses(of: "later.test", port: 3) }
                for _ in 0..<3 { try await checkpoint() }
                #expect(NameTest.sockets() > before)
                await first.cancelAndWait()
                NameTest.same(await NameTest.failure { try await first.value }, "resolve late.test: cancelled")
                NameTest.same(try await second.value.map(\.description), ["192.0.2.1:1".dropLast() + "2"])
                // One question for the two of them.
                NameTest.same(server.questions.filter { $0 == "late.test A" }.count, 1)

                // Nobody wants this one any more when its answer comes, while another question is open.
                let third = spawn { try await resolver.addresses(of: "late.test", port: 4) }
                for _ in 0..<3 { try await checkpoint() }
                await third.cancelAndWait()
                NameTest.same(try await other.value.map(\.description), ["192.0.2.2:3"])

                // The last one: the sockets go at once.
                let last = spawn { try await resolver.addresses(of: "late.test", port: 5) }
                for _ in 0..<3 { try await checkpoint() }
                #expect(NameTest.sockets() > before)
                await last.cancelAndWait()
                NameTest.same(NameTest.sockets(), before)
                let task = spawn {
                    try await withTimeout(.milliseconds(10)) { try await resolver.addresses(of: "late.test", port: 6) }
                }
                NameTest.same(
                    await NameTest.failure { try await task.value },
                    "\(TimeoutError(limit: .milliseconds(10)))"
                )
                NameTest.same(
                    try await resolver.addresses(of: "late.test", port: 7).map(\.description),
                    ["192.0.2.1:7"]
                )
                await server.close()
            }
        }
    }

    @Test("a resolver that goes while its questions are open takes them with it")
    func release() async {
        await #expect(processExitsWith: .success) {
            try NameTest.run {
                let server = try NameServer(["a.test A": .silence, "a.test AAAA": .silence])
                let before = NameTest.sockets()
                weak var gone: NameResolver?
                do {
                    let resolver = NameTest.resolver(server)
                    gone = resolver
                    let coroutine = spawn { [resolver] in try await resolver.addresses(of: "a.test", port: 1) }
                    for _ in 0..<3 { try await checkpoint() }
                    await coroutine.cancelAndWait()
                }
                for _ in 0..<3 { try await checkpoint() }
                #expect(gone == nil)
                NameTest.same(NameTest.sockets(), before)
                await server.close()
            }
        }
    }

    @Test("100 lookups at once, and 1000 after them, share a socket and leave nothing open")
    func many() async {
        await #expect(processExitsWith: .success) {
            try NameTest.run {
                var zone: [String: NameServer.Reply] = [:]
                for number in 0..<100 {
                    zone["n\(number).test A"] = .late(.milliseconds(20), .addresses(["192.0.2.\(number)"]))
                    zone["n\(number).test AAAA"] = .code(0)
                }
                let server = try NameServer(zone)
                let resolver = NameTest.resolver(server)
                let before = NameTest.sockets()
                let lookups = (0..<100).map { number in
                    spawn { try await resolver.addresses(of: "n\(number).test", port: 1).map(\.host) }
                }
                for _ in 0..<3 { try await checkpoint() }
                NameTest.same(NameTest.sockets(), before + 1)
                for (number, lookup) in lookups.enumerated() {
                    NameTest.same(try await lookup.value, ["192.0.2.\(number)"])
                }
                for number in 0..<1000 {
                    NameTest.same(
                        await NameTest.failure { try await resolver.addresses(of: "none\(number).test", port: 1) },
                        "resolve none\(number).test: no such name"
                    )
                }
                NameTest.same(NameTest.sockets(), before)
                await server.close()
            }
        }
    }
}
