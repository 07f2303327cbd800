// Parts of a body as handlers read them: one after the other, some of them not, from a server within the test.
import Glibc
import SporkLoop
import SporkNet
import SporkTasks
import Testing

@testable import SporkHTTP

// The lines end as Service.answer writes them.
private func post(_ body: String, type: String = "multipart/form-data; boundary=b") -> String {
    let length = body.utf8.count + body.utf8.count { $0 == UInt8(ascii: "\n") }
    return "POST / HTTP/1.1\nHost: a\nConnection: close\nContent-Type: \(type)\nContent-Length: \(length)\n\n\(body)"
}

private func part(_ disposition: String, _ content: String, _ fields: String = "") -> String {
    "--b\nContent-Disposition: \(disposition)\n\(fields)\n\(content)\n"
}

@Suite struct MultipartBodyTests {
    @Test("parts have names, file names and types, and come in their order; what is not read is passed over")
    func parts() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                router.post("/") { request in
                    var text = ""
                    for try await part in request.body.parts() {
                        text += "\(part.name)|\(part.fileName ?? "-")|\(part.contentType ?? "-")|"
                        text += part.name.hasPrefix("skip") ? "\n" : "\(try await part.string(upTo: 100))\n"
                    }
                    return text
                }
                let service = try Service(router)
                let body =
                    part("form-data; name=\"one\"", "1")
                    + part("form-data; name=skip", String(repeating: "x", count: 3000))
                    + part("form-data; name=\"f\"; filename=\"C:\\dir\\a%22b.txt\"", "2\n3", "Content-Type: text/x\n")
                    + part("form-data; name=\"a%0D%0Ab%22%41\"; filename=\"../../etc/passwd\"", "")
                    + part("form-data; name=\"n\"; filename=\"..\"", "4")
                    + part("form-data; name=\"n\"; filename=\".\u{85}\u{9b}.\u{2028}\"", "5")
                    + part("form-data; name=\"n\"; filename=\"a\\\u{301}b\u{9b}c\"", "6") + "--b--\n"
                let answer = try await service.answer(post(body))
                #expect(
                    answer.hasSuffix(
                        "\r\n\r\none|-|-|1\nskip|-|-|\nf|a\"b.txt|text/x|2\r\n3\na\r\nb\"%41|passwd|-|\nn||-|4\n"
                            + "n||-|5\nn|\u{301}bc|-|6\n"
                    ),
                    "\(answer)"
                )
                exit(0)
            }
        }
    }

    @Test("what cannot be read is refused with the status that is due")
    func refusals() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                router.post("/") { request in
                    var limits = MultipartLimits()
                    limits.parts = 2
                    var count = 0
                    for try await part in request.body.parts(upTo: 1000, limits: limits) {
                        count += try await part.string(upTo: 10).utf8.count
                    }
                    return "\(count)"
                }
                let service = try Service(router)
                let one = part("form-data; name=a", "1")
                for (request, status) in [
                    (post(one + "--b--"), "200"), (post(one), "400"), (post(one + "--b"), "400"), (post(""), "400"),
                    (post(one + "--b--", type: "multipart/form-data"), "400"),
                    (post(one + "--b--", type: "multipart/form-data; boundary=\"\""), "400"),
                    (post(one + "--b--", type: "multipart/form-data; boundary=b; boundary=c"), "415"),
                    (post(one + "--b--", type: "multipart/mixed; boundary=b"), "415"),
                    (
                        post(
                            one + "--b--",
                            type: "multipart/form-data; boundary=b\nContent-Type: multipart/form-data; boundary=c"
                        ), "415"
                    ),
                    (
                        post(
                            part(
                                "form-data; name=a",
                                "MQ==",
                                "Content-Transfer-Encoding: 8bit\nContent-Transfer-Encoding: base64\n"
                            ) + "--b--"
                        ), "415"
                    ),
                    (post(part("form-data; name=a" + (0..<32).map { ";a\($0)=" }.joined(), "1") + "--b--"), "400"),
                    (post(one + "--b--", type: "text/plain"), "415"),
                    (post(part("form-data", "1") + "--b--"), "400"), (post("--b\n\n1\n--b--"), "400"),
                    (post(part("attachment; name=a", "1") + "--b--"), "400"),
                    (post(part("form-data; name=a; name=b", "1") + "--b--"), "400"),
                    (post(part("form-data; name=a", "1", "Content-Disposition: form-data; name=b\n") + "--b--"), "400"),
                    (post(part("form-data; name=a", "MQ==", "Content-Transfer-Encoding: base64\n") + "--b--"), "415"),
                    (post(part("form-data; name=a", "1", "Content-Transfer-Encoding: 8BIT\n") + "--b--"), "200"),
                    (post(part("form-data; name=a", "12345678901") + "--b--"), "413"),
                    (post(one + one + one + "--b--"), "413"),
                    (post(part("form-data; name=a", String(repeating: "x", count: 1000)) + "--b--"), "413"),
                ] {
                    #expect(try await service.answer(request).status == status, "\(request)")
                }
                exit(0)
            }
        }
    }

    @Test("parts come while they are sent, byte by byte; one that is passed cannot be read any more")
    func streaming() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                let begun = Event()
                var pieces = 0
                var late = ""
                router.post("/") { request in
                    var first: MultipartPart?
                    var text = ""
                    for try await part in request.body.parts() {
                        begun.set()
                        for try await piece in part {
                            pieces += 1
                            text += String(decoding: piece, as: UTF8.self)
                        }
                        #expect(try await part.bytes(upTo: 1).isEmpty, "it has ended")
                        if let first { do { _ = try await first.bytes(upTo: 1) } catch { late = "\(error)" } }
                        first = part
                    }
                    return text
                }
                let service = try Service(router)
                let client = try await SocketStream.connect(to: service.listener.address)
                let bytes = Array(
                    post(part("form-data; name=a", "one") + part("form-data; name=b", "two") + "--b--")
                        .replacingLineEnds().utf8
                )
                let content = bytes.count - 20
                try await client.write(bytes[..<content])
                // Before the end is sent.
                try await begun.wait()
                for byte in bytes[content...] { try await client.write([byte]); await EventLoop.stepBack() }
                #expect(try await client.readToEnd().hasSuffix("onetwo"))
                #expect(pieces >= 2 && late == "passedOver")
                exit(0)
            }
        }
    }
}
