// The client and servers that do what servers do when they fail, or are not Spork: each follows a script, connection by connection.
import Glibc
import SporkLoop
import SporkNet
import SporkTasks
import Testing

@testable import SporkHTTP

@Suite struct ClientScriptTests {
    @Test(
        "a connection that the server closes while it is silent is not used; nor is one on which it says something unasked"
    )
    func closedWhileSilent() async {
        await #expect(processExitsWith: .success) {
            try clientProgram {
                let server = try ScriptedServer(
                    { stream in try await stream.answer(hello) },
                    { stream in
                        try await stream.answer(hello)
                        try await stream.say("HTTP/1.1 408 Request Timeout\nContent-Length: 0\n\n")
                        same(try await stream.untilClosed(), [])
                    },
                    { stream in try await stream.answer(hello) }
                )
                let client = HTTPClient()
                for made in 1...3 {
                    same(try await client.get(server.url).body.string(upTo: 5), "hello")
                    while client.statistics.connections > 0 { try await sleep(for: .milliseconds(1)) }
                    same(client.statistics.connectionsMade, made)
                }
            }
        }
    }

    @Test(
        "a request that meets a connection that was closed meanwhile is sent once more, unless that may do something twice"
    )
    func staleConnections() async {
        await #expect(processExitsWith: .success) {
            try clientProgram {
                let closing: ScriptedServer.Scene = { stream in
                    try await stream.answer(hello)
                    _ = try await stream.readHead()
                }
                let resetting: ScriptedServer.Scene = { stream in
                    try await stream.answer(hello)
                    // What was sent is not read: the close becomes a reset.
                    try await stream.waitUntilReadable()
                }
                let server = try ScriptedServer(closing, resetting, closing, { try await $0.answer(hello) })
                let client = HTTPClient()
                @MainActor func get() async throws {
                    same(try await client.get(server.url).body.string(upTo: 5), "hello")
                }
                try await get()
                try await get()
                same(server.accepted, 2)
                try await get()
                same(server.accepted, 3)
                let body = ClientRequest.Body.text("x")
                same(
                    await clientError { _ = try await client.post(server.url, body) },
                    "the server closed the connection without an answer"
                )
                try await get()
                same(server.accepted, 4)
            }
        }
    }

    @Test("it is sent once more only once, and never when a fresh connection fails, or something of an answer has come")
    func noEndlessRepeats() async {
        await #expect(processExitsWith: .success) {
            try clientProgram {
                let server = try ScriptedServer(
                    { stream in
                        try await stream.answer(hello)
                        _ = try await stream.readHead()
                    },
                    { stream in _ = try await stream.readHead() },
                    { stream in
                        try await stream.answer(hello)
                        try await stream.answer("HTTP/1.1 2")
                    },
                    { stream in try await stream.answer(hello) }
                )
                let client = HTTPClient()
                same(try await client.get(server.url).body.string(upTo: 5), "hello")
                same(
                    await clientError { _ = try await client.get(server.url) },
                    "the server closed the connection without an answer"
                )
                same(server.accepted, 2)
                same(try await client.get(server.url).body.string(upTo: 5), "hello")
                same(
                    await clientError { _ = try await client.get(server.url) },
                    "the server closed the connection before the end of its answer"
                )
                same(server.accepted, 3)
            }
        }
    }

    @Test(
        "bodies that end early are errors, those that end with the connection are whole, and neither's connection is used again"
    )
    func endings() async {
        await #expect(processExitsWith: .success) {
            try clientProgram {
                let early = "the server closed the connection before the end of its answer"
                let cases: [(answer: String, body: String?)] = [
                    ("HTTP/1.1 200 OK\nContent-Length: 9\n\nhello", nil),
                    ("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n5\nhello\n", nil),
                    ("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n5\nhello\n0\n", nil),
                    ("HTTP/1.1 200 OK\n\nhello", "hello"),
                    ("HTTP/1.0 200 OK\n\n", ""),
                    ("HTTP/1.1 200 OK\nContent-Length: 5\nConnection: close\n\nhello", "hello"),
                    ("HTTP/1.0 200 OK\nContent-Length: 5\n\nhello", "hello"),
                ]
                for (text, body) in cases {
                    let server = try ScriptedServer({ stream in try await stream.answer(text) })
                    let client = HTTPClient()
                    let response = try await client.get(server.url)
                    if let body {
                        same(try await response.body.string(upTo: 9), body)
                    } else {
                        same(await clientError { _ = try await response.body.bytes(upTo: 9) }, early)
                        same(await clientError { _ = try await response.body.bytes(upTo: 9) }, early)
                    }
                    same(client.statistics.connections, 0)
                }
            }
        }
    }

    @Test("bytes behind an answer belong to none: the connection is not used again")
    func junk() async {
        await #expect(processExitsWith: .success) {
            try clientProgram {
                let server = try ScriptedServer(
                    { stream in
                        try await stream.answer(hello + "HTTP/1.1 200 OK\nContent-Length: 4\n\nevil")
                        _ = try await stream.untilClosed()
                    },
                    { stream in
                        try await stream.answer("HTTP/1.1 204 No Content\nContent-Length: 4\n\nevil")
                        _ = try await stream.untilClosed()
                    },
                    { stream in try await stream.answer(hello) }
                )
                let client = HTTPClient()
                same(try await client.get(server.url).body.string(upTo: 5), "hello")
                same(client.statistics.connections, 0)
                same(try await client.get(server.url).status, .noContent)
                same(client.statistics.connections, 0)
                same(try await client.get(server.url).body.string(upTo: 5), "hello")
            }
        }
    }

    @Test("interim answers are read over; 101 unasked, too many of them, and what is no HTTP are errors")
    func interim() async {
        await #expect(processExitsWith: .success) {
            try clientProgram {
                let hundred = "HTTP/1.1 100 Continue\n\n"
                let server = try ScriptedServer(
                    { try await $0.answer(hundred + "HTTP/1.1 103 Early Hints\nLink: x\n\n" + hello) },
                    { try await $0.answer(String(repeating: hundred, count: 40) + hello) },
                    { try await $0.answer("HTTP/1.1 101 Switching Protocols\nUpgrade: x\n\n") },
                    { try await $0.say("SSH-2.0-x\n") }
                )
                let client = HTTPClient()
                same(try await client.get(server.url).body.string(upTo: 5), "hello")
                while client.statistics.connections > 0 { try await sleep(for: .milliseconds(1)) }
                let bad = "the answer cannot be understood: "
                same(await clientError { _ = try await client.get(server.url) }, bad + "too many interim answers")
                same(await clientError { _ = try await client.get(server.url) }, bad + "the protocol changes unasked")
                same(await clientError { _ = try await client.get(server.url) }, bad + "it is not HTTP/1")
                same(client.statistics.connections, 0)
            }
        }
    }

    @Test("100-continue: the body is sent when the server wants it, or says nothing; not when it answers without")
    func continuing() async {
        await #expect(processExitsWith: .success) {
            try clientProgram {
                @MainActor func asked(_ stream: SocketStream) async throws {
                    #expect(try await stream.readHead().contains("Expect: 100-continue"))
                }
                let server = try ScriptedServer(
                    { stream in
                        try await asked(stream)
                        same(try stream.tryRead(atMost: 9), nil)
                        try await stream.say("HTTP/1.1 100 Continue\n\n")
                        same(try await stream.read(exactly: 5), Array("hello".utf8))
                        try await stream.say(hello)
                    },
                    { stream in
                        try await asked(stream)
                        try await stream.say("HTTP/1.1 417 No\nContent-Length: 0\n\n")
                        same(try await stream.untilClosed(), [])
                    },
                    { stream in
                        try await asked(stream)
                        same(try await stream.read(exactly: 5), Array("hello".utf8))
                        try await stream.say(hello)
                    }
                )
                var settings = HTTPClient.Configuration()
                settings.continueTimeout = .seconds(10)
                var request = try ClientRequest(.put, server.url)
                request.body = .text("hello")
                request.expectsContinue = true
                let client = HTTPClient(settings)
                same(try await client.send(request).body.string(upTo: 5), "hello")
                while client.statistics.connections > 0 { try await sleep(for: .milliseconds(1)) }
                same(try await client.send(request).status, .expectationFailed)
                same(client.statistics.connections, 0)
                settings.continueTimeout = .milliseconds(10)
                same(try await HTTPClient(settings).send(request).body.string(upTo: 5), "hello")
            }
        }
    }

    @Test(
        "a server that says nothing more of a body, or takes nothing of a request, is given up after the time for that"
    )
    func idleBodies() async {
        await #expect(processExitsWith: .success) {
            try clientProgram {
                let server = try ScriptedServer(
                    { stream in
                        try await stream.answer("HTTP/1.1 200 OK\nContent-Length: 9\n\nhello")
                        _ = try await stream.untilClosed()
                    },
                    { stream in
                        _ = try await stream.readHead()
                        try await sleep(for: .seconds(20))
                    }
                )
                var settings = HTTPClient.Configuration()
                settings.bodyTimeout = .milliseconds(1000)
                settings.headTimeout = .milliseconds(1000)
                let client = HTTPClient(settings)
                let response = try await client.get(server.url)
                same(
                    await clientError { _ = try await response.body.bytes(upTo: 9) },
                    "wait for the other side: timed out"
                )
                let long = ClientRequest.Body.bytes([UInt8](repeating: 0, count: 64 << 20))
                same(await clientError { _ = try await client.put(server.url, long) }, "wait for the answer: timed out")
                same(client.statistics.connections, 0)
            }
        }
    }

    @Test("a connection is silent for its time, and no longer; more than are to be kept are closed")
    func idleTime() async {
        await #expect(processExitsWith: .success) {
            try clientProgram {
                let closed = Event()
                let server = try ScriptedServer { stream in
                    try await stream.answer(hello)
                    same(try await stream.untilClosed(), [])
                    closed.set()
                }
                var settings = HTTPClient.Configuration()
                settings.idleTime = .milliseconds(300)
                let client = HTTPClient(settings)
                same(try await client.get(server.url).body.string(upTo: 5), "hello")
                same(client.statistics.idleConnections, 1)
                try await closed.wait()
                same(client.statistics.connections, 0)
            }
        }
    }

    @Test("a client that goes closes its silent connections; an answer that goes unread gives its connection back")
    func lifetimes() async {
        await #expect(processExitsWith: .success) {
            try clientProgram {
                let closed = Event()
                let server = try ScriptedServer { stream in
                    try await stream.answer(hello)
                    same(try await stream.untilClosed(), [])
                    closed.set()
                }
                do {
                    let client = HTTPClient()
                    var response: ClientResponse? = try await client.get(server.url)
                    same(response?.status, .ok)
                    response?.body.drop()
                    response = nil
                    same(client.statistics.idleConnections, 1)
                }
                try await closed.wait()
            }
        }
    }
}
