// URLs that a client asks for: nothing in them ends a line or a part of one, and written they are read as the same.
import SporkHTTP

func checkURLs(_ input: FuzzInput) {
    let given = text(input.bytes)
    guard let url = HTTPURL(given) else { return }
    let delimiters = Array("/?#@\\".utf8)
    require(
        !url.host.isEmpty && url.host.utf8.allSatisfy { (33...126).contains($0) && !delimiters.contains($0) },
        "the host of \(given)"
    )
    require(url.port > 0, "the port of \(given)")
    require(
        url.target.utf8.first == UInt8(ascii: "/")
            && url.target.utf8.allSatisfy { (33...126).contains($0) && $0 != UInt8(ascii: "#") },
        "the target of \(given)"
    )
    require(HTTPURL(url.description) == url, "\(url) is something else than \(given)")
    // What a second reader takes for host and target.
    let bytes = Array(given.utf8)
    let rest = bytes.drop { $0 != UInt8(ascii: ":") }
    require(rest.starts(with: "://".utf8), "\(given) has no authority")
    let authority = rest.dropFirst(3).prefix { !"/?#".utf8.contains($0) }
    let isBracketed = authority.first == UInt8(ascii: "[")
    let host =
        isBracketed
        ? authority.dropFirst().prefix { $0 != UInt8(ascii: "]") } : authority.prefix { $0 != UInt8(ascii: ":") }
    require(Array(url.host.utf8) == host.small, "\(url.host) is not the host of \(given)")
    require(isBracketed == url.host.utf8.contains(UInt8(ascii: ":")), "an address without brackets")
    var target = rest.dropFirst(3 + authority.count).prefix { $0 != UInt8(ascii: "#") }
        .flatMap { $0 < 128 ? [$0] : Array("%\(String($0, radix: 16, uppercase: true))".utf8) }
    if target.first != UInt8(ascii: "/") { target.insert(UInt8(ascii: "/"), at: 0) }
    require(Array(url.target.utf8) == target, "\(url.target) is not the target of \(given)")
    let digits = authority.dropFirst(isBracketed ? host.count + 2 : host.count).dropFirst()
    let port = digits.isEmpty ? (url.isSecure ? 443 : 80) : Int(text(digits))
    require(Int(url.port) == port, "\(url.port) is not the port of \(given)")
}
