// The content of a request: the same whole and in pieces, what a second reader finds, and readable for the load generator's parser, too.
import SporkHTTP

func checkChunks(_ input: FuzzInput) {
    var input = input
    var limits = BodyLimits()
    if input.choice(below: 2) == 1 {
        (limits.chunkLine, limits.extensions, limits.trailers, limits.trailerCount) = (24, 40, 48, 3)
    }
    let counted = input.choice(below: 8) == 1 ? input.choice(below: 1 << 16) : nil
    let cuts = input.cuts()
    let bytes = input.bytes
    let whole = Content(of: bytes, cuts: [], counted, limits)
    let inPieces = Content(of: bytes, cuts: cuts, counted, limits)
    require(whole == inPieces, "cut at \(cuts): \(inPieces), whole: \(whole)")
    require(whole.used <= bytes.count, "more is used than there is")
    if let counted {
        require(
            whole.bytes == Array(bytes.prefix(counted)) && whole.isComplete == (bytes.count >= counted),
            "so many bytes"
        )
        return
    }
    require(whole.trailers.count <= limits.trailerCount, "too many trailer fields")
    let reference = ReferenceChunks(bytes)
    if whole.isComplete {
        guard let reference else { return require(false, "a second reader refuses this") }
        require(
            reference.content == whole.bytes && reference.length == whole.used,
            "a second reader reads something else"
        )
        checkClient(bytes[..<whole.used])
        checkAgain(whole.bytes, by: 1 + cuts.count)
    } else if limits.chunkLine > 24, bytes.count < limits.extensions {
        // What neither is too long nor has too many lines is refused for what it is.
        require(
            reference == nil || (reference?.trailerCount ?? 0) > limits.trailerCount || bytes.count > limits.chunkLine,
            "this is well-formed"
        )
    }
}

/// What a decoder has made of bytes.
private struct Content: Equatable {
    var bytes: [UInt8] = []
    var trailers: [String] = []
    var used = 0
    var isComplete = false
    var refusal = ""

    init(of input: [UInt8], cuts: [Int], _ counted: Int?, _ limits: BodyLimits) {
        var decoder = counted.map { BodyDecoder(length: $0) } ?? BodyDecoder(chunkedWith: limits)
        for end in cuts + [input.count] where !decoder.isComplete && refusal.isEmpty {
            while take(input[used..<end], &decoder) {}
        }
        isComplete = decoder.isComplete
        // What stood before a refusal may be used or not: nothing more is read.
        if !refusal.isEmpty { used = 0 }
        trailers = decoder.trailers.map { "\($0.name)=\($0.value)" }
        for (name, value) in decoder.trailers {
            require(!name.isEmpty && name.utf8.allSatisfy(\.isInToken), "a trailer field's name")
            require(!value.utf8.contains { $0.endsLines }, "a control character in a trailer field")
            let framing = ["content-length", "transfer-encoding", "host", "authorization", "cookie", "trailer"]
            require(!framing.contains(text(name.utf8.small)), "a trailer field that means something")
        }
    }

    private mutating func take(_ rest: ArraySlice<UInt8>, _ decoder: inout BodyDecoder) -> Bool {
        withExactBytes(rest) { rest in
            switch decoder.advance(over: rest) {
            case .needMore(let count):
                require(count <= rest.count, "more is used than there is")
                used += count
                return false
            case .content(let range):
                require(!range.isEmpty && range.upperBound <= rest.count, "content that is not there")
                bytes += rest[range]
                used += range.upperBound
                return !decoder.isComplete
            case .end(let count):
                used += count
                return false
            case .refuse(let found):
                refusal = "\(found.status.code) \(found.reason)"
                return false
            }
        }
    }
}

/// Chunks as a second reader sees them; without limits, for whole bodies only.
private struct ReferenceChunks {
    var content: [UInt8] = []
    var length = 0
    var trailerCount = 0

    init?(_ bytes: [UInt8]) {
        var rest = bytes[...]
        func line() -> [UInt8]? {
            guard let end = rest.firstIndex(of: 10), end > rest.startIndex, rest[end - 1] == 13 else { return nil }
            defer { rest = rest[(end + 1)...] }
            return Array(rest[rest.startIndex..<(end - 1)])
        }
        while true {
            guard let head = line() else { return nil }
            let digits = head.prefix { $0.hexadecimal != nil }
            guard !digits.isEmpty, Self.areExtensions(head.dropFirst(digits.count)) else { return nil }
            guard let size = Int(text(digits), radix: 16) else { return nil }
            if size == 0 { break }
            guard rest.count >= 2, size <= rest.count - 2, rest.dropFirst(size).starts(with: [13, 10]) else {
                return nil
            }
            content += rest.prefix(size)
            rest = rest.dropFirst(size + 2)
        }
        while true {
            guard let field = line() else { return nil }
            if field.isEmpty { break }
            trailerCount += 1
            let name = field.prefix { $0 != UInt8(ascii: ":") }
            guard name.count < field.count, !name.isEmpty, name.allSatisfy(\.isInToken) else { return nil }
            guard !field.dropFirst(name.count + 1).withoutBlanks.contains(where: \.endsLines) else { return nil }
        }
        length = rest.startIndex
    }

    /// *( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] ), taken from the front piece by piece.
    private static func areExtensions(_ text: ArraySlice<UInt8>) -> Bool {
        var rest = text
        func token() -> Bool {
            let token = rest.prefix { $0.isInToken }
            rest = rest.dropFirst(token.count)
            return !token.isEmpty
        }
        func next(_ mark: Character) -> Bool {
            let behind = rest.drop { $0.isBlankOne }
            guard behind.first == mark.asciiValue else { return false }
            rest = behind.dropFirst().drop { $0.isBlankOne }
            return true
        }
        while !rest.isEmpty {
            guard next(";"), token() else { return false }
            guard next("=") else { continue }
            guard rest.first == UInt8(ascii: "\"") else {
                guard token() else { return false }
                continue
            }
            rest = rest.dropFirst()
            while rest.first != UInt8(ascii: "\"") {
                if rest.first == UInt8(ascii: "\\") { rest = rest.dropFirst() }
                guard let byte = rest.popFirst(), !byte.endsLines else { return false }
            }
            rest = rest.dropFirst()
        }
        return true
    }
}

/// The load generator's parser, which is less strict, finds the same end.
private func checkClient(_ chunks: ArraySlice<UInt8>) {
    let answer = Array("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".utf8) + chunks
    var parser = ResponseParser()
    let action = withExactBytes(answer) { parser.advance(over: $0) }
    require(action == .complete(used: answer.count, status: 200, keepsAlive: true), "the client sees \(action)")
}

/// What was read, put into chunks of `size` bytes, is read again.
private func checkAgain(_ content: [UInt8], by size: Int) {
    var chunks: [UInt8] = []
    for start in stride(from: 0, to: content.count, by: size) {
        let chunk = content[start..<min(content.count, start + size)]
        chunks += String(chunk.count, radix: 16).utf8 + [13, 10] + chunk + [13, 10]
    }
    let again = Content(of: chunks + Array("0\r\n\r\n".utf8), cuts: [], nil, BodyLimits())
    require(
        again.isComplete && again.bytes == content && again.used == chunks.count + 5,
        "what was read is not read again"
    )
}
