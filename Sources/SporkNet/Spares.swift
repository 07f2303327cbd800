// Things that are needed again and again and cost something to make: what was given back last is taken first, because that is still in the
// processor's cache. Used by one thread.

/// A limited number of things that wait to be used again.
@usableFromInline package nonisolated struct Spares<Element> {
    // Nearly always one is taken and given back before another is: that one is not looked for in an array.
    @usableFromInline var last: Element?
    @usableFromInline var others: [Element] = []
    @usableFromInline let most: Int

    /// None yet, and never more than `most` beside the last one.
    @inlinable @inline(__always)
    package init(atMost most: Int) {
        self.most = most
        others.reserveCapacity(most)
    }

    /// Takes one; nil where there is none.
    @inlinable @inline(__always)
    package mutating func take() -> Element? { last.take() ?? others.popLast() }

    /// Gives one back; false, and nothing is kept, where there are enough.
    @inlinable @inline(__always)
    package mutating func giveBack(_ element: consuming Element) -> Bool {
        if last == nil {
            last = element
        } else if others.count < most {
            others.append(element)
        } else {
            return false
        }
        return true
    }
}
