// Routes as values: patterns, paths in segments, and which of many routes a path finds.
import SporkHTTP
import Testing

private func split(_ path: String) -> (PathSegments, PathSegments.Outcome) {
    var segments = PathSegments()
    let outcome = Array(path.utf8).withUnsafeBytes { segments.split($0) }
    return (segments, outcome)
}

/// The pattern that a path finds, with what its parameters are; nil for none.
private func find(_ path: String, in patterns: [String], _ method: HTTPMethod = .get) throws -> String? {
    let routes = try patterns.map { (try RoutePattern($0), HTTPMethod.get) }
    let tree = try RouteTree(routes)
    let (segments, outcome) = split(path)
    try #require(outcome == .split)
    guard let place = tree.find(segments), let route = tree.route(at: place, for: method) else { return nil }
    let values = routes[route].0.parameters.map { parameter in
        "\(parameter.name)=\(parameter.isRest ? segments.rest(from: parameter.segment) : segments[parameter.segment])"
    }
    return ([patterns[route]] + values).joined(separator: " ")
}

@Suite struct RouteTreeTests {
    @Test(
        "patterns that are none",
        arguments: [
            ("", RoutePattern.Mistake.noSlash), ("a", .noSlash), ("/{}", .emptyName), ("/{*}", .emptyName),
            ("/{a}/{a}", .repeatedName("a")), ("/{a*}/b", .restBeforeEnd), ("/a{b}", .bracesWithinSegment),
            ("/{a}b", .bracesWithinSegment), ("/{{a}}", .bracesWithinSegment), ("/}", .bracesWithinSegment),
        ]
    )
    func mistakes(pattern: String, mistake: RoutePattern.Mistake) {
        #expect(throws: mistake) { try RoutePattern(pattern) }
    }

    @Test(
        "which route a path finds",
        arguments: [
            ("/", "/"), ("/users", "/users"), ("/users/", nil), ("/users//", nil), ("/users/7", "/users/{id} id=7"),
            ("/users/me", "/users/me"), ("/users/me/posts", "/users/{id}/posts id=me"),
            ("/users/me/settings", "/users/me/settings"), ("/users/7/settings", nil), ("/nothing", nil),
            ("/users/7/posts/9", "/users/{id}/posts/{post} id=7 post=9"), ("/files", nil),
            ("/files/", "/files/{path*} path="),
            ("/files/a/b", "/files/{path*} path=a/b"), ("/files/index", "/files/index"),
            ("/files/index/x", "/files/{path*} path=index/x"), ("/files/a%2Fb/c%20d", "/files/{path*} path=a/b/c d"),
            ("/users/a%2Fb", "/users/{id} id=a/b"), ("/%75sers", "/users"), ("/users/%C3%BC", "/users/{id} id=ü"),
            ("/a/../users", "/users"), ("/./users", "/users"), ("/users/.", nil), ("/users/x/..", nil),
            ("/files/a/../b", "/files/{path*} path=b"), ("/files/a/..", "/files/{path*} path="), ("/USERS", nil),
        ] as [(String, String?)]
    )
    func finds(path: String, expected: String?) throws {
        let patterns = [
            "/files/{path*}", "/users/{id}/posts/{post}", "/users/{id}/posts", "/users/{id}", "/users/me/settings",
            "/users/me", "/users", "/", "/files/index",
        ]
        #expect(try find(path, in: patterns) == expected)
        #expect(try find(path, in: patterns.reversed()) == expected)
    }

    @Test("the segment where routes differ first decides, and no choice is a dead end")
    func precedence() throws {
        let patterns = ["/{a}/x/c", "/a/{b}/d", "/{rest*}"]
        #expect(try find("/a/x/d", in: patterns) == "/a/{b}/d b=x")
        #expect(try find("/a/x/c", in: patterns) == "/{a}/x/c a=a")
        #expect(try find("/a/x/e", in: patterns) == "/{rest*} rest=a/x/e")
        #expect(try find("/a/x/c", in: ["/a/{b}/c", "/{a}/x/c"]) == "/a/{b}/c b=x")
    }

    @Test("methods: a more specific route without the method leaves it to a less specific one")
    func methods() throws {
        let routes: [(RoutePattern, HTTPMethod)] = [
            (try RoutePattern("/users/me"), .get), (try RoutePattern("/users/{id}"), .post),
            (try RoutePattern("/users/{id}"), .get),
        ]
        let tree = try RouteTree(routes)
        let place = try #require(tree.find(split("/users/me").0))
        #expect(tree.route(at: place, for: .get) == 0)
        #expect(tree.route(at: place, for: .post) == 1)
        #expect(tree.route(at: place, for: .put) == nil)
        #expect(tree.methods(at: place) == [.get, .post])
    }

    @Test("two routes for the same are a mistake, whatever their parameters are called")
    func conflicts() throws {
        let routes = [(try RoutePattern("/a/{b}"), HTTPMethod.get), (try RoutePattern("/a/{c}"), HTTPMethod.get)]
        #expect(throws: RouteTree.Conflict(first: 0, second: 1)) { try RouteTree(routes) }
    }

    @Test("ten thousand routes: each path finds its own")
    func many() throws {
        let patterns = (0..<10_000).map { "/group\($0 % 100)/item\($0)/{id}" }
        let tree = try RouteTree(patterns.map { (try RoutePattern($0), .get) })
        for number in stride(from: 0, to: 10_000, by: 7) {
            let place = try #require(tree.find(split("/group\(number % 100)/item\(number)/x").0))
            #expect(tree.route(at: place, for: .get) == number)
            #expect(tree.find(split("/group\((number + 1) % 100)/item\(number)/x").0) == nil)
        }
    }

    @Test("paths that are refused")
    func refusedPaths() {
        for path in ["/%", "/%4", "/%zz", "/%00", "/a\u{0}", "/%ff", "/%c0%af", "/%ed%a0%80"] {
            #expect(split(path).1 == .malformed, "\(path)")
        }
        for path in ["/..", "/a/../..", "/%2e%2e/a", "/.%2E"] { #expect(split(path).1 == .escapesRoot, "\(path)") }
        #expect(split("").0.path == "/")
        #expect(split("/a//b/").0.path == "/a//b/")
        #expect(split("/a//b/").0.count == 4)
    }
}
