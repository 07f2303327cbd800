// What stands in the lines of a request's head: the request line, the fields, and what follows from all of them together.
// Part of RequestParser, which finds the lines.

import Glibc

nonisolated extension RequestParser {
    /// method SP target SP version (RFC 9112, 3).
    func requestLine(_ line: Range<Int>, of bytes: UnsafeRawBufferPointer, into head: RequestHead) -> Refusal? {
        var position = line.lowerBound
        while position < line.upperBound, bytes[position].isTokenCharacter { position += 1 }
        guard position > line.lowerBound, position < line.upperBound, bytes[position] == 0x20 else {
            return Refusal(.badRequest, "the method is not a token")
        }
        head.method = HTTPMethod(UnsafeRawBufferPointer(rebasing: bytes[line.lowerBound..<position]))
        let start = position + 1
        position = start
        // No controls, no spaces, no fragment; bytes beyond ASCII pass, because browsers of all times have sent them.
        while position < line.upperBound, bytes[position] > 0x20, bytes[position] != 0x7F, bytes[position] != 0x23 {
            position += 1
        }
        guard position < line.upperBound, bytes[position] == 0x20 else {
            return Refusal(.badRequest, "the target has a byte that none may have, or no version follows")
        }
        head.target = RequestHead.Slice(start, position)
        if let refusal = version(UnsafeRawBufferPointer(rebasing: bytes[(position + 1)..<line.upperBound]), into: head)
        {
            return refusal
        }
        return target(start..<position, of: bytes, into: head)
    }

    private func version(_ text: UnsafeRawBufferPointer, into head: RequestHead) -> Refusal? {
        // Nearly always, and eight bytes are one word.
        if text.count == 8, text.loadUnaligned(as: UInt64.self) == UInt64(bigEndian: 0x4854_5450_2F31_2E31) {
            head.version = .http11
            return nil
        }
        guard text.count == 8, UnsafeRawBufferPointer(rebasing: text[..<5]).isEqual("HTTP/"), text[6] == 0x2E,
            text[5].isDigit, text[7].isDigit
        else { return Refusal(.badRequest, "the version is not HTTP/ and two digits") }
        switch (text[5], text[7]) {
        case (0x31, 0x31): head.version = .http11
        case (0x31, 0x30): head.version = .http10
        // A minor version that nobody has defined is spoken as the highest one known (RFC 9110, 2.5).
        case (0x31, _): head.version = .http11
        default: return Refusal(.versionNotSupported, "the version is neither 1.1 nor 1.0")
        }
        return nil
    }

    /// The four forms of a target and who may use them (RFC 9112, 3.2).
    private func target(_ target: Range<Int>, of bytes: UnsafeRawBufferPointer, into head: RequestHead) -> Refusal? {
        guard !target.isEmpty else { return Refusal(.badRequest, "the target is empty") }
        let text = UnsafeRawBufferPointer(rebasing: bytes[target])
        if head.method == .connect {
            head.path = RequestHead.Slice(target.lowerBound, target.lowerBound)
            head.authority = RequestHead.Slice(target.lowerBound, target.upperBound)
            let isAuthority = Self.isAuthority(text, needsPort: true)
            return isAuthority ? nil : Refusal(.badRequest, "CONNECT takes a host and a port")
        }
        var pathStart = target.lowerBound
        if text[0] == UInt8(ascii: "/") {
        } else if text.count == 1, text[0] == UInt8(ascii: "*"), head.method == .options {
        } else {
            guard let length = Self.schemeLength(text) else {
                return Refusal(.badRequest, "the target has none of the four forms")
            }
            let rest = text[length...]
            let end = rest.firstIndex { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "?") } ?? text.count
            let authority = UnsafeRawBufferPointer(rebasing: text[length..<end])
            guard !authority.isEmpty, Self.isAuthority(authority, needsPort: false) else {
                return Refusal(.badRequest, "the target's authority is none")
            }
            head.authority = RequestHead.Slice(pathStart + length, pathStart + end)
            pathStart += end
        }
        let question = Self.place(of: UInt8(ascii: "?"), in: bytes, pathStart..<target.upperBound)
        head.path = RequestHead.Slice(pathStart, question ?? target.upperBound)
        head.query = question.map { RequestHead.Slice($0 + 1, target.upperBound) }
        return nil
    }

    private static func place(of byte: UInt8, in bytes: UnsafeRawBufferPointer, _ range: Range<Int>) -> Int? {
        guard let base = bytes.baseAddress, let found = memchr(base + range.lowerBound, Int32(byte), range.count)
        else { return nil }
        return UnsafeRawPointer(found) - base
    }

    private static func schemeLength(_ text: UnsafeRawBufferPointer) -> Int? {
        for scheme: StaticString in ["http://", "https://"] where text.count > scheme.utf8CodeUnitCount {
            let start = UnsafeRawBufferPointer(rebasing: text[..<scheme.utf8CodeUnitCount])
            if start.isEqualIgnoringCase(scheme) { return scheme.utf8CodeUnitCount }
        }
        return nil
    }

    /// name ":" value (RFC 9112, 5).
    ///
    /// No space before the colon, no folding, nothing in the value that could end a line.
    func fieldLine(_ line: Range<Int>, of bytes: UnsafeRawBufferPointer, into head: RequestHead) -> Refusal? {
        var position = line.lowerBound
        while position < line.upperBound, bytes[position].isTokenCharacter { position += 1 }
        guard position > line.lowerBound, position < line.upperBound, bytes[position] == UInt8(ascii: ":") else {
            return Refusal(.badRequest, "a field's name is not a token with a colon behind it")
        }
        let name = line.lowerBound..<position
        var (start, end) = (position + 1, line.upperBound)
        while start < end, bytes[start].isBlank { start += 1 }
        while end > start, bytes[end - 1].isBlank { end -= 1 }
        let value = UnsafeRawBufferPointer(rebasing: bytes[start..<end])
        guard !Self.hasControl(value) else { return Refusal(.badRequest, "a field's value has a control character") }
        head.append(name: name, value: start..<end)
        guard let known = Self.knownField(UnsafeRawBufferPointer(rebasing: bytes[name])) else { return nil }
        let refusal = take(known, value, into: head)
        head.note(known, start..<end)
        return refusal
    }

    /// Eight bytes at a time: whether one is below 0x20 or 0x7F; tabs are sorted out one by one.
    private static func hasControl(_ value: UnsafeRawBufferPointer) -> Bool {
        let ones: UInt64 = 0x0101_0101_0101_0101
        let highs: UInt64 = 0x8080_8080_8080_8080
        var position = 0
        while position + 8 <= value.count {
            let word = value.loadUnaligned(fromByteOffset: position, as: UInt64.self)
            let deletes = word ^ (ones &* 0x7F)
            let suspicious = ((word &- ones &* 0x20) & ~word | (deletes &- ones) & ~deletes) & highs
            if suspicious != 0, value[position..<(position + 8)].contains(where: \.isControl) { return true }
            position += 8
        }
        return value[position...].contains(where: \.isControl)
    }

    /// Which of the fields that the server itself asks for this is, if one.
    static func knownField(_ name: UnsafeRawBufferPointer) -> RequestHead.KnownField? {
        switch name.count {
        case 4: name.isEqualIgnoringCase("host") ? .host : nil
        case 5: name.isEqualIgnoringCase("range") ? .range : nil
        case 6: name.isEqualIgnoringCase("expect") ? .expect : nil
        case 8: name.isEqualIgnoringCase("if-match") ? .ifMatch : name.isEqualIgnoringCase("if-range") ? .ifRange : nil
        case 10: name.isEqualIgnoringCase("connection") ? .connection : nil
        case 13: name.isEqualIgnoringCase("if-none-match") ? .ifNoneMatch : nil
        case 14: name.isEqualIgnoringCase("content-length") ? .contentLength : nil
        case 17:
            name.isEqualIgnoringCase("transfer-encoding")
                ? .transferEncoding : name.isEqualIgnoringCase("if-modified-since") ? .ifModifiedSince : nil
        case 19: name.isEqualIgnoringCase("if-unmodified-since") ? .ifUnmodifiedSince : nil
        default: nil
        }
    }

    private func take(
        _ field: RequestHead.KnownField,
        _ value: UnsafeRawBufferPointer,
        into head: RequestHead
    ) -> Refusal? {
        switch field {
        case .host:
            if head.has(.host) { return Refusal(.badRequest, "more than one Host") }
            let isHost = value.isEmpty || Self.isAuthority(value, needsPort: false)
            return isHost ? nil : Refusal(.badRequest, "Host is not a host with an optional port")
        case .connection:
            var (close, keepAlive) = (head.saysClose, head.saysKeepAlive)
            value.forEachListElement { option in
                close = close || option.isEqualIgnoringCase("close")
                keepAlive = keepAlive || option.isEqualIgnoringCase("keep-alive")
            }
            (head.saysClose, head.saysKeepAlive) = (close, keepAlive)
            return nil
        case .contentLength:
            if head.has(.contentLength) { return Refusal(.badRequest, "more than one Content-Length") }
            head.contentLength = value.decimal
            return head.contentLength == nil ? Refusal(.badRequest, "Content-Length is not a number") : nil
        case .transferEncoding:
            if head.has(.transferEncoding) { return Refusal(.badRequest, "more than one Transfer-Encoding") }
            return transferEncoding(value, into: head)
        case .expect:
            // Who reads the content tells the client to send it; see ServerConnection.
            return value.isEqualIgnoringCase("100-continue")
                ? nil : Refusal(.expectationFailed, "an expectation that nobody knows")
        default:
            return nil
        }
    }

    /// Only "chunked", once and alone, can be read without doubt (RFC 9112, 6.1).
    private func transferEncoding(_ value: UnsafeRawBufferPointer, into head: RequestHead) -> Refusal? {
        var (codings, chunked, lastIsChunked) = (0, 0, false)
        value.forEachListElement { coding in
            lastIsChunked = coding.isEqualIgnoringCase("chunked")
            codings += 1
            chunked += lastIsChunked ? 1 : 0
        }
        guard chunked <= 1, chunked == 0 || lastIsChunked, codings > 0 else {
            return Refusal(.badRequest, "chunked is not the last transfer coding, or not the only chunked")
        }
        guard codings == 1, chunked == 1 else { return Refusal(.notImplemented, "a transfer coding that nobody knows") }
        head.isChunked = true
        return nil
    }

    /// What can only be said when all fields are there.
    func finish(_ head: RequestHead) -> Refusal? {
        if head.version == .http11, !head.has(.host) { return Refusal(.badRequest, "Host is missing") }
        if head.isChunked {
            if head.version == .http10 { return Refusal(.badRequest, "Transfer-Encoding in HTTP/1.0") }
            if head.contentLength != nil {
                return Refusal(.badRequest, "Transfer-Encoding and Content-Length together")
            }
        }
        head.keepsAlive = !head.saysClose && (head.version == .http11 || head.saysKeepAlive)
        return nil
    }

    /// host [":" port] (RFC 3986, 3.2.2 and 3.2.3), without user information.
    static func isAuthority(_ text: UnsafeRawBufferPointer, needsPort: Bool) -> Bool {
        var end = 0
        if text.first == UInt8(ascii: "[") {
            guard let bracket = text.firstIndex(of: UInt8(ascii: "]")), bracket > 2 else { return false }
            guard isIPv6(text[1..<bracket]) else { return false }
            end = bracket + 1
        } else {
            while true {
                while end < text.count, isHostCharacter(text[end]) { end += 1 }
                guard end < text.count, text[end] == UInt8(ascii: "%") else { break }
                guard end + 2 < text.count, text[end + 1].isHexadecimal, text[end + 2].isHexadecimal else {
                    return false
                }
                end += 3
            }
            if end == 0 { return false }
        }
        guard end < text.count else { return !needsPort }
        guard text[end] == UInt8(ascii: ":") else { return false }
        let port = UnsafeRawBufferPointer(rebasing: text[(end + 1)...])
        if port.isEmpty { return !needsPort }
        guard let number = port.decimal else { return false }
        return number <= 65_535
    }

    private static func isIPv6(_ text: Slice<UnsafeRawBufferPointer>) -> Bool {
        // What stands behind a NUL is not looked at by inet_pton.
        guard text.count < Int(INET6_ADDRSTRLEN), !text.contains(0) else { return false }
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(INET6_ADDRSTRLEN)) { copy in
            for (index, byte) in text.enumerated() { copy[index] = CChar(bitPattern: byte) }
            copy[text.count] = 0
            var address = in6_addr()
            return copy.baseAddress.map { inet_pton(AF_INET6, $0, &address) } == 1
        }
    }

    /// Unreserved characters and sub-delimiters (RFC 3986, 2.2 and 2.3): letters, digits and ! $ & ' ( ) * + , - . ; = _ ~
    private static func isHostCharacter(_ byte: UInt8) -> Bool {
        let low: UInt64 = 0x2BFF_7FD2_0000_0000
        let high: UInt64 = 0x47FF_FFFE_87FF_FFFE
        return byte < 0x80 && (byte < 0x40 ? low : high) >> (byte & 0x3F) & 1 == 1
    }
}
