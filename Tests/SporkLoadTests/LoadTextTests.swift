// Numbers as people read them, and plans: pure.
import SporkNet
import Testing

@testable import SporkLoad

@Suite struct LoadTextTests {
    @Test(
        "numbers are rounded, not cut",
        arguments: [
            (0.0, 2, "0.00"), (1.005, 1, "1.0"), (1.25, 0, "1"), (1.5, 0, "2"), (0.999, 2, "1.00"), (-0.001, 2, "0.00"),
            (-1.5, 1, "-1.5"), (123_456.789, 2, "123456.79"), (9.96, 1, "10.0"), (.infinity, 2, "-"), (.nan, 0, "-"),
            (1e18, 2, "1e+18"),
        ]
    )
    func fixed(value: Double, digits: Int, text: String) {
        #expect(LoadText.fixed(value, digits) == text)
    }

    @Test("times, sizes and counts take wrk's units")
    func units() {
        #expect(LoadText.time(nanoseconds: 635_910) == "635.91us")
        #expect(LoadText.time(nanoseconds: 12_920_000) == "12.92ms")
        #expect(LoadText.time(nanoseconds: 1_200_000_000) == "1.20s")
        #expect(LoadText.size(bytes: 0) == "0.00B")
        #expect(LoadText.size(bytes: 1023) == "1023.00B")
        #expect(LoadText.size(bytes: 1536) == "1.50KB")
        #expect(LoadText.size(bytes: 5 * 1024 * 1024 * 1024 * 1024 * 1024) == "5120.00TB")
        #expect(LoadText.count(999) == "999.00")
        #expect(LoadText.count(56_200) == "56.20k")
        #expect(LoadText.right("ab", 4) == "  ab")
        #expect(LoadText.right("abcdef", 4) == "abcdef")
    }

    @Test(
        "durations as they are typed",
        arguments: [
            (Duration.seconds(10), "10s"), (.milliseconds(500), "500ms"), (.milliseconds(1500), "1500ms"),
            (.seconds(120), "2m"), (.seconds(90), "90s"),
        ]
    )
    func durations(duration: Duration, text: String) {
        #expect(LoadText.duration(duration) == text)
    }
}

@Suite struct LoadPlanTests {
    @Test(
        "connections are spread as evenly as they go",
        arguments: [(1, 1), (1, 8), (10, 3), (64, 4), (7, 7), (1000, 6)]
    )
    func spread(connections: Int, processes: Int) throws {
        let target = try LoadTarget(url: "http://127.0.0.1:1/")
        let plan = LoadPlan(target: target, connections: connections, processes: processes, duration: .seconds(1))
        let shares = (0..<plan.processes).map(plan.connections(of:))
        #expect(shares.reduce(0, +) == connections)
        #expect(shares.allSatisfy { $0 > 0 })
        #expect((shares.max() ?? 0) - (shares.min() ?? 0) <= 1)
    }

    @Test("a request names the host once, the user's own where there is one")
    func request() throws {
        var plan = LoadPlan(
            target: try LoadTarget(url: "http://127.0.0.1:81/a?b#c"),
            connections: 1,
            processes: 1,
            duration: .seconds(1)
        )
        #expect(String(decoding: plan.request, as: UTF8.self) == "GET /a?b HTTP/1.1\r\nHost: 127.0.0.1:81\r\n\r\n")
        plan.fields = ["host: other", "X: y"]
        #expect(String(decoding: plan.request, as: UTF8.self) == "GET /a?b HTTP/1.1\r\nhost: other\r\nX: y\r\n\r\n")
    }

    @Test(
        "content has its length, methods that expect some say that there is none, and a connection's end is announced"
    )
    func content() throws {
        let target = try LoadTarget(url: "http://127.0.0.1/")
        var plan = LoadPlan(target: target, connections: 1, processes: 1, duration: .seconds(1))
        func text() -> String { String(decoding: plan.request, as: UTF8.self) }
        plan.method = "POST"
        #expect(text() == "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n\r\n")
        (plan.body, plan.keepsAlive) = (Array("abc".utf8), false)
        let fields = "Content-Length: 3\r\nConnection: close"
        #expect(text() == "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n\(fields)\r\n\r\nabc")
        plan.fields = ["content-length: 9", "connection: x"]
        #expect(text() == "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\ncontent-length: 9\r\nconnection: x\r\n\r\nabc")
    }

    @Test("requests are spread to the last", arguments: [1, 2, 3, 10], [1, 7, 100, 103])
    func requests(processes: Int, requests: Int) throws {
        let target = try LoadTarget(url: "http://127.0.0.1/")
        var plan = LoadPlan(target: target, connections: 10, processes: processes, duration: .seconds(1))
        #expect(plan.requests(of: 0) == nil)
        plan.requests = requests
        #expect((0..<processes).compactMap(plan.requests(of:)).reduce(0, +) == requests)
    }

    @Test("https has its own port, and a socket goes before the host, which is not resolved then")
    func secureAndLocal() throws {
        let secure = try LoadTarget(url: "https://127.0.0.1/")
        #expect(secure.isSecure && "\(secure.address)" == "127.0.0.1:443" && secure.host == "127.0.0.1")
        #expect(try LoadTarget(url: "https://[::1]:8/").host == "::1")
        let local = try LoadTarget(url: "http://no.such.name.invalid/x", at: .abstract("y"))
        #expect(local.address == .abstract("y") && local.authority == "no.such.name.invalid" && !local.isSecure)
    }

    @Test(
        "URLs are taken apart",
        arguments: [
            ("http://127.0.0.1", "127.0.0.1:80", "127.0.0.1", "/"),
            ("http://127.0.0.1:8000/a/b?c=d", "127.0.0.1:8000", "127.0.0.1:8000", "/a/b?c=d"),
            ("http://[::1]:8000", "[::1]:8000", "[::1]:8000", "/"), ("http://[::1]/x", "[::1]:80", "[::1]", "/x"),
            ("http://127.0.0.1:8000?q", "127.0.0.1:8000", "127.0.0.1:8000", "/?q"),
            ("http://127.0.0.1/#top", "127.0.0.1:80", "127.0.0.1", "/"),
        ]
    )
    func targets(url: String, address: String, authority: String, path: String) throws {
        let target = try LoadTarget(url: url)
        #expect("\(target.address)" == address)
        #expect(target.authority == authority)
        #expect(target.path == path)
    }

    @Test(
        "what is no URL of ours is refused",
        arguments: [
            "", "127.0.0.1", "ftp://127.0.0.1/", "http://", "https://", "http://:80", "http:///a",
            "http://127.0.0.1:99999/",
            "http://127.0.0.1:/",
            "http://a@127.0.0.1/", "http://::1/", "http://127.0.0.1/ a", "http://127.0.0.1/\r\nX: y", "http://[::1",
        ]
    )
    func noTargets(url: String) {
        #expect(throws: LoadTarget.Failure.self) { try LoadTarget(url: url) }
    }
}
