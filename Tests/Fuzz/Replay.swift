// Tries stored inputs, and changed ones, without a fuzzer: the same in every run.
import Glibc

/// A file that cannot be read, or a word on the command line that means nothing.
struct ReplayError: Error, CustomStringConvertible {
    let description: String
}

/// Has a harness look at files.
struct Replay {
    private let check: (FuzzInput) -> Void
    private var corpus: [[UInt8]] = []
    private var random = SplitMix(state: 5)
    /// How many inputs there were.
    private(set) var tried = 0

    init(_ check: @escaping (FuzzInput) -> Void) { self.check = check }

    /// Tries the files and directories that are named, then so many mutations of each as `--mutations` says.
    mutating func run(_ arguments: ArraySlice<String>) throws {
        var arguments = arguments
        var mutations = 0
        while let argument = arguments.popFirst() {
            if argument == "--mutations" {
                guard let number = arguments.popFirst().flatMap({ Int($0) }) else {
                    throw ReplayError(description: "--mutations takes a number")
                }
                mutations = number
            } else {
                try read(argument)
            }
        }
        for input in corpus { look(at: input) }
        for input in corpus {
            for _ in 0..<mutations { look(at: mutation(of: input)) }
        }
    }

    private mutating func look(at bytes: [UInt8]) {
        bytes.withUnsafeBytes { check(FuzzInput($0)) }
        tried += 1
    }

    private mutating func read(_ path: String) throws {
        if let directory = opendir(path) {
            defer { closedir(directory) }
            var names: [String] = []
            while let entry = readdir(directory) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                if !name.hasPrefix(".") { names.append(name) }
            }
            for name in names.sorted() { try read("\(path)/\(name)") }
            return
        }
        guard let file = fopen(path, "r") else {
            throw ReplayError(description: "open \(path): \(String(cString: strerror(errno)))")
        }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var room = [UInt8](repeating: 0, count: 64 * 1024)
        while case let count = fread(&room, 1, room.count, file), count > 0 { bytes += room[..<count] }
        corpus.append(bytes)
    }

    /// An input with up to four places changed; bytes that mean something are more likely to be wrong in an interesting way.
    private mutating func mutation(of input: [UInt8]) -> [UInt8] {
        let telling = Array("\r\n\0 :;,=\"\\%/.?#&+-09afAFxX{}*\t\u{7f}".utf8) + [0x80, 0xFF]
        var bytes = input
        for _ in 0..<Int.random(in: 1...4, using: &random) {
            let place = Int.random(in: 0...bytes.count, using: &random)
            let end = Int.random(in: place...min(bytes.count, place + 6), using: &random)
            switch random.next() % 6 {
            case 0: bytes.replaceSubrange(place..<end, with: [])
            case 1: bytes.insert(telling.randomElement(using: &random) ?? 0, at: place)
            case 2 where place < bytes.count: bytes[place] = telling.randomElement(using: &random) ?? 0
            case 3 where place < bytes.count: bytes[place] = UInt8.random(in: 0...255, using: &random)
            case 4: bytes.insert(contentsOf: bytes[place..<end], at: place)
            default:
                let other = corpus.randomElement(using: &random) ?? []
                bytes = Array(bytes[..<place]) + other.suffix(Int.random(in: 0...other.count, using: &random))
            }
        }
        return bytes
    }
}

/// Random numbers that are the same in every run.
private nonisolated struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
