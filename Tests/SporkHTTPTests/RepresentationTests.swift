// What decides about the answer for one thing in several forms and states: ranges, conditions, names for downloads, types that a client accepts.
import Glibc
import SporkLoop
import SporkNet
import Testing

@testable import SporkHTTP

private func range(_ text: String, size: Int) -> ByteRange {
    Array(text.utf8).withUnsafeBytes { ByteRange($0, size: size) }
}

private func outcome(
    _ lines: String,
    _ method: String = "GET",
    exists: Bool = true,
    tag: String? = "\"a\"",
    isWeak: Bool = false,
    modified: Int? = 784_111_777
) -> Preconditions.Outcome {
    let head = RequestHead()
    var parser = RequestParser()
    let text = "\(method) / HTTP/1.1\r\nHost: a\r\n\(lines)\r\n"
    _ = Array(text.utf8).withUnsafeBytes { parser.advance(over: $0, into: head) }
    func evaluate(_ tag: UnsafeRawBufferPointer?) -> Preconditions.Outcome {
        Preconditions.evaluate(
            head,
            exists: exists,
            entityTag: tag,
            isWeak: isWeak,
            modified: modified,
            now: 1_790_000_000
        )
    }
    return tag.map { Array($0.utf8).withUnsafeBytes { evaluate($0) } } ?? evaluate(nil)
}

@Suite struct RepresentationTests {
    @Test(
        "several ranges of ten bytes: in their order, those put together that overlap or touch",
        arguments: [
            ("bytes=0-1,3-4", ByteRange.several([0..<2, 3..<5])), ("bytes=3-4, 0-1", .several([3..<5, 0..<2])),
            ("bytes=0-0,-1", .several([0..<1, 9..<10])), ("bytes=0-1,,3-4,", .several([0..<2, 3..<5])),
            ("bytes=0-1,20-30", .partial(0..<2)), ("bytes=20-,3-4", .partial(3..<5)),
            ("bytes=0-1,20-30,5-5", .several([0..<2, 5..<6])), ("bytes=20-,30-40", .unsatisfiable),
            ("bytes=0-1,2-3", .partial(0..<4)), ("bytes=2-3,0-1", .partial(0..<4)), ("bytes=0-2,1-3", .partial(0..<4)),
            ("bytes=0-0,4-4,1-3", .partial(0..<5)), ("bytes=6-6,0-0,1-1", .several([6..<7, 0..<2])),
            ("bytes=0-0,8-8,0-0", .several([0..<1, 8..<9])),
            // As much as all of it, and more.
            ("bytes=0-4,5-9", .partial(0..<10)), ("bytes=0-4,4-9", .whole), ("bytes=0-,0-", .whole),
            ("bytes=0-,-1", .whole),
            // One that is none.
            ("bytes=0-1,a-b", .whole), ("bytes=0-1,4-3", .whole), ("bytes=x,0-1", .whole), ("bytes=0-1;3-4", .whole),
        ]
    )
    func severalRanges(value: String, expected: ByteRange) { #expect(range(value, size: 10) == expected) }

    @Test("up to sixteen ranges, none of them two times")
    func mostRanges() {
        let all = (0..<17).map { "\(10 * $0)-\(10 * $0)" }
        #expect(
            range("bytes=\(all.prefix(16).joined(separator: ","))", size: 1000)
                == .several((0..<16).map { 10 * $0..<10 * $0 + 1 })
        )
        #expect(range("bytes=\(all.joined(separator: ","))", size: 1000) == .whole)
        // However long the whole is.
        #expect(range("bytes=0-,0-", size: .max) == .whole)
        // Those that lie behind the end count, too.
        #expect(range("bytes=\(Array(repeating: "5000-", count: 17).joined(separator: ","))", size: 1000) == .whole)
        var random = SeededRandom(seed: 14)
        for _ in 0..<2000 {
            let wanted = (0..<Int.random(in: 1...16, using: &random)).map { _ in
                let start = Int.random(in: 0..<1000, using: &random)
                return start...Int.random(in: start...min(999, start + 60), using: &random)
            }
            let text = wanted.map { "\($0.lowerBound)-\($0.upperBound)" }.joined(separator: ",")
            let bytes = Set(wanted.flatMap { $0 })
            let total = wanted.reduce(0) { $0 + $1.count }
            switch range("bytes=\(text)", size: 1000) {
            case .whole: #expect(total > 1000)
            case .partial(let one): #expect(Set(one) == bytes)
            case .several(let several):
                #expect(several.count > 1 && Set(several.flatMap { $0 }) == bytes)
                #expect(several.reduce(0) { $0 + $1.count } == bytes.count)
            case .unsatisfiable: Issue.record("all of them lie within: \(text)")
            }
        }
    }

    @Test("conditions of requests that change something, and of things without a tag, a date, or at all")
    func conditions() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT", before = "Sun, 06 Nov 1994 08:49:36 GMT"
        #expect(outcome("If-None-Match: \"a\"\r\n", "PUT") == .failed)
        #expect(outcome("If-None-Match: *\r\n", "PUT") == .failed)
        #expect(outcome("If-None-Match: *\r\n", "PUT", exists: false, tag: nil) == .proceed(range: true))
        #expect(outcome("If-None-Match: \"b\"\r\n", "DELETE") == .proceed(range: true))
        #expect(outcome("If-None-Match: \"a\"\r\n", "HEAD") == .notModified)
        #expect(outcome("If-Match: *\r\n", "PUT", exists: false, tag: nil) == .failed)
        #expect(outcome("If-Match: \"a\"\r\n", "PUT") == .proceed(range: true))
        #expect(outcome("If-Match: *\r\n", "PUT", tag: nil) == .proceed(range: true))
        #expect(outcome("If-Match: \"a\"\r\n", "PUT", tag: nil) == .failed)
        #expect(outcome("If-Modified-Since: \(date)\r\n", "PUT") == .proceed(range: true))
        #expect(outcome("If-Modified-Since: \(date)\r\n", modified: nil) == .proceed(range: true))
        #expect(outcome("If-Unmodified-Since: \(before)\r\n", "PUT") == .failed)
        #expect(outcome("If-Unmodified-Since: \(before)\r\n", "PUT", modified: nil) == .proceed(range: true))
        // A weak tag says that the meaning is the same, not that the bytes are.
        #expect(outcome("If-None-Match: W/\"a\"\r\n", isWeak: true) == .notModified)
        #expect(outcome("If-None-Match: \"a\"\r\n", isWeak: true) == .notModified)
        #expect(outcome("If-Match: W/\"a\"\r\n", "PUT", isWeak: true) == .failed)
        #expect(outcome("If-Match: \"a\"\r\n", "PUT", isWeak: true) == .failed)
        #expect(outcome("If-Range: \"a\"\r\n", isWeak: true) == .proceed(range: false))
        #expect(outcome("If-Range: W/\"a\"\r\n", isWeak: true) == .proceed(range: false))
        #expect(outcome("If-Range: \(date)\r\n", modified: nil) == .proceed(range: false))
    }

    @Test("entity tags are fit for a field, whatever they are made of")
    func entityTags() {
        #expect("\(EntityTag("v1"))" == "\"v1\"")
        #expect("\(EntityTag("v1", isWeak: true))" == "W/\"v1\"")
        #expect("\(EntityTag("a\"b c\r\nd\u{e4}%"))" == "\"a%22b%20c%0D%0Ad%C3%A4%25\"")
    }

    @Test("handlers answer 304 and 412 for what they make themselves")
    func handlers() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                var runs = 0
                let state = Validators(entityTag: EntityTag("v 1"), modified: 784_111_777)
                for method in [HTTPMethod.get, .put] {
                    router.on(method, "/") { request in
                        if let answer = request.conditionalAnswer(for: state) { return answer }
                        runs += 1
                        var response = Response(text: "made")
                        response.setValidators(state)
                        return response
                    }
                }
                router.put("/new") { request in request.conditionalAnswer(for: nil) ?? Response(.created) }
                router.get("/future") { request in
                    let future = Validators(modified: 1 << 40)
                    var response = request.conditionalAnswer(for: future) ?? Response(text: "")
                    response.setValidators(future)
                    return response
                }
                let service = try Service(router)
                let whole = try await service.answer(get("/"))
                #expect(whole.has("ETag: \"v%201\"") && whole.has("Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT"))
                let short = try await service.answer(get("/", "If-None-Match: \"v%201\"\n"))
                #expect(short.status == "304" && short.has("ETag: \"v%201\"") && !short.contains("Content-"))
                #expect(try await service.answer(get("/", "If-Match: \"other\"\n")).status == "412")
                func put(_ path: String, _ field: String) -> String {
                    "PUT \(path) HTTP/1.1\nHost: a\nConnection: close\n\(field)\nContent-Length: 0\n\n"
                }
                #expect(try await service.answer(put("/", "If-None-Match: *")).status == "412")
                #expect(try await service.answer(put("/", "If-Match: \"v%201\"")).status == "200")
                #expect(try await service.answer(put("/new", "If-None-Match: *")).status == "201")
                #expect(try await service.answer(put("/new", "If-Match: *")).status == "412")
                #expect(runs == 2)
                #expect(!(try await service.answer(get("/future"))).contains("36812"))
                exit(0)
            }
        }
    }

    @Test(
        "names for downloads",
        arguments: [
            ("a.txt", "attachment; filename=\"a.txt\""), ("a b;c.txt", "attachment; filename=\"a b;c.txt\""),
            ("", "attachment"),
            ("a\"b", "attachment; filename=\"a_b\"; filename*=UTF-8''a%22b"),
            ("50%.txt", "attachment; filename=\"50_.txt\"; filename*=UTF-8''50%25.txt"),
            (
                "na\u{ef}ve \u{20ac}.txt",
                "attachment; filename=\"na_ve _.txt\"; filename*=UTF-8''na%C3%AFve%20%E2%82%AC.txt"
            ),
            ("../a\\b\r\nSet-Cookie: c", "attachment; filename=\".._a_b__Set-Cookie: c\""),
            ("a'(b)*", "attachment; filename=\"a'(b)*\""),
            ("\u{e4}'(b)*!", "attachment; filename=\"_'(b)*!\"; filename*=UTF-8''%C3%A4%27%28b%29%2A!"),
            ("\u{85}", "attachment; filename=\"_\""), ("\u{2028}\u{2029}", "attachment; filename=\"__\""),
        ]
    )
    func downloads(name: String, expected: String) {
        #expect(ContentDisposition.attachment(named: name) == expected)
        #expect(ContentDisposition.inline(named: name) == "inline" + expected.dropFirst(10))
    }

    @Test(
        "the type that a client likes best of JSON, HTML and plain text",
        arguments: [
            ("", nil), ("*/*", "application/json"), ("text/html", "text/html"), ("text/*", "text/html"),
            ("text/plain, text/html", "text/html"), ("text/plain;q=1, text/html;q=0.9", "text/plain"),
            ("text/*;q=0.5, text/plain", "text/plain"), ("TEXT/HTML", "text/html"), ("image/png", nil),
            ("*/*;q=0.1, application/json;q=0", "text/html"), ("text/html;q=0, */*;q=0.001", "application/json"),
            ("text/html;q=0", nil), ("text/plain ; Q=0.5 , text/html ; q=0.4", "text/plain"),
            ("text/html;level=1;q=0.3, text/plain;q=0.2", "text/html"),
            // The most specific counts, not the best.
            ("*/*, text/*;q=0.1, application/*;q=0.2", "application/json"),
            // What is malformed is left out.
            ("text/html;q=2, text/plain;q=0.1", "text/plain"), ("text/html;q=0.1234, text/plain;q=0.1", "text/plain"),
            ("text/html;q=, text/plain;q=0.1", "text/plain"), ("text, /html, text/, a/b/c, text/plain", "text/plain"),
            ("text/html;q=1.001, text/plain;q=.5", nil), ("*/html", nil), (",,", nil), ("te\"xt/html", nil),
        ] as [(String, String?)]
    )
    func negotiation(accept: String, expected: String?) {
        let types = ["application/json", "text/html; charset=utf-8", "text/plain"]
        let best = AcceptedTypes(accept).best(of: types)
        #expect(best.map { String($0.prefix { $0 != ";" }) } == expected)
    }

    @Test("without Accept the first type is as good as any; several of them are one list")
    func negotiationOfRequests() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let router = Router()
                router.get("/") { request in
                    guard let type = request.preferredType(of: ["application/json", "text/html"]) else {
                        throw HTTPError(.notAcceptable)
                    }
                    return type
                }
                let service = try Service(router)
                #expect(try await service.answer(get("/")).hasSuffix("\r\n\r\napplication/json"))
                #expect(
                    try await service.answer(get("/", "Accept: text/html;q=0.5\nAccept: application/json;q=0.4\n"))
                        .hasSuffix("\r\n\r\ntext/html")
                )
                #expect(try await service.answer(get("/", "Accept: image/png\n")).status == "406")
                exit(0)
            }
        }
    }

    @Test("buckets fill as time passes, and never beyond what they hold")
    func buckets() {
        var buckets = TokenBuckets(capacity: 2, per: 10)
        #expect(buckets.take("a", at: 0) == nil && buckets.take("a", at: 0) == nil)
        #expect(buckets.take("a", at: 0) == 5)
        #expect(buckets.take("b", at: 0) == nil)
        #expect(abs((buckets.take("a", at: 4) ?? 0) - 1) < 1e-9)
        #expect(buckets.take("a", at: 5) == nil)
        #expect(buckets.take("a", at: 1000) == nil && buckets.take("a", at: 1000) == nil)
        #expect(buckets.take("a", at: 1000) == 5)
    }

    @Test("names whose buckets are full again are forgotten, all of them where none is: memory is bounded")
    func forgetting() {
        var buckets = TokenBuckets(capacity: 1, per: 10)
        for number in 0..<TokenBuckets.mostNames {
            #expect(buckets.take("\(number)", at: Double(number) / 10_000) == nil)
        }
        #expect(buckets.count == TokenBuckets.mostNames)
        // A name that is known is looked up as ever.
        #expect(buckets.take("99999", at: 10) != nil)
        #expect(buckets.count == TokenBuckets.mostNames)
        // At 15 seconds those from before the fifth are full again: half of them.
        #expect(buckets.take("new", at: 15) == nil)
        #expect(abs(buckets.count - TokenBuckets.mostNames / 2) < 10)
        #expect(buckets.take("99999", at: 15) != nil, "who has taken lately is not forgotten")
        for number in 0..<TokenBuckets.mostNames { _ = buckets.take("other \(number)", at: 15) }
        #expect(buckets.count <= TokenBuckets.mostNames)
    }
}
