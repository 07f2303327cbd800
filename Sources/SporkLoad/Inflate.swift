// Takes apart what zlib has compressed (RFC 1950 and 1951), for histograms in results of earlier runs, whoever wrote them. Pure and
// strict: anything that is not allowed, and more than the limit, is an error.

/// Reads zlib streams.
enum Inflate {
    /// A stream is damaged, or longer than allowed.
    struct Failure: Error {}

    /// What a zlib stream contains, at most `limit` bytes.
    static func bytes(of stream: ArraySlice<UInt8>, limit: Int) throws(Failure) -> [UInt8] {
        let stream = Array(stream)
        guard stream.count >= 6, stream[0] & 0x0F == 8, stream[1] & 0x20 == 0,
            (Int(stream[0]) << 8 + Int(stream[1])).isMultiple(of: 31)
        else { throw Failure() }
        var reader = Reader(bytes: stream, position: 2, limit: limit)
        let output = try reader.blocks()
        let end = reader.position
        guard end + 4 == stream.count else { throw Failure() }
        let sum = stream[end..<end + 4].reduce(0 as UInt32) { $0 << 8 | UInt32($1) }
        guard sum == Zlib.adler(output) else { throw Failure() }
        return output
    }

    /// A prefix code (RFC 1951, 3.2.2): how many codes there are of each length, and their symbols in order.
    private struct Code {
        var counts = [Int](repeating: 0, count: 16)
        var symbols: [Int] = []

        init(lengths: ArraySlice<Int>) throws(Failure) {
            for length in lengths { counts[length] += 1 }
            counts[0] = 0
            var left = 1
            for length in 1...15 {
                left = left << 1 - counts[length]
                guard left >= 0 else { throw Failure() }
            }
            for length in 1...15 {
                for (symbol, its) in lengths.enumerated() where its == length { symbols.append(symbol) }
            }
        }
    }

    private struct Reader {
        let bytes: [UInt8]
        var position: Int
        let limit: Int
        var held = 0
        var heldCount = 0
        var output: [UInt8] = []

        init(bytes: [UInt8], position: Int, limit: Int) {
            (self.bytes, self.position, self.limit) = (bytes, position, limit)
        }

        mutating func bits(_ count: Int) throws(Failure) -> Int {
            while heldCount < count {
                guard position < bytes.count else { throw Failure() }
                held |= Int(bytes[position]) << heldCount
                position += 1
                heldCount += 8
            }
            defer {
                held >>= count
                heldCount -= count
            }
            return held & (1 << count - 1)
        }

        mutating func symbol(_ code: Code) throws(Failure) -> Int {
            var (value, first, index) = (0, 0, 0)
            for length in 1...15 {
                value |= try bits(1)
                let count = code.counts[length]
                if value - count < first { return code.symbols[index + value - first] }
                index += count
                first = (first + count) << 1
                value <<= 1
            }
            throw Failure()
        }

        mutating func blocks() throws(Failure) -> [UInt8] {
            var isLast = false
            while !isLast {
                isLast = try bits(1) == 1
                switch try bits(2) {
                case 0: try copy()
                case 1:
                    let lengths = (0..<288).map { $0 < 144 ? 8 : $0 < 256 ? 9 : $0 < 280 ? 7 : 8 }
                    try expand(Code(lengths: lengths[...]), Code(lengths: [Int](repeating: 5, count: 30)[...]))
                case 2:
                    let (literals, distances) = try codes()
                    try expand(literals, distances)
                default: throw Failure()
                }
            }
            return output
        }

        private mutating func copy() throws(Failure) {
            (held, heldCount) = (0, 0)
            guard position + 4 <= bytes.count else { throw Failure() }
            let length = Int(bytes[position]) | Int(bytes[position + 1]) << 8
            let inverse = Int(bytes[position + 2]) | Int(bytes[position + 3]) << 8
            position += 4
            guard length == ~inverse & 0xFFFF, position + length <= bytes.count, output.count + length <= limit
            else { throw Failure() }
            output += bytes[position..<position + length]
            position += length
        }

        private mutating func codes() throws(Failure) -> (Code, Code) {
            let (literals, distances, count) = (try bits(5) + 257, try bits(5) + 1, try bits(4) + 4)
            guard literals <= 286, distances <= 30 else { throw Failure() }
            var lengths = [Int](repeating: 0, count: 19)
            let order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]
            for index in 0..<count { lengths[order[index]] = try bits(3) }
            let code = try Code(lengths: lengths[...])
            var all: [Int] = []
            while all.count < literals + distances {
                let symbol = try symbol(code)
                switch symbol {
                case 16:
                    guard let last = all.last else { throw Failure() }
                    all += [Int](repeating: last, count: 3 + (try bits(2)))
                case 17: all += [Int](repeating: 0, count: 3 + (try bits(3)))
                case 18: all += [Int](repeating: 0, count: 11 + (try bits(7)))
                default: all.append(symbol)
                }
            }
            guard all.count == literals + distances else { throw Failure() }
            return (try Code(lengths: all[..<literals]), try Code(lengths: all[literals...]))
        }

        private mutating func expand(_ literals: Code, _ distances: Code) throws(Failure) {
            while true {
                let symbol = try symbol(literals)
                if symbol == 256 { return }
                if symbol < 256 {
                    guard output.count < limit else { throw Failure() }
                    output.append(UInt8(symbol))
                    continue
                }
                let length = try length(symbol - 257)
                let back = try distance(try self.symbol(distances))
                guard back <= output.count, output.count + length <= limit else { throw Failure() }
                for _ in 0..<length { output.append(output[output.count - back]) }
            }
        }

        // RFC 1951, 3.2.5: lengths in groups of four with one bit more each, distances in groups of two.
        private mutating func length(_ index: Int) throws(Failure) -> Int {
            guard index < 29 else { throw Failure() }
            if index == 28 { return 258 }
            if index < 8 { return index + 3 }
            let extra = index / 4 - 1
            return 3 + (4 + index % 4) << extra + (try bits(extra))
        }

        private mutating func distance(_ index: Int) throws(Failure) -> Int {
            guard index < 30 else { throw Failure() }
            if index < 4 { return index + 1 }
            let extra = index / 2 - 1
            return 1 + (2 + index % 2) << extra + (try bits(extra))
        }
    }
}
