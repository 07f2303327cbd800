// Inputs that nobody would write down: cases from the tables with bytes changed, cut, doubled and put together. The same in every run.

/// Random numbers from a seed (SplitMix64).
nonisolated struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// One of the inputs, changed in up to four places.
    mutating func mutation(of corpus: [[UInt8]]) -> [UInt8] {
        // Bytes that mean something are more likely to be wrong in an interesting way.
        let telling = Array("\r\n\0 :;,=\"\\%/.?#&+-09afAFxX{}*\t\u{7f}".utf8) + [0x80, 0xFF]
        var bytes = corpus.randomElement(using: &self) ?? []
        for _ in 0..<Int.random(in: 1...4, using: &self) {
            let place = Int.random(in: 0...bytes.count, using: &self)
            let end = Int.random(in: place...min(bytes.count, place + 6), using: &self)
            switch next() % 6 {
            case 0: bytes.replaceSubrange(place..<end, with: [])
            case 1: bytes.insert(telling.randomElement(using: &self) ?? 0, at: place)
            case 2 where place < bytes.count: bytes[place] = telling.randomElement(using: &self) ?? 0
            case 3 where place < bytes.count: bytes[place] = UInt8.random(in: 0...255, using: &self)
            case 4: bytes.insert(contentsOf: bytes[place..<end], at: place)
            default:
                let other = corpus.randomElement(using: &self) ?? []
                bytes = Array(bytes[..<place]) + other.suffix(Int.random(in: 0...other.count, using: &self))
            }
        }
        return bytes
    }
}
