import Testing

// What programs put into answers and take from requests: fields, cookies, forms, events.
@testable import SporkHTTP

@Suite struct FieldTests {
    @Test("fields: names in any case, several of them, replaced and removed, nothing smuggled in")
    func headers() {
        var headers = Headers()
        headers["Content-Type"] = "text/plain"
        headers.add("X-One", "1")
        headers.add("x-one", "2")
        #expect(headers["content-type"] == "text/plain")
        #expect(headers.values("X-ONE") == ["1", "2"])
        headers["X-One"] = "3\r\nSet-Cookie: a=b\0"
        #expect(headers.values("x-one") == ["3  Set-Cookie: a=b "])
        headers["CONTENT-TYPE"] = nil
        #expect(headers.map(\.name) == ["X-One"])
    }

    @Test(
        "cookies, and what are none",
        arguments: [
            ("a=b", ["a=b"]), ("a=b; c=d", ["a=b", "c=d"]), ("a=b;c=d", ["a=b", "c=d"]), ("a=\"b\"", ["a=b"]),
            ("a=", ["a="]), ("=b", []), ("a", []), ("", []), (";;", []), ("a b=c; d=e", ["d=e"]),
            ("a=b c; d=e", ["d=e"]),
            ("a=b,c; d=e", ["d=e"]), ("a=\"b; d=e", ["d=e"]), ("a=b=c", ["a=b=c"]), ("a=\u{e4}; d=e", ["d=e"]),
            ("a=b\\; d=e", ["d=e"]), (" \ta=b \t; c=d", ["a=b", "c=d"]), ("a=1; a=2", ["a=1", "a=2"]),
        ]
    )
    func cookies(field: String, expected: [String]) {
        #expect(Cookies([field]).map { "\($0.name)=\($0.value)" } == expected)
    }

    @Test("cookies to be set")
    func setCookie() {
        var cookie = SetCookie("session", "a b;c%")
        #expect(cookie.field == "session=a%20b%3Bc%25; Path=/; HttpOnly; SameSite=Lax")
        cookie.maxAge = .seconds(60)
        cookie.domain = "a.example; Secure"
        cookie.sameSite = SetCookie.SameSite.none
        cookie.isHTTPOnly = false
        #expect(
            cookie.field
                == "session=a%20b%3Bc%25; Path=/; Domain=a.example Secure; Max-Age=60; Secure; SameSite=None"
        )
    }

    @Test("no attribute can be smuggled into a cookie, not by a semicolon with an accent either")
    func setCookieAttributes() {
        var cookie = SetCookie("a", "b")
        cookie.path = "/;\u{35F}HttpOnly;\u{301}"
        cookie.domain = "a;\u{35F}"
        cookie.isHTTPOnly = false
        cookie.sameSite = nil
        #expect(cookie.field.utf8.filter { $0 == UInt8(ascii: ";") }.count == 2)
    }

    @Test("forms: pluses, percent signs, repeated and empty names, what is not UTF-8")
    func forms() {
        let form = FormValues(Array("a=1&b=x+y%20z&a=2&c&=d&e=%zz%4&%66=%C3%BC&&g==".utf8))
        #expect(form["a"] == "1")
        #expect(form.values("a") == ["1", "2"])
        #expect(form["b"] == "x y z")
        #expect(form["c"] == "")
        #expect(form[""] == "d")
        #expect(form["e"] == "%zz%4")
        #expect(form["f"] == "ü")
        #expect(form["g"] == "=")
        #expect(form["h"] == nil)
        #expect(FormValues(Array("a=%ff".utf8))["a"] == "\u{fffd}")
    }

    @Test("events: lines of every kind, no field can be smuggled in")
    func events() {
        let text = EventWriter.text("one\ntwo\r\nthree\rfour", event: "a\nb", id: "1\r\0", retry: .seconds(2))
        #expect(text == "event: ab\nid: 1\nretry: 2000\ndata: one\ndata: two\ndata: three\ndata: four\n\n")
        #expect(EventWriter.text("", event: nil, id: nil, retry: nil) == "data: \n\n")
    }

    @Test("what a client accepts is read by bytes: an accent behind a delimiter hides nothing")
    func accepted() {
        let types = ["text/html", "application/json"]
        #expect(AcceptedTypes("text/html;q=0.2, application/json;q=0.5").best(of: types) == "application/json")
        #expect(AcceptedTypes("text/html;\u{35F}x=y").best(of: types) == "text/html")
        #expect(AcceptedTypes("text/*\u{37E}q=0").best(of: types) == nil)
    }

    @Test("redirects cannot carry a line end")
    func redirect() {
        #expect(
            Response.redirect(to: "/a b\r\nSet-Cookie: c?d=\u{e4}").headers["Location"]
                == "/a%20b%0D%0ASet-Cookie:%20c?d=%C3%A4"
        )
    }
}
