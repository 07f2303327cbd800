// Which connection of a client carries which request: a pure state machine, which knows connections and requests by number only. HTTPClient feeds
// it and does what it says.
//
// Invariants: an origin never has more connections than its limit; nobody waits for an origin that has a silent connection or room for another;
// each request that wants a connection is given one exactly once, unless it gives up before; who came first is served first.

/// The connections of a client and who waits for one.
package nonisolated struct ConnectionPool<Origin: Hashable> {
    /// What is kept at most.
    package struct Limits: Equatable, Sendable {
        /// How many connections an origin has at most, silent ones included.
        package var connectionsPerOrigin: Int
        /// How many silent connections are kept, of all origins together.
        package var idleConnections: Int

        package init(connectionsPerOrigin: Int, idleConnections: Int) {
            self.connectionsPerOrigin = connectionsPerOrigin
            self.idleConnections = idleConnections
        }
    }

    /// What has happened.
    package enum Event {
        /// A request wants a connection; a fresh one where it must not be one that was silent.
        case wanted(request: Int, Origin, fresh: Bool)
        /// A request that has not been given one does not want it any more.
        case gaveUp(request: Int)
        /// A connection has done what it was for, and can be used again.
        case released(Int)
        /// A connection is no more: it could not be made, or is closed, or will be.
        case ended(Int)
    }

    /// What is to be done.
    package enum Action: Equatable {
        /// Make a connection, known by this number from now on, for a request.
        case connect(request: Int, Int)
        /// Use a connection for a request.
        case use(request: Int, Int)
        /// Keep a connection until it is used, or its time is over.
        case park(Int)
        /// Close a silent connection; the pool has forgotten it.
        case close(Int)
    }

    private struct Place {
        var connections = 0
        var waiting: [(request: Int, fresh: Bool)] = []
    }

    private let limits: Limits
    private var places: [Origin: Place] = [:]
    private var origins: [Int: Origin] = [:]
    // Those that have been silent for longest stand first.
    private var idle: [Int] = []
    private var lastConnection = 0

    package init(_ limits: Limits) { self.limits = limits }

    /// How many connections there are, those that are being made included.
    package var connections: Int { origins.count }
    /// How many of them are silent.
    package var idleConnections: Int { idle.count }
    /// How many requests wait.
    package var waiting: Int { places.values.reduce(0) { $0 + $1.waiting.count } }

    /// Decides what is to be done about an event.
    package mutating func on(_ event: Event) -> [Action] {
        switch event {
        case .wanted(let request, let origin, let fresh): want(request, origin, fresh)
        case .gaveUp(let request): giveUp(request)
        case .released(let connection): release(connection)
        case .ended(let connection): end(connection)
        }
    }

    /// Forgets all silent connections.
    package mutating func closeIdle() -> [Action] {
        let all = idle
        for connection in all { forget(connection) }
        return all.map { .close($0) }
    }

    private mutating func want(_ request: Int, _ origin: Origin, _ fresh: Bool) -> [Action] {
        let silent = idle.last { origins[$0] == origin }
        if !fresh, let silent {
            idle.removeAll { $0 == silent }
            return [.use(request: request, silent)]
        }
        if places[origin, default: Place()].connections < limits.connectionsPerOrigin {
            return [connect(request, origin)]
        }
        if fresh, let oldest = idle.first(where: { origins[$0] == origin }) {
            forget(oldest)
            return [.close(oldest), connect(request, origin)]
        }
        places[origin, default: Place()].waiting.append((request, fresh))
        return []
    }

    private mutating func giveUp(_ request: Int) -> [Action] {
        for (origin, place) in places {
            guard let index = place.waiting.firstIndex(where: { $0.request == request }) else { continue }
            places[origin]?.waiting.remove(at: index)
            return []
        }
        return []
    }

    private mutating func release(_ connection: Int) -> [Action] {
        guard let origin = origins[connection] else { return [] }
        // It has just answered: that is fresh enough for anybody.
        if let next = nextWaiting(for: origin) { return [.use(request: next, connection)] }
        guard limits.idleConnections > 0 else {
            forget(connection)
            return [.close(connection)]
        }
        var actions = [Action.park(connection)]
        if idle.count == limits.idleConnections {
            actions.append(.close(idle[0]))
            forget(idle[0])
        }
        idle.append(connection)
        return actions
    }

    private mutating func end(_ connection: Int) -> [Action] {
        guard let origin = origins[connection] else { return [] }
        forget(connection)
        guard let next = nextWaiting(for: origin) else { return [] }
        return [connect(next, origin)]
    }

    private mutating func connect(_ request: Int, _ origin: Origin) -> Action {
        lastConnection += 1
        origins[lastConnection] = origin
        places[origin, default: Place()].connections += 1
        return .connect(request: request, lastConnection)
    }

    private mutating func nextWaiting(for origin: Origin) -> Int? {
        guard let place = places[origin], !place.waiting.isEmpty else { return nil }
        return places[origin]?.waiting.removeFirst().request
    }

    private mutating func forget(_ connection: Int) {
        guard let origin = origins.removeValue(forKey: connection), var place = places[origin] else { return }
        idle.removeAll { $0 == connection }
        place.connections -= 1
        places[origin] = place.connections == 0 && place.waiting.isEmpty ? nil : place
    }
}
