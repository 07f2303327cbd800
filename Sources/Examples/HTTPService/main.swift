// A service over HTTP with a page, a form, and what a test of a server needs: bodies that come back, answers that take their time or come
// in pieces, a handler that blocks its worker and one that brings it down.
//
//     swift run example-http --bind 127.0.0.1:8000 --workers 2
//     curl http://127.0.0.1:8000/hello
import Spork

try Server.main { worker in
    var visits = 0
    let router = Router()

    router.get("/") { _ in Response(html: page("<p>This is worker \(worker.slot).</p>")) }

    router.post("/") { request in
        let form = try await request.body.form(upTo: 64 * 1024)
        let name = form["name"] ?? "nobody"
        return Response(html: page("<p>Hello, \(name.escapedForHTML)!</p>"))
    }

    router.get("/hello") { _ in
        visits += 1
        return "Hello, world!"
    }

    router.get("/hello/{name}") { request in
        visits += 1
        return "Hello, \(request["name"])! Visit \(visits) to worker \(worker.slot).\n"
    }

    // Whatever was sent comes back while it comes in, however long it is.
    router.on([.get, .post, .put, .delete, .patch], "/echo") { request in
        let type = request.headers["Content-Type"] ?? "application/octet-stream"
        return Response.stream(type: type, length: request.body.length) { answer in
            for try await piece in request.body { try await answer.write(piece) }
        }
    }

    router.get("/sleep") { request in
        let milliseconds = try number("ms", of: request)
        try await sleep(for: .milliseconds(milliseconds))
        return "slept \(milliseconds) ms\n"
    }

    router.get("/stream") { request in
        let (chunks, bytes) = (try number("chunks", of: request), try number("bytes", of: request))
        let piece = [UInt8](repeating: UInt8(ascii: "x"), count: bytes)
        return Response.stream(type: "text/plain") { answer in
            for _ in 0..<chunks { try await answer.write(piece) }
        }
    }

    router.get("/headers") { request in
        var text = "\(request.methodName) \(request.target)\n"
        for (name, value) in request.headers { text += "\(name): \(value)\n" }
        return text
    }

    // Holds the loop for two seconds, and with it everybody whom this worker serves.
    router.get("/spin") { _ in
        let start = ContinuousClock.now
        while ContinuousClock.now - start < .seconds(2) {}
        return "spun\n"
    }

    router.get("/crash") { _ -> String in fatalError("somebody has asked for it") }
    return router
}

/// A number from the query, between nothing and a million.
func number(_ name: String, of request: Request) throws -> Int {
    let text = request.query[name] ?? ""
    guard let number = Int(text), (0...1_000_000).contains(number) else {
        throw HTTPError(.badRequest, "\(name) has to be a number up to a million")
    }
    return number
}

func page(_ content: String) -> String {
    """
    <!doctype html>
    <html lang="en">
    <meta charset="utf-8">
    <title>Spork</title>
    <h1>Spork</h1>
    \(content)
    <form method="post"><label>Your name <input name="name"></label> <button>Greet</button></form>
    </html>

    """
}
