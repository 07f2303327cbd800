// A queue in an array: elements go in at one end and come out at the other, and the array is used again and again.

/// First in, first out.
@usableFromInline
nonisolated struct RingBuffer<Element> {
    @usableFromInline var slots: [Element?] = []
    @usableFromInline var head = 0
    @usableFromInline var count = 0

    @inlinable init() {}

    @inlinable var isEmpty: Bool { count == 0 }

    @inlinable mutating func append(_ element: consuming Element) {
        if count == slots.count { grow() }
        slots[(head + count) & (slots.count - 1)] = element
        count += 1
    }

    @inlinable mutating func popFirst() -> Element? {
        guard count > 0 else { return nil }
        let element = slots[head].take()
        head = (head + 1) & (slots.count - 1)
        count -= 1
        return element
    }

    @inlinable mutating func removeAll() { self = RingBuffer() }

    @inlinable mutating func grow() {
        var larger: [Element?] = []
        larger.reserveCapacity(max(8, slots.count * 2))
        while let element = popFirst() { larger.append(element) }
        (count, head) = (larger.count, 0)
        larger.append(contentsOf: repeatElement(nil, count: max(8, slots.count * 2) - larger.count))
        slots = larger
    }
}
