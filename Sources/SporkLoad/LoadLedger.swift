// The ledger: every request has a number, and every number ends exactly once. Pure; a load process keeps one, the parent adds up what
// they say. A number that ends twice, or never, is told and not smoothed over.

/// How each of a process's numbered requests has ended.
struct LoadLedger {
    /// How a number ends.
    enum Ending: Equatable {
        /// The answer brought the number back.
        case right
        /// An answer came without it, or with another one.
        case wrong
        case failed(LoadIncidents.Phase)
        /// It was out when somebody ended the run.
        case unanswered
        /// It never got away.
        case unsent

        /// All of them, in the order of the totals.
        static let all: [Ending] =
            [.right, .wrong, .unanswered, .unsent] + LoadIncidents.Phase.allCases.map { .failed($0) }

        var index: Int {
            switch self {
            case .right: 0
            case .wrong: 1
            case .unanswered: 2
            case .unsent: 3
            case .failed(let phase): 4 + phase.rawValue
            }
        }

        var name: String {
            switch self {
            case .right: "right"
            case .wrong: "wrong"
            case .unanswered: "unanswered"
            case .unsent: "unsent"
            case .failed(let phase): "failed: " + phase.name
            }
        }
    }

    /// What all processes' ledgers say together.
    struct Totals: Equatable {
        /// Numbers that were given.
        var numbers = 0
        /// How many ended in each way.
        var endings = [Int](repeating: 0, count: Ending.all.count)
        /// Numbers that ended more than once.
        var twice = 0

        func count(_ ending: Ending) -> Int { endings[ending.index] }

        /// Numbers that never ended.
        var open: Int { numbers - endings.reduce(0, +) }

        /// Whether every number has ended, each once.
        var isBalanced: Bool { open == 0 && twice == 0 }

        mutating func add(_ other: Totals) {
            numbers += other.numbers
            twice += other.twice
            for index in endings.indices { endings[index] += other.endings[index] }
        }
    }

    // A byte a number: 0 while it is open, else one more than the ending's index.
    private var endings: [UInt8] = []
    private var twice = 0

    /// Gives out so many numbers; the first of them, from 0.
    mutating func begin(_ count: Int) -> Int {
        endings.append(contentsOf: repeatElement(0, count: count))
        return endings.count - count
    }

    /// A number ends.
    mutating func end(_ number: Int, _ ending: Ending) {
        if endings[number] != 0 { twice += 1 } else { endings[number] = UInt8(ending.index + 1) }
    }

    /// What it says.
    var totals: Totals {
        var totals = Totals(numbers: endings.count, twice: twice)
        for ending in endings where ending != 0 { totals.endings[Int(ending) - 1] += 1 }
        return totals
    }
}
