// Works out the nodes of a RouteTree: the subset construction that makes an automaton without choices of one with choices. Runs once, when a
// router is used first.

/// Makes the nodes of a tree of routes.
nonisolated struct RouteTreeBuilder {
    /// A node to be.
    struct State {
        var literals: [(text: [UInt8], node: Int)] = []
        var other = -1
        var routes: [Int]?
    }

    // How much of a route the segments so far have matched; as many as it has segments for a whole one.
    private struct Progress: Hashable {
        let route: Int
        let position: Int
    }

    private let routes: [(pattern: RoutePattern, method: HTTPMethod)]
    private(set) var states: [State] = []
    private var known: [[Progress]: Int] = [:]

    init(_ routes: [(pattern: RoutePattern, method: HTTPMethod)]) { self.routes = routes }

    mutating func build() throws(RouteTree.Conflict) {
        guard !routes.isEmpty else { return }
        // The most specific first; whatever subset of them is left on a way is then in order, too.
        let order = routes.indices.sorted { left, right in
            let (first, second) = (routes[left].pattern.rank, routes[right].pattern.rank)
            return first == second ? left < right : first.lexicographicallyPrecedes(second)
        }
        _ = try node(for: order.map { Progress(route: $0, position: 0) })
    }

    private mutating func node(for set: [Progress]) throws(RouteTree.Conflict) -> Int {
        if set.isEmpty { return -1 }
        if let node = known[set] { return node }
        let node = states.count
        known[set] = node
        states.append(State())
        states[node].routes = try ends(of: set)
        var seen: Set<[UInt8]> = []
        for progress in set {
            guard case .literal(let text) = segment(progress), seen.insert(text).inserted else { continue }
            let next = try self.node(for: set.compactMap { advance($0, over: text) })
            states[node].literals.append((text, next))
        }
        states[node].other = try self.node(for: set.compactMap { advance($0, over: nil) })
        // An empty segment is a literal of its own, because no parameter stands for one.
        if !seen.contains([]) {
            let next = try self.node(for: set.compactMap { advance($0, over: []) })
            if next != states[node].other { states[node].literals.append(([], next)) }
        }
        return node
    }

    private func segment(_ progress: Progress) -> RoutePattern.Segment? {
        let segments = routes[progress.route].pattern.segments
        return progress.position < segments.count ? segments[progress.position] : nil
    }

    /// What becomes of a route when a segment follows: this one, or one that is none of the literals.
    private func advance(_ progress: Progress, over text: [UInt8]?) -> Progress? {
        let segments = routes[progress.route].pattern.segments
        switch segment(progress) {
        case .literal(let literal):
            return literal == text ? Progress(route: progress.route, position: progress.position + 1) : nil
        case .parameter:
            return text == [] ? nil : Progress(route: progress.route, position: progress.position + 1)
        case .rest:
            return Progress(route: progress.route, position: segments.count)
        case nil:
            if case .rest = segments.last { return progress }
            return nil
        }
    }

    /// The routes that end here, by method; nil for none.
    private func ends(of set: [Progress]) throws(RouteTree.Conflict) -> [Int]? {
        var found: [Int]?
        for progress in set where progress.position == routes[progress.route].pattern.segments.count {
            let (pattern, method) = routes[progress.route]
            let taken = found?[method.position] ?? -1
            if taken < 0 {
                found = found ?? [Int](repeating: -1, count: HTTPMethod.allCases.count)
                found?[method.position] = progress.route
            } else if routes[taken].pattern.isSameShape(as: pattern) {
                throw RouteTree.Conflict(first: min(taken, progress.route), second: max(taken, progress.route))
            }
        }
        return found
    }
}
