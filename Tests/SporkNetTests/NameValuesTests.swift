// What resolving names is made of that needs no loop: host names, the hosts file, the order of questions and of addresses.
import Testing

@testable import SporkNet

@Suite struct NameValuesTests {
    @Test(
        "host names",
        arguments: [
            "a", "example.org", "xn--bcher-kva.example", "_dmarc.example.org", "1.example", "a-b",
            "3com.com",
            String(repeating: "a", count: 63) + ".test",
            [String](repeating: String(repeating: "a", count: 50), count: 5).dropLast().joined(separator: ".") + "."
                + String(repeating: "b", count: 49),
        ]
    )
    func names(text: String) {
        #expect(HostName(text)?.text == text)
        #expect(HostName(text.uppercased() + ".")?.text == text)
    }

    @Test(
        "what is no host name",
        arguments: [
            "", ".", "..", "a..b", ".a", "a b", "a-.test", "-a", "a.-b", "a\0", "a\n", "bücher.example", "127.1", "1",
            "a.1",
            "a:80",
            "a/b", "::1", "[::1]", "a@b", "*", String(repeating: "a", count: 64) + ".test",
            [String](repeating: String(repeating: "a", count: 50), count: 5).joined(separator: "."),
        ]
    )
    func refused(text: String) { #expect(HostName(text) == nil) }

    @Test("the longest name has 253 bytes")
    func longest() {
        let exact = String(repeating: "a.", count: 126) + "b"
        #expect(exact.utf8.count == 253)
        #expect(HostName(exact) != nil)
        #expect(HostName("c" + exact + "b") == nil)
    }

    @Test("the names that a short one may stand for")
    func candidates() throws {
        let (short, dotted) = (try #require(HostName("a")), try #require(HostName("a.b")))
        #expect(short.candidates(domains: ["x.test", "y"], dots: 1) == ["a.x.test", "a.y", "a"])
        #expect(dotted.candidates(domains: ["x.test", "y"], dots: 1) == ["a.b", "a.b.x.test", "a.b.y"])
        #expect(dotted.candidates(domains: ["x.test"], dots: 2) == ["a.b.x.test", "a.b"])
        #expect(try #require(HostName("a.")).candidates(domains: ["x.test"], dots: 1) == ["a"])
        // A domain that makes no name is left out.
        #expect(short.candidates(domains: ["no domain", String(repeating: "d.", count: 127)], dots: 1) == ["a"])
    }

    @Test("the hosts file: comments, tabs, several names and lines, and what makes no sense")
    func hosts() throws {
        let text = """
            # comment
            127.0.0.1\tlocalhost  Local # more
              192.0.2.1 one two\r
            2001:db8::1 one
            192.0.2.1 one
            fe80::1%1 scoped
            192.0.2.300 wrong
            wrong 192.0.2.2
            192.0.2.9
            #192.0.2.3 hidden
            192.0.2.4 last
            """
        let table = HostsTable(parsing: Array(text.utf8))
        func found(_ name: String) throws -> [String] { table[try #require(HostName(name))].map(\.host) }
        #expect(try found("local") == ["127.0.0.1"])
        #expect(try found("one") == ["192.0.2.1", "2001:db8::1"])
        #expect(try found("TWO.") == ["192.0.2.1"])
        #expect(try found("scoped") == ["fe80::1%lo"])
        #expect(try found("last") == ["192.0.2.4"])
        #expect(try found("wrong") == [])
        #expect(try found("hidden") == [])
        #expect(table.count == 6)
        #expect(HostsTable(parsing: []).count == 0)
        #expect(HostsTable(parsing: (0...255).map { UInt8($0) }).count == 0)
    }

    @Test("addresses in the order of RFC 6724's table; equals stay as they came")
    func preference() {
        let texts = [
            "192.0.2.2", "fd00::1", "2001:db8::2", "2002::1", "::ffff:192.0.2.9", "2001::1", "192.0.2.1", "::1",
            "fec0::1", "2001:db8::1",
        ]
        let ordered = texts.compactMap { SocketAddress(host: $0, port: 0) }.inOrderOfPreference.map(\.host)
        #expect(
            ordered == [
                "::1", "2001:db8::2", "2001:db8::1", "192.0.2.2", "::ffff:192.0.2.9", "192.0.2.1", "2002::1", "2001::1",
                "fd00::1", "fec0::1",
            ]
        )
    }

    private static let found = [SocketAddress.loopback(port: 0)]
    private static let answers: [NameSearch.Answer] = [
        .addresses(found), .addresses([]), .failed(.notFound), .failed(.noAddress), .failed(.serverFailure),
        .failed(.timedOut),
    ]

    @Test("questions: every combination of answers, in both orders, over two names")
    func search() {
        var ends: Set<String> = []
        for first in AddressFamily.allCases {
            for one in Self.answers {
                for two in Self.answers {
                    var search = NameSearch(["a", "b"])
                    #expect(search.begin() == .ask("a"))
                    let actions = search.on(first, one) + search.on(first.other, two)
                    let addresses = [one, two].contains(.addresses(Self.found))
                    let isFinal = [one, two].contains(.failed(.timedOut))
                    switch (addresses, isFinal) {
                    case (true, _): #expect(Set(actions.map { "\($0)" }).count == 2 && !actions.contains(.ask("b")))
                    case (false, true): #expect(actions == [.fail(.timedOut)])
                    case (false, false):
                        #expect(actions == [.ask("b")])
                        let last = search.on(first, .failed(.notFound)) + search.on(first.other, .failed(.notFound))
                        #expect(last.count == 1)
                        ends.insert("\(last)")
                    }
                }
            }
        }
        // That a server failed or that the name exists is not forgotten over the next name.
        #expect(ends.count == 3)
    }

    @Test("an answer with addresses is reported at once, a failure waits for the other family")
    func reports() {
        var search = NameSearch(["a"])
        _ = search.begin()
        #expect(search.on(.ipv4, .addresses(Self.found)) == [.report(.ipv4, Self.found)])
        #expect(search.on(.ipv6, .failed(.timedOut)) == [.report(.ipv6, [])])
        search = NameSearch(["a"])
        _ = search.begin()
        #expect(search.on(.ipv6, .failed(.notFound)) == [])
        #expect(search.on(.ipv4, .addresses(Self.found)) == [.report(.ipv6, []), .report(.ipv4, Self.found)])
    }
}
