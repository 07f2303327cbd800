// One name that is being looked up, for all coroutines that want it now. NameResolver makes it, waits on it, and lets go of it
// when nobody wants it any more.
//
// Invariant: answers that come after `abandon` change nothing, so a question that c-ares cannot take back does no harm. Not on
// the main actor, because c-ares' callbacks are plain C; touched only on the loop's thread.
import SporkLoop

/// A lookup under way.
nonisolated final class NameLookup {
    /// Whom it asks.
    let channel: NameChannel
    /// Who waits for news of it.
    let waiters = WaitList()
    /// What is known so far, with port 0.
    private(set) var found: [AddressFamily: [SocketAddress]] = [:]
    /// Why there is nothing.
    private(set) var failure: NameError.Reason?
    /// How many coroutines want it.
    var users = 0

    private var search: NameSearch
    private var isAbandoned = false

    init(_ candidates: [String], over channel: NameChannel) {
        self.channel = channel
        search = NameSearch(candidates)
    }

    /// Whether nothing more will come.
    var isOver: Bool { failure != nil || found.count == AddressFamily.allCases.count }

    /// Asks the first question.
    func start() { perform([search.begin()]) }

    /// Nobody wants it any more.
    func abandon() { isAbandoned = true }

    private func perform(_ actions: [NameSearch.Action]) {
        for action in actions {
            switch action {
            case .ask(let name):
                // IPv6 first (RFC 8305, section 3).
                for family in AddressFamily.allCases {
                    channel.ask(name, family) { [self] answer in received(family, answer) }
                }
            case .report(let family, let addresses): found[family] = addresses
            case .fail(let reason): failure = reason
            }
        }
        waiters.wakeAll()
    }

    private func received(_ family: AddressFamily, _ answer: NameSearch.Answer) {
        if !isAbandoned { perform(search.on(family, answer)) }
    }
}
