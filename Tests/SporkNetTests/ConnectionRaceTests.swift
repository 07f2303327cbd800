// The race between addresses without I/O: the cases that RFC 8305 describes, then every order of events in small races.
import Glibc
import SporkNet
import Testing

private let six = [address("2001:db8::1"), address("2001:db8::2")]
private let four = [address("192.0.2.1"), address("192.0.2.2")]
private let refused = SystemError("connect", "x", number: ECONNREFUSED)
private let attemptDelay = ConnectionRace.Delays().attempt
private let resolutionDelay = ConnectionRace.Delays().resolution

private func address(_ host: String) -> SocketAddress {
    guard let address = SocketAddress(host: host, port: 80) else { fatalError("no address: \(host)") }
    return address
}

@Suite struct ConnectionRaceTests {
    @Test("IPv6 known first starts at once; the families take turns; each failure starts the next")
    func alternating() {
        var race = ConnectionRace()
        #expect(race.on(.resolved(.ipv6, six)) == [.start(attempt: 0, six[0]), .setTimer(attemptDelay)])
        #expect(race.on(.resolved(.ipv4, four)) == [])
        #expect(race.on(.timerFired) == [.start(attempt: 1, four[0]), .setTimer(attemptDelay)])
        #expect(race.on(.failed(attempt: 0, refused)) == [.start(attempt: 2, six[1]), .setTimer(attemptDelay)])
        #expect(race.on(.timerFired) == [.start(attempt: 3, four[1])])
        #expect(race.on(.failed(attempt: 1, refused)) == [])
        #expect(race.on(.failed(attempt: 3, refused)) == [])
        #expect(race.on(.failed(attempt: 2, refused)) == [.lose])
        #expect(race.attempts.map(\.address) == [six[0], four[0], six[1], four[1]])
        #expect(race.isOver)
    }

    @Test("IPv4 known first waits for IPv6, 50 ms at most")
    func resolutionDelayed() {
        var race = ConnectionRace()
        #expect(race.on(.resolved(.ipv4, four)) == [.setTimer(resolutionDelay)])
        #expect(race.on(.resolved(.ipv6, six)) == [.start(attempt: 0, six[0]), .setTimer(attemptDelay)])

        race = ConnectionRace()
        #expect(race.on(.resolved(.ipv4, [four[0]])) == [.setTimer(resolutionDelay)])
        #expect(race.on(.timerFired) == [.start(attempt: 0, four[0]), .setTimer(attemptDelay)])
        #expect(race.on(.timerFired) == [])
        #expect(race.on(.resolved(.ipv6, [six[0]])) == [.start(attempt: 1, six[0])])
        #expect(race.on(.succeeded(attempt: 1)) == [.win(attempt: 1)])
        #expect(race.on(.failed(attempt: 0, refused)) == [])

        // There is nothing to wait for.
        race = ConnectionRace()
        #expect(race.on(.resolved(.ipv6, [])) == [])
        #expect(race.on(.resolved(.ipv4, [four[0]])) == [.start(attempt: 0, four[0])])
        race = ConnectionRace()
        #expect(race.on(.resolved(.ipv4, [four[0]])) == [.setTimer(resolutionDelay)])
        #expect(race.on(.resolved(.ipv6, [])) == [.start(attempt: 0, four[0]), .stopTimer])
    }

    @Test("a private IPv6 address comes after IPv4, as RFC 6724 has it")
    func preference() {
        var race = ConnectionRace()
        _ = race.on(.resolved(.ipv4, [four[0]]))
        #expect(
            race.on(.resolved(.ipv6, [address("fd00::1")])) == [.start(attempt: 0, four[0]), .setTimer(attemptDelay)]
        )
    }

    @Test("no address, a failed resolution, and a limit that passes")
    func ends() {
        var race = ConnectionRace()
        #expect(race.on(.resolved(.ipv6, [])) == [])
        #expect(race.on(.resolved(.ipv4, [])) == [.lose])

        race = ConnectionRace()
        let failure = NameError("a.test", .notFound)
        #expect(race.on(.resolutionFailed(failure)) == [.lose])
        #expect(race.resolutionFailure == failure)

        race = ConnectionRace()
        _ = race.on(.resolved(.ipv6, six))
        #expect(race.on(.limitPassed) == [.stopTimer, .lose])
        #expect(race.hasExpired)
        #expect(race.on(.succeeded(attempt: 0)) == [])
        #expect(race.attempts.first?.state == .running)
    }

    @Test("after a failure that leaves nothing to try, what comes later is tried at once")
    func lateAddresses() {
        var race = ConnectionRace()
        #expect(race.on(.resolved(.ipv6, [six[0]])) == [.start(attempt: 0, six[0]), .setTimer(attemptDelay)])
        #expect(race.on(.failed(attempt: 0, refused)) == [.stopTimer])
        #expect(race.on(.resolved(.ipv4, [four[0]])) == [.start(attempt: 1, four[0])])
        #expect(race.on(.failed(attempt: 1, refused)) == [.lose])
    }

    @Test("every order of events, with 0 to 2 addresses of each family")
    func exhaustive() {
        var walk = Walk()
        for sixes in 0...2 {
            for fours in 0...2 {
                walk.addresses = [.ipv6: Array(six.prefix(sixes)), .ipv4: Array(four.prefix(fours))]
                walk.go(ConnectionRace(), Walk.World())
            }
        }
        #expect(walk.ends > 1000)
        #expect(walk.problems == [])
    }
}

// Goes through every order in which things can happen, and keeps account of what a driver would have under way.
private struct Walk {
    struct World {
        var unresolved: Set<AddressFamily> = [.ipv6, .ipv4]
        var running: Set<Int> = []
        var started: [SocketAddress] = []
        var timerRuns = false
        var failures = 0
        var known = 0
    }

    var addresses: [AddressFamily: [SocketAddress]] = [:]
    var ends = 0
    var problems: Set<String> = []

    mutating func go(_ race: ConnectionRace, _ world: World) {
        var events: [ConnectionRace.Event] = world.unresolved.map { .resolved($0, addresses[$0] ?? []) }
        if !world.unresolved.isEmpty { events.append(.resolutionFailed(NameError("a", .timedOut))) }
        if world.timerRuns { events.append(.timerFired) }
        for attempt in world.running { events += [.failed(attempt: attempt, refused), .succeeded(attempt: attempt)] }
        check(!events.isEmpty, "nothing is under way and it is not over")
        events.append(.limitPassed)
        for event in events { step(race, world, event) }
    }

    private mutating func step(_ before: ConnectionRace, _ world: World, _ event: ConnectionRace.Event) {
        var (race, world) = (before, world)
        switch event {
        case .resolved(let family, let addresses):
            world.unresolved.remove(family)
            world.known += addresses.count
        case .resolutionFailed: world.unresolved = []
        case .timerFired: world.timerRuns = false
        case .failed(let attempt, _):
            world.running.remove(attempt)
            world.failures += 1
        case .succeeded, .limitPassed: break
        }
        var isOver = false
        for action in race.on(event) {
            check(!isOver, "an action after the last")
            switch action {
            case .start(let attempt, let address):
                check(attempt == world.started.count, "attempts are numbered in order")
                check(!world.started.contains(address), "an address is tried twice")
                world.started.append(address)
                world.running.insert(attempt)
            case .setTimer: world.timerRuns = true
            case .stopTimer:
                check(world.timerRuns, "a timer that does not run is stopped")
                world.timerRuns = false
            case .win(let attempt):
                check(event == .succeeded(attempt: attempt), "another attempt than the connected one wins")
                isOver = true
            case .lose where event == .limitPassed: isOver = true
            case .lose:
                check(world.running.isEmpty && world.unresolved.isEmpty, "given up while there is hope")
                check(world.failures == world.started.count, "given up before all have failed")
                isOver = true
            }
        }
        check(race.isOver == isOver, "over or not")
        // After a failure the next known address is tried at once.
        if case .failed = event, !isOver, world.started.count == before.attempts.count {
            check(world.started.count == world.known, "a failure that starts nothing")
        }
        if isOver {
            check(!world.timerRuns, "a timer runs after the end")
            check(race.on(.timerFired) == [], "something follows the end")
            ends += 1
        } else {
            go(race, world)
        }
    }

    private mutating func check(_ holds: Bool, _ problem: String) { if !holds { problems.insert(problem) } }
}
