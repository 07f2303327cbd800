// A wait with something in its hands: what a sender wants to be rid of, or what a receiver has been given. The waits of
// queues.
import SporkLoop

/// One coroutine's wait to hand something over, or to have it handed over.
@usableFromInline
nonisolated final class Handoff<Element> {
    @usableFromInline let wait: Wait
    @exclusivity(unchecked) @usableFromInline var element: Element?

    @inlinable init(_ role: Wait.Role = .plain, _ element: Element? = nil) {
        wait = Wait(role)
        self.element = element
        wait.owner = self
    }

    /// Who has waited longest in a list of such waits.
    @inlinable static func first(in list: WaitList) -> Handoff<Element>? {
        guard let owner = list.first?.owner else { return nil }
        return unsafeDowncast(owner, to: Handoff<Element>.self)
    }
}
