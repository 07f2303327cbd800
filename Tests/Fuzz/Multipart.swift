// Bodies in several parts: the same whole and in pieces, what a second reader finds who splits them at the boundary, within the limits, and with
// nothing in a field that ends a line.
import SporkHTTP

func checkMultipart(_ input: FuzzInput) {
    var input = input
    var limits = MultipartLimits()
    if input.choice(below: 3) == 1 {
        (limits.parts, limits.headerBytes, limits.headers, limits.partBytes, limits.preamble) = (2, 24, 2, 8, 4)
    }
    let boundaries = ["b", "-", "--", "a b", "AaB03x", ":", String(repeating: "x", count: 70)]
    let boundary = boundaries[input.choice(below: boundaries.count)]
    let cuts = input.cuts()
    let bytes = input.bytes
    let whole = Parts(of: bytes, boundary, cuts: [], limits)
    let inPieces = Parts(of: bytes, boundary, cuts: cuts, limits)
    require(whole == inPieces, "cut at \(cuts): \(inPieces), whole: \(whole)")
    let reference = ReferenceParts(bytes, boundary, limits)
    require(
        whole.isComplete == (reference != nil),
        "\(whole.isComplete ? "a second reader refuses this" : "a second reader reads this: \(whole.refusal)")"
    )
    if let reference {
        require(reference.parts == whole.parts, "a second reader finds \(reference.parts), not \(whole.parts)")
        require(reference.length == whole.used, "a second reader ends at \(reference.length), not \(whole.used)")
    }
}

private struct Part: Equatable {
    var fields: [String]
    var content: [UInt8] = []
}

/// What a parser has made of bytes.
private struct Parts: Equatable {
    var parts: [Part] = []
    var used = 0
    var isComplete = false
    var refusal = ""
    private var isInPart = false

    init(of input: [UInt8], _ boundary: String, cuts: [Int], _ limits: MultipartLimits) {
        guard var parser = MultipartParser(boundary: boundary, limits: limits) else {
            require(false, "\(boundary) is a boundary")
            return
        }
        for end in cuts + [input.count] where !isComplete && refusal.isEmpty {
            while take(input[used..<end], &parser, limits) {}
        }
        require(isComplete == parser.isComplete, "complete, or not")
        // What stood before a refusal may be used or not: nothing more is read.
        if !refusal.isEmpty {
            (parts, used, isInPart) = ([], 0, false)
            if case .refuse = withExactBytes(Array("\r\n--\(boundary)--".utf8), { parser.advance(over: $0) }) { return }
            require(false, "what was refused is read further")
        }
    }

    private mutating func take(
        _ rest: ArraySlice<UInt8>,
        _ parser: inout MultipartParser,
        _ limits: MultipartLimits
    ) -> Bool {
        withExactBytes(rest) { rest in
            switch parser.advance(over: rest) {
            case .needMore(let count):
                pass(count, of: rest)
                return false
            case .part(let headers, let count):
                require(!isInPart, "a part within a part")
                pass(count, of: rest)
                isInPart = true
                parts.append(Part(fields: headers.map { "\($0.name)=\($0.value)" }))
                check(headers, limits)
                return true
            case .content(let range):
                require(isInPart && !range.isEmpty && range.upperBound <= rest.count, "content that is not there")
                parts[parts.count - 1].content += rest[range]
                require(range.lowerBound == 0, "something before the content of a part is passed over")
                require(parts[parts.count - 1].content.count <= limits.partBytes, "a part is too long")
                pass(range.upperBound, of: rest)
                return true
            case .partEnd(let count):
                require(isInPart, "the end of no part")
                isInPart = false
                pass(count, of: rest)
                return true
            case .end(let count):
                require(!isInPart, "the end within a part")
                pass(count, of: rest)
                isComplete = true
                return false
            case .refuse(let found):
                refusal = "\(found.status.code) \(found.reason)"
                return false
            }
        }
    }

    private mutating func pass(_ count: Int, of rest: UnsafeRawBufferPointer) {
        require((0...rest.count).contains(count), "more is used than there is")
        used += count
    }

    private func check(_ headers: Headers, _ limits: MultipartLimits) {
        require(parts.count <= limits.parts, "too many parts")
        require(Array(headers).count <= limits.headers, "too many fields")
        for (name, value) in headers.map({ ($0.name, $0.value) }) {
            require(!name.isEmpty && name.utf8.allSatisfy(\.isInToken), "a field's name")
            require(!value.utf8.contains { $0.endsLines }, "a control character in a field")
        }
    }
}

/// Parts as a second reader sees them, who knows where all boundaries are before he looks at anything else; for whole bodies only.
private struct ReferenceParts {
    var parts: [Part] = []
    var length = 0

    init?(_ bytes: [UInt8], _ boundary: String, _ limits: MultipartLimits) {
        let delimiter = Array("\r\n--\(boundary)".utf8)
        // The first boundary needs no line end before it.
        let text = [13, 10] + bytes
        let places = text.indices.filter { text[$0...].starts(with: delimiter) }
        guard let first = places.first, first <= limits.preamble + 2 else { return nil }
        for (place, next) in zip(places, places.dropFirst() + [text.count]) {
            let piece = text[(place + delimiter.count)..<next]
            if piece.starts(with: "--".utf8) {
                length = place + delimiter.count
                return
            }
            guard next < text.count, parts.count < limits.parts, let part = Self.part(piece, limits) else { return nil }
            parts.append(part)
        }
        return nil
    }

    /// What stands between two boundaries: blanks, a line end, lines up to an empty one, content.
    ///
    /// The empty line's end may be the boundary's.
    private static func part(_ piece: ArraySlice<UInt8>, _ limits: MultipartLimits) -> Part? {
        var rest = piece.drop { $0.isBlankOne }
        guard piece.count - rest.count <= limits.headerBytes, rest.starts(with: [13, 10]) else { return nil }
        rest = rest.dropFirst(2)
        var part = Part(fields: [])
        var fieldBytes = 0
        while !rest.isEmpty, !rest.starts(with: [13, 10]) {
            guard let end = rest.firstIndex(of: 10) else { return nil }
            let line = rest[..<end]
            guard line.last == 13 else { return nil }
            fieldBytes += line.count + 1
            rest = rest[(end + 1)...]
            let name = line.prefix { $0 != UInt8(ascii: ":") }
            let value = line.dropFirst(name.count + 1).dropLast().withoutBlanks
            guard name.count < line.count, !name.isEmpty, name.allSatisfy(\.isInToken) else { return nil }
            guard !value.contains(where: \.endsLines) else { return nil }
            part.fields.append("\(text(name))=\(text(value))")
        }
        part.content = Array(rest.dropFirst(2))
        guard fieldBytes <= limits.headerBytes, part.fields.count <= limits.headers else { return nil }
        return part.content.count <= limits.partBytes ? part : nil
    }
}
