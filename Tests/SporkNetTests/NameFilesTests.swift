// What a resolver takes from files: the hosts file, and the system's word on servers and search domains.
import Glibc
import SporkLoop
import SporkNet
import SporkTasks
import Testing

@Suite struct NameFilesTests {
    @Test("the hosts file comes before the name servers, and is read again when it has changed")
    func hosts() async {
        await #expect(processExitsWith: .success) {
            try NameTest.run {
                let server = try NameServer(["here.test A": .addresses(["192.0.2.9"])])
                let path = NameTest.file("hosts", "192.0.2.1 Here.test here\n::1 here.test\n")
                defer { unlink(path) }
                let resolver = NameTest.resolver(server) { $0.hostsFile = path }
                let jobs = EventLoop.statistics.jobsRun
                for name in ["here.test", "HERE.TEST", "here.test."] {
                    let found = try await resolver.addresses(of: name, port: 1).map(\.description)
                    NameTest.same(found, ["[::1]:1", "192.0.2.1:1"])
                }
                NameTest.same(EventLoop.statistics.jobsRun, jobs)
                NameTest.same(server.questions, [])

                // Noticed a second after it was looked at last, and not before.
                unlink(path)
                _ = NameTest.file("hosts", "192.0.2.2 here.test\n")
                NameTest.same(try resolver.tryAddresses(of: "here.test", port: 1)?.count, 2)
                try await sleep(for: .milliseconds(1010))
                NameTest.same(try resolver.tryAddresses(of: "here.test", port: 1)?.map(\.host), ["192.0.2.2"])
                unlink(path)
                try await sleep(for: .milliseconds(1010))
                #expect(try resolver.tryAddresses(of: "here.test", port: 1) == nil)
                NameTest.same(try await resolver.addresses(of: "here.test", port: 1).map(\.host), ["192.0.2.9"])
                await server.close()
            }
        }
    }

    @Test("a hosts file that could block, or that is not there, is none; a limit bounds what is read")
    func strangeHosts() async {
        await #expect(processExitsWith: .success) {
            try NameTest.run {
                let server = try NameServer([:])
                let path = "/tmp/spork-names-\(getpid())-fifo"
                mkfifo(path, 0o600)
                defer { unlink(path) }
                for path in [path, "/tmp", "/tmp/spork-no-such-file"] {
                    let resolver = NameTest.resolver(server) { $0.hostsFile = path }
                    #expect(try resolver.tryAddresses(of: "here.test", port: 1) == nil)
                }
                let long = NameTest.file("long", "192.0.2.1 one\n192.0.2.2 two\n")
                defer { unlink(long) }
                let resolver = NameTest.resolver(server) { configuration in
                    configuration.hostsFile = long
                    configuration.mostHostsBytes = 14
                }
                NameTest.same(try resolver.tryAddresses(of: "one", port: 1)?.count, 1)
                #expect(try resolver.tryAddresses(of: "two", port: 1) == nil)
                await server.close()
            }
        }
    }

    @Test("search domains: both families of one name before the next name, and the first that has an address wins")
    func search() async {
        await #expect(processExitsWith: .success) {
            try NameTest.run {
                let server = try NameServer([
                    "db.first.test A": .addresses(["192.0.2.1"]), "db.first.test AAAA": .code(0),
                    "db.second.test AAAA": .addresses(["2001:db8::2"]),
                    "web.second.test A": .addresses(["192.0.2.2"]), "a.b A": .addresses(["192.0.2.3"]),
                ])
                let path = NameTest.file("resolv.conf", "search first.test second.test\noptions ndots:2\n")
                defer { unlink(path) }
                let resolver = NameTest.resolver(server) { configuration in
                    configuration.systemFile = path
                    configuration.searchDomains = nil
                }
                for (name, host) in [("db", "192.0.2.1"), ("web", "192.0.2.2"), ("a.b", "192.0.2.3")] {
                    let found = try await resolver.addresses(of: name, port: 1).map(\.host)
                    NameTest.same(found, [host])
                }
                // ndots:2 sends a name with one dot through the list first.
                #expect(server.questions.contains("a.b.second.test A"))
                let asked = server.questions.count
                NameTest.same(
                    await NameTest.failure { try await resolver.addresses(of: "db.", port: 1) },
                    "resolve db.: no such name"
                )
                NameTest.same(server.questions[asked...].sorted(), ["db A", "db AAAA"])
                await server.close()
            }
        }
    }

    @Test("the system's name servers are asked, and others when they have changed")
    func systemServers() async {
        await #expect(processExitsWith: .success) {
            try NameTest.run {
                // resolv.conf knows no ports; that the port there is nobody's is all that this needs.
                let path = NameTest.file("resolv.conf", "nameserver 127.0.0.1\noptions ndots:1\n")
                defer { unlink(path) }
                var configuration = NameResolver.Configuration()
                configuration.systemFile = path
                configuration.hostsFile = nil
                configuration.searchDomains = ["first.test"]
                configuration.timeoutPerTry = .milliseconds(20)
                configuration.tries = 1
                let resolver = NameResolver(configuration)
                let before = NameTest.sockets()
                let first = await NameTest.failure { try await resolver.addresses(of: "a.test", port: 1) }
                #expect(first.hasPrefix("resolve a.test: "))
                unlink(path)
                _ = NameTest.file("resolv.conf", "nameserver 127.0.0.2\nnameserver 127.0.0.3\n")
                try await sleep(for: .milliseconds(1010))
                let second = await NameTest.failure { try await resolver.addresses(of: "a.test", port: 1) }
                #expect(second.hasPrefix("resolve a.test: "))
                NameTest.same(NameTest.sockets(), before)
            }
        }
    }

    @Test("the shared resolver opens nothing before it is asked, so a child inherits nothing")
    func lazy() async {
        await #expect(processExitsWith: .success) {
            await MainActor.run {
                let before = NameTest.sockets()
                _ = NameResolver.shared
                NameTest.same(try? NameResolver.shared.tryAddresses(of: "127.0.0.1", port: 1)?.count, 1)
                NameTest.same(NameTest.sockets(), before)
            }
            exit(0)
        }
    }
}
