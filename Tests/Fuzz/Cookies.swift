// Cookies: what is taken for one is one, and one that is set comes back as it was and brings no attribute of its own.
import SporkHTTP

func checkCookies(_ input: FuzzInput) {
    var input = input
    var cookie: SetCookie?
    if input.choice(below: 2) == 1 {
        let (name, value) = input.split()
        let token = text(name.filter(\.isInToken))
        if !token.isEmpty { cookie = SetCookie(token, text(value)) }
        cookie?.path = input.choice(below: 2) == 1 ? text(name) : nil
        cookie?.domain = input.choice(below: 2) == 1 ? text(value) : nil
        cookie?.sameSite = input.choice(below: 2) == 1 ? .lax : nil
    }
    checkReceived(text(input.bytes))
    if let cookie { checkSet(cookie) }
}

private func checkReceived(_ field: String) {
    var expected: [String] = []
    for part in Array(field.utf8).split(separator: UInt8(ascii: ";")) {
        let pair = part.withoutBlanks
        let name = pair.prefix { $0 != UInt8(ascii: "=") }
        guard name.count < pair.count, !name.isEmpty, name.allSatisfy(\.isInToken) else { continue }
        var value = Array(pair.dropFirst(name.count + 1))
        if value.count > 1, value.first == 34, value.last == 34 { value = Array(value.dropFirst().dropLast()) }
        guard value.allSatisfy({ $0 > 32 && $0 < 127 && !"\",;\\".utf8.contains($0) }) else { continue }
        expected.append("\(text(name))=\(text(value))")
    }
    let found = Cookies([field]).map { "\($0.name)=\($0.value)" }
    require(found == expected, "\(found), a second reader \(expected)")
    require(Cookies([field, field]).map { "\($0.name)=\($0.value)" } == expected + expected, "two fields")
}

private func checkSet(_ cookie: SetCookie) {
    let parts = cookie.field.utf8.split(separator: UInt8(ascii: ";"), omittingEmptySubsequences: false).map(Array.init)
    let attributes =
        (cookie.path == nil ? 0 : 1) + (cookie.domain == nil ? 0 : 1) + (cookie.sameSite == nil ? 0 : 1) + 1
    require(parts.count == 1 + attributes, "\(cookie.field) has \(parts.count - 1) attributes")
    let back = Array(Cookies([text(parts[0])]))
    require(back.count == 1 && back[0].name == cookie.name, "\(cookie.field) does not come back")
    require(
        percentDecoded(Array(back[0].value.utf8), isStrict: true) == Array(cookie.value.utf8),
        "\(cookie.field) has changed"
    )
    var headers = Headers()
    headers.add("Set-Cookie", cookie.field)
    require(headers["Set-Cookie"]?.utf8.contains { $0.endsLines } == false, "a control character")
}
