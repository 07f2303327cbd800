// The head of a request as a second reader sees it: nothing but splitting and comparing, written from RFC 9112 without a look at
// RequestParser, slow, for whole heads only.
import Glibc
import SporkHTTP

/// A head that a strict reader accepts.
nonisolated struct ReferenceHead {
    var method: [UInt8] = []
    var target: [UInt8] = []
    var isOld = false
    var fields: [(name: [UInt8], value: [UInt8])] = []
    var length = 0
    var contentLength: Int?
    var isChunked = false
    var keepsAlive = true

    /// Nil when the bytes do not begin with a whole head that may be answered.
    init?(_ bytes: ArraySlice<UInt8>, _ limits: RequestLimits) {
        var rest = bytes
        var emptyLines = 0
        func line() -> [UInt8]? {
            guard let end = rest.firstIndex(of: 10), end > rest.startIndex, rest[end - 1] == 13 else { return nil }
            defer { rest = rest[(end + 1)...] }
            return Array(rest[rest.startIndex..<(end - 1)])
        }
        var first = line()
        while first == [] {
            emptyLines += 1
            if emptyLines > limits.emptyLines { return nil }
            first = line()
        }
        guard let first, first.count <= limits.requestLine, takeRequestLine(first) else { return nil }
        while true {
            guard let next = line(), next.count <= limits.field, rest.startIndex - bytes.startIndex <= limits.head
            else {
                return nil
            }
            if next.isEmpty { break }
            guard fields.count < limits.fieldCount, takeField(next) else { return nil }
        }
        length = rest.startIndex - bytes.startIndex
        guard takeMeaning() else { return nil }
    }

    private mutating func takeRequestLine(_ line: [UInt8]) -> Bool {
        let words = line.split(separator: 32, omittingEmptySubsequences: false).map(Array.init)
        guard words.count == 3, !words[0].isEmpty, words[0].allSatisfy(\.isInToken), !words[1].isEmpty else {
            return false
        }
        guard words[1].allSatisfy({ $0 > 32 && $0 != 127 && $0 != UInt8(ascii: "#") }) else { return false }
        (method, target) = (words[0], words[1])
        let version = words[2]
        guard version.count == 8, version.starts(with: "HTTP/1.".utf8), (48...57).contains(version[7]) else {
            return false
        }
        isOld = version[7] == 48
        if method == Array("CONNECT".utf8) { return Self.isAuthority(target, needsPort: true) }
        if target[0] == UInt8(ascii: "/") { return true }
        if target == [UInt8(ascii: "*")] { return method == Array("OPTIONS".utf8) }
        for scheme in ["http://", "https://"] where target.small.starts(with: scheme.utf8) {
            let authority = target.dropFirst(scheme.utf8.count).prefix {
                $0 != UInt8(ascii: "/") && $0 != UInt8(ascii: "?")
            }
            return !authority.isEmpty && Self.isAuthority(Array(authority), needsPort: false)
        }
        return false
    }

    private mutating func takeField(_ line: [UInt8]) -> Bool {
        let name = line.prefix { $0 != UInt8(ascii: ":") }
        guard name.count < line.count, !name.isEmpty, name.allSatisfy(\.isInToken) else { return false }
        let value = line.dropFirst(name.count + 1).withoutBlanks
        fields.append((Array(name), value))
        return !value.contains { $0.endsLines }
    }

    private func values(_ name: String) -> [[UInt8]] {
        fields.filter { $0.name.small == Array(name.utf8) }.map(\.value)
    }

    private func elements(_ name: String) -> [[UInt8]] {
        values(name).flatMap { $0.small.split(separator: UInt8(ascii: ",")).map(\.withoutBlanks) }.filter {
            !$0.isEmpty
        }
    }

    private mutating func takeMeaning() -> Bool {
        let hosts = values("host")
        guard hosts.count == 1 || isOld && hosts.isEmpty else { return false }
        guard hosts.allSatisfy({ $0.isEmpty || Self.isAuthority($0, needsPort: false) }) else { return false }
        let lengths = values("content-length")
        guard lengths.count <= 1 else { return false }
        if let length = lengths.first {
            guard !length.isEmpty, length.allSatisfy({ (48...57).contains($0) }), let number = Int(text(length)) else {
                return false
            }
            contentLength = number
        }
        let codings = values("transfer-encoding")
        if !codings.isEmpty {
            guard codings.count == 1, elements("transfer-encoding") == [Array("chunked".utf8)], !isOld, lengths.isEmpty
            else { return false }
            isChunked = true
        }
        guard values("expect").allSatisfy({ $0.small == Array("100-continue".utf8) }) else { return false }
        let options = elements("connection").map(text)
        keepsAlive = !options.contains("close") && (!isOld || options.contains("keep-alive"))
        return true
    }

    /// host [":" port], the host an address in brackets or a name (RFC 3986, 3.2.2).
    static func isAuthority(_ authority: [UInt8], needsPort: Bool) -> Bool {
        var port: [UInt8]?
        if authority.first == UInt8(ascii: "[") {
            guard let end = authority.firstIndex(of: UInt8(ascii: "]")) else { return false }
            var address = in6_addr()
            let literal = authority[1..<end]
            guard !literal.contains(0), inet_pton(AF_INET6, text(literal), &address) == 1 else { return false }
            let behind = authority[(end + 1)...]
            guard behind.isEmpty || behind.first == UInt8(ascii: ":") else { return false }
            port = behind.isEmpty ? nil : Array(behind.dropFirst())
        } else {
            let host = authority.prefix { $0 != UInt8(ascii: ":") }
            guard let decoded = percentDecoded(Array(host), isStrict: true), !decoded.isEmpty else { return false }
            let allowed = "%-._~!$&'()*+,;=".utf8
            let isName = host.allSatisfy { byte in
                byte.isInToken
                    && ![UInt8(ascii: "#"), UInt8(ascii: "^"), UInt8(ascii: "`"), UInt8(ascii: "|")].contains(byte)
                    || allowed.contains(byte)
            }
            guard isName else { return false }
            port = host.count == authority.count ? nil : Array(authority.dropFirst(host.count + 1))
        }
        guard let port, !port.isEmpty else { return !needsPort }
        guard port.allSatisfy({ (48...57).contains($0) }) else { return false }
        let digits = port.drop { $0 == 48 }
        return digits.count <= 5 && (Int(text(digits)) ?? 0) <= 65_535
    }
}
