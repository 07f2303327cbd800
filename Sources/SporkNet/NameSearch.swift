// What to ask next, and when a name is known: the order of questions of one lookup, as a value without side effects.
// NameLookup drives it.
//
// Invariants: each name of the list is asked for with both families before the next one is; all addresses of a lookup
// belong to one name of the list; both families are reported, or it fails, and nothing comes after that.

/// The questions of one lookup.
nonisolated struct NameSearch {
    /// What came of one question.
    enum Answer: Equatable {
        case addresses([SocketAddress])
        case failed(NameError.Reason)
    }

    /// What is to be done.
    enum Action: Equatable {
        /// Ask for both families of this name.
        case ask(String)
        /// These are all addresses of the family; may be none, when the other has some.
        case report(AddressFamily, [SocketAddress])
        /// There are no addresses.
        case fail(NameError.Reason)
    }

    private var candidates: ArraySlice<String>
    private var answers: [AddressFamily: Answer] = [:]
    private var reason: NameError.Reason?

    /// A search through these names, of which there is at least one.
    init(_ candidates: [String]) { self.candidates = candidates[...] }

    /// The first question.
    mutating func begin() -> Action { askNext() ?? .fail(.notFound) }

    /// Takes an answer to the question that was asked last.
    mutating func on(_ family: AddressFamily, _ answer: Answer) -> [Action] {
        let answer = answer == .addresses([]) ? .failed(.noAddress) : answer
        answers[family] = answer
        switch (answer, answers[family.other]) {
        case (.addresses(let found), .failed): return [.report(family.other, []), .report(family, found)]
        case (.addresses(let found), _): return [.report(family, found)]
        case (.failed, .addresses): return [.report(family, [])]
        case (.failed, nil): return []
        case (.failed(let one), .failed(let other)):
            let both = one.combined(with: other)
            let all = both.combined(with: reason)
            reason = all
            guard both.allowsNextCandidate, let next = askNext() else { return [.fail(all)] }
            return [next]
        }
    }

    private mutating func askNext() -> Action? {
        answers = [:]
        return candidates.popFirst().map { .ask($0) }
    }
}
