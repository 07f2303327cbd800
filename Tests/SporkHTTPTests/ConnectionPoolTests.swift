// The client's pool: each rule by itself, then every sequence of events up to a length, against a model that knows only the rules.
import SporkHTTP
import Testing

private typealias Pool = ConnectionPool<String>

@Suite struct ConnectionPoolTests {
    private func pool(_ connections: Int = 2, idle: Int = 2) -> Pool {
        Pool(.init(connectionsPerOrigin: connections, idleConnections: idle))
    }

    @Test("a silent connection is used before another is made, the one first that was silent for the shortest time")
    func reuse() {
        var pool = pool()
        #expect(pool.on(.wanted(request: 1, "a", fresh: false)) == [.connect(request: 1, 1)])
        #expect(pool.on(.wanted(request: 2, "a", fresh: false)) == [.connect(request: 2, 2)])
        #expect(pool.on(.released(1)) == [.park(1)])
        #expect(pool.on(.released(2)) == [.park(2)])
        #expect(pool.on(.wanted(request: 3, "a", fresh: false)) == [.use(request: 3, 2)])
        #expect(pool.on(.wanted(request: 4, "b", fresh: false)) == [.connect(request: 4, 3)])
        #expect((pool.connections, pool.idleConnections, pool.waiting) == (3, 1, 0))
    }

    @Test(
        "beyond the limit requests wait, and are served in their order: by a connection that is free, or a new one in place of one that ended"
    )
    func waiting() {
        var pool = pool(1)
        #expect(pool.on(.wanted(request: 1, "a", fresh: false)) == [.connect(request: 1, 1)])
        for request in 2...4 { #expect(pool.on(.wanted(request: request, "a", fresh: false)) == []) }
        #expect(pool.on(.gaveUp(request: 3)) == [])
        #expect(pool.on(.released(1)) == [.use(request: 2, 1)])
        #expect(pool.on(.ended(1)) == [.connect(request: 4, 2)])
        #expect(pool.on(.gaveUp(request: 4)) == [], "it has been given one: what becomes of that is another event")
        #expect(pool.on(.ended(2)) == [])
        #expect((pool.connections, pool.waiting) == (0, 0))
    }

    @Test("a fresh connection is not one that was silent, which makes room where there is none")
    func fresh() {
        var pool = pool(1)
        _ = pool.on(.wanted(request: 1, "a", fresh: false))
        _ = pool.on(.released(1))
        #expect(pool.on(.wanted(request: 2, "a", fresh: true)) == [.close(1), .connect(request: 2, 2)])
        #expect(pool.on(.ended(1)) == [], "the pool has forgotten it")
        #expect(pool.connections == 1)
    }

    @Test(
        "of too many silent connections the one goes that was silent for longest; without room for any it is closed at once"
    )
    func idleLimit() {
        var pool = pool(9, idle: 2)
        for (request, origin) in [(1, "a"), (2, "b"), (3, "c")] {
            _ = pool.on(.wanted(request: request, origin, fresh: false))
        }
        #expect(pool.on(.released(2)) == [.park(2)])
        #expect(pool.on(.released(1)) == [.park(1)])
        #expect(pool.on(.released(3)) == [.park(3), .close(2)])
        #expect(pool.closeIdle() == [.close(1), .close(3)])
        var none = self.pool(1, idle: 0)
        _ = none.on(.wanted(request: 1, "a", fresh: false))
        #expect(none.on(.released(1)) == [.close(1)])
        #expect(none.connections == 0)
    }

    /// What is known from outside: who has what.
    private struct Model {
        var pool: Pool
        var nextRequest = 0
        var origins: [Int: String] = [:]
        var waiting: [Int] = []
        var used: [Int] = []
        var parked: [Int] = []
        var owners: [Int: String] = [:]
        var fresh: Set<Int> = []

        mutating func apply(_ actions: [Pool.Action]) {
            for action in actions {
                switch action {
                case .connect(let request, let connection):
                    #expect(owners[connection] == nil)
                    owners[connection] = origins[request]
                    used.append(connection)
                    serve(request)
                case .use(let request, let connection):
                    #expect(owners[connection] == origins[request])
                    #expect(!fresh.contains(request) || !parked.contains(connection))
                    parked.removeAll { $0 == connection }
                    if !used.contains(connection) { used.append(connection) }
                    serve(request)
                case .park(let connection):
                    used.removeAll { $0 == connection }
                    parked.append(connection)
                case .close(let connection):
                    #expect(!used.contains(connection) || parked.isEmpty)
                    (used, parked) = (used.filter { $0 != connection }, parked.filter { $0 != connection })
                    owners[connection] = nil
                }
            }
        }

        private mutating func serve(_ request: Int) {
            let origin = origins[request]
            // Nobody of the same origin has waited for longer.
            #expect(waiting.first { origins[$0] == origin } == request)
            waiting.removeAll { $0 == request }
        }

        func check(_ limit: Int, _ idle: Int) -> Bool {
            let counts = Dictionary(grouping: owners.values, by: { $0 }).mapValues(\.count)
            let waitFor = Set(waiting.compactMap { origins[$0] })
            return counts.values.allSatisfy { $0 <= limit } && parked.count <= idle
                && waitFor.allSatisfy { origin in
                    counts[origin] == limit && !parked.contains { owners[$0] == origin }
                }
                && pool.connections == owners.count && pool.idleConnections == parked.count
                && pool.waiting == waiting.count
        }
    }

    @Test("every sequence of seven events keeps the rules", arguments: [(1, 0), (1, 1), (2, 1), (2, 3)])
    func exhaustively(_ limit: Int, _ idle: Int) {
        var sequences = 0
        func go(_ model: Model, _ depth: Int) {
            sequences += 1
            guard model.check(limit, idle) else {
                Issue.record("the rules are broken: \(model)")
                return
            }
            if depth == 0 { return }
            func then(_ event: Pool.Event, _ change: (inout Model) -> Void) {
                var next = model
                change(&next)
                let actions = next.pool.on(event)
                next.apply(actions)
                go(next, depth - 1)
            }
            for origin in ["a", "b"] {
                for fresh in [false, true] {
                    let request = model.nextRequest
                    then(.wanted(request: request, origin, fresh: fresh)) {
                        $0.nextRequest += 1
                        $0.origins[request] = origin
                        $0.waiting.append(request)
                        if fresh { $0.fresh.insert(request) }
                    }
                }
            }
            if let request = model.waiting.last {
                then(.gaveUp(request: request)) { $0.waiting.removeLast() }
            }
            if let connection = model.used.first { then(.released(connection)) { _ in } }
            for connection in [model.used.last, model.parked.first].compactMap({ $0 }) {
                then(.ended(connection)) {
                    $0.used.removeAll { $0 == connection }
                    $0.parked.removeAll { $0 == connection }
                    $0.owners[connection] = nil
                }
            }
        }
        go(Model(pool: pool(limit, idle: idle)), 7)
        #expect(sequences > 10_000)
    }
}
