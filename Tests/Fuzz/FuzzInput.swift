// What a fuzzer gives to a harness: bytes, and a few choices taken from their end, so that a stored input still begins with what a person
// can read. Every harness takes its choices before it looks at the bytes.

/// An input, and the choices that stand behind it.
nonisolated struct FuzzInput {
    private(set) var bytes: [UInt8]

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = Array(bytes) }

    /// A number below `bound`, from the last byte, or two of them; zero where nothing is left.
    mutating func choice(below bound: Int) -> Int {
        var number = Int(bytes.popLast() ?? 0)
        if bound > 256 { number = number << 8 | Int(bytes.popLast() ?? 0) }
        return number % max(1, bound)
    }

    /// Any number.
    mutating func number() -> Int {
        (0..<8).reduce(0) { number, _ in number << 8 | choice(below: 256) }
    }

    /// Where the bytes are cut: at up to four places, or, where the choice is so, at every one.
    mutating func cuts() -> [Int] {
        let count = choice(below: 6)
        if count == 5 { return bytes.count <= 300 ? Array(1..<max(1, bytes.count)) : [] }
        let places = (0..<count).map { _ in choice(below: 1 << 16) }
        return places.map { $0 % (bytes.count + 1) }.sorted()
    }

    /// The bytes up to the first one that is `separator`, and what follows it.
    func split(at separator: UInt8 = 0) -> (first: [UInt8], rest: [UInt8]) {
        let first = bytes.prefix { $0 != separator }
        return (Array(first), Array(bytes.dropFirst(first.count + 1)))
    }
}

/// Stops the process, which is how a fuzzer learns of it, where a property does not hold.
nonisolated func require(
    _ condition: @autoclosure () -> Bool,
    _ property: @autoclosure () -> String,
    file: StaticString = #fileID,
    line: UInt = #line
) {
    if !condition() { fatalError(property(), file: file, line: line) }
}

/// Shows bytes to `body` in memory of exactly their size, so that a look beyond their end does not go unnoticed.
nonisolated func withExactBytes<Result>(
    _ bytes: ArraySlice<UInt8>,
    _ body: (UnsafeRawBufferPointer) -> Result
) -> Result {
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 1)
    defer { memory.deallocate() }
    memory.copyBytes(from: bytes)
    return body(UnsafeRawBufferPointer(memory))
}

nonisolated func withExactBytes<Result>(_ bytes: [UInt8], _ body: (UnsafeRawBufferPointer) -> Result) -> Result {
    withExactBytes(bytes[...], body)
}

nonisolated func text(_ bytes: some Collection<UInt8>) -> String { String(decoding: bytes, as: UTF8.self) }

extension UInt8 {
    /// A control character but a tab, as the standard lists them: what no field may carry.
    nonisolated var endsLines: Bool { self < 32 && self != 9 || self == 127 }

    nonisolated var isBlankOne: Bool { self == 32 || self == 9 }

    /// A letter, digit or one of the marks of a token, written out (RFC 9110, 5.6.2).
    nonisolated var isInToken: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: "!#$%&'*+-.^_`|~".utf8.contains(self)
        }
    }

    /// The digit's value, by looking it up.
    nonisolated var hexadecimal: UInt8? {
        let digits = Array("0123456789abcdef".utf8)
        let small = UInt8(ascii: "A")...UInt8(ascii: "F") ~= self ? self + 32 : self
        return digits.firstIndex(of: small).map { UInt8($0) }
    }
}

extension Sequence<UInt8> {
    /// Without blanks at both ends.
    nonisolated var withoutBlanks: [UInt8] {
        Array(Array(drop { $0.isBlankOne }).reversed().drop { $0.isBlankOne }.reversed())
    }

    /// Capital letters of ASCII made small.
    nonisolated var small: [UInt8] { map { UInt8(ascii: "A")...UInt8(ascii: "Z") ~= $0 ? $0 + 32 : $0 } }
}

/// Percent signs with two digits behind them decoded; nil where there is another one and `isStrict`.
nonisolated func percentDecoded(_ bytes: [UInt8], isStrict: Bool) -> [UInt8]? {
    var decoded: [UInt8] = []
    var rest = bytes[...]
    while let byte = rest.popFirst() {
        guard byte == UInt8(ascii: "%") else {
            decoded.append(byte)
            continue
        }
        let digits = rest.prefix(2).compactMap(\.hexadecimal)
        if digits.count == 2 {
            decoded.append(digits[0] * 16 + digits[1])
            rest = rest.dropFirst(2)
        } else if isStrict {
            return nil
        } else {
            decoded.append(byte)
        }
    }
    return decoded
}
