// Finds the route for a path: one step a segment, whatever the number of routes. A value without side effects; Router makes one of its routes.
//
// What could be tried one after the other while a path is walked (a literal, then a parameter, then the rest) is worked out when the tree is made: a
// node stands for all routes that the segments so far may belong to, the most specific first. So no path makes the walk go back.
import Glibc

/// Routes, ready to be found; an object, so that each request takes hold of one thing instead of three arrays.
package nonisolated final class RouteTree {
    /// A route is as good as another one.
    package struct Conflict: Error, Equatable {
        package let first: Int
        package let second: Int

        package init(first: Int, second: Int) { (self.first, self.second) = (first, second) }
    }

    // What a path that ends here may be: the route for each method, by the method's position among all.
    private struct Node {
        var slots = 0
        var mask = -1
        // Where a segment leads that none of the literals is; -1 for nowhere.
        var other = -1
        var routes: [Int]?
    }

    // A literal in the hash table of a node.
    private struct Slot {
        var hash: UInt64
        var start: Int
        var count = -1
        var node: Int
    }

    // Filled by `init` and never changed.
    @exclusivity(unchecked) private var nodes: [Node] = []
    @exclusivity(unchecked) private var slots: [Slot] = []
    @exclusivity(unchecked) private var literals: [UInt8] = []

    /// A tree of these routes.
    ///
    /// - Throws: `Conflict` when two of them match the same paths with the same method.
    package init(_ routes: [(pattern: RoutePattern, method: HTTPMethod)]) throws(Conflict) {
        var builder = RouteTreeBuilder(routes)
        try builder.build()
        for state in builder.states {
            var node = Node()
            node.other = state.other
            node.routes = state.routes
            if !state.literals.isEmpty { addTable(of: state.literals, to: &node) }
            nodes.append(node)
        }
    }

    private func addTable(of literals: [(text: [UInt8], node: Int)], to node: inout Node) {
        var size = 2
        while size < literals.count * 2 { size *= 2 }
        (node.slots, node.mask) = (slots.count, size - 1)
        slots += repeatElement(Slot(hash: 0, start: 0, node: -1), count: size)
        for literal in literals {
            let hash = literal.text.withUnsafeBytes { Self.hash($0) }
            var index = Int(truncatingIfNeeded: hash) & node.mask
            while slots[node.slots + index].count >= 0 { index = (index + 1) & node.mask }
            slots[node.slots + index] = Slot(
                hash: hash,
                start: self.literals.count,
                count: literal.text.count,
                node: literal.node
            )
            self.literals += literal.text
        }
    }

    /// Where a path leads; nil for nowhere.
    package func find(_ segments: borrowing PathSegments) -> Int? {
        guard !nodes.isEmpty else { return nil }
        var place = 0
        segments.forEach { segment in
            place = step(from: place, segment)
            return place >= 0
        }
        return place >= 0 && nodes[place].routes != nil ? place : nil
    }

    /// The route for a method at a place; nil when there is none for it.
    package func route(at place: Int, for method: HTTPMethod) -> Int? {
        guard let routes = nodes[place].routes else { return nil }
        let route = routes[method.position]
        return route >= 0 ? route : nil
    }

    /// The methods for which there are routes at a place.
    package func methods(at place: Int) -> [HTTPMethod] {
        HTTPMethod.allCases.filter { route(at: place, for: $0) != nil }
    }

    private func step(from place: Int, _ segment: UnsafeRawBufferPointer) -> Int {
        let node = nodes[place]
        guard node.mask >= 0 else { return node.other }
        let hash = Self.hash(segment)
        var index = Int(truncatingIfNeeded: hash) & node.mask
        while true {
            let slot = slots[node.slots + index]
            if slot.count < 0 { return node.other }
            if slot.hash == hash, slot.count == segment.count, isLiteral(at: slot.start, segment) { return slot.node }
            index = (index + 1) & node.mask
        }
    }

    private func isLiteral(at start: Int, _ segment: UnsafeRawBufferPointer) -> Bool {
        literals.withUnsafeBytes { literals in
            guard let text = literals.baseAddress, let other = segment.baseAddress else { return segment.isEmpty }
            return memcmp(text + start, other, segment.count) == 0
        }
    }

    // FNV-1a. Only the program's own literals are in the tables, so nobody outside can fill a bucket.
    private static func hash(_ text: UnsafeRawBufferPointer) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in text { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        return hash
    }
}

extension HTTPMethod {
    /// The number of this method among all.
    nonisolated var position: Int {
        switch self {
        case .get: 0
        case .head: 1
        case .post: 2
        case .put: 3
        case .delete: 4
        case .options: 5
        case .patch: 6
        case .trace: 7
        case .connect: 8
        case .unknown: 9
        }
    }
}
