// Who may send a broadcast or multicast datagram now, and who waits. Each UDPSocket has one; DatagramSocket's sending asks it.
//
// Invariants: nothing goes that the budget does not allow; those who wait go in the order in which they came, and a sender that does not
// wait never overtakes them.
import Glibc
import SporkLoop

/// The gate before the broadcasts of one socket.
package final class BroadcastLimiter {
    /// What is left to send; nil for no limit.
    package var budget: SendBudget? {
        didSet { if budget?.interval != oldValue?.interval || budget?.burst != oldValue?.burst { waiting.wakeAll() } }
    }

    /// Whether the socket may send to broadcast addresses at all (SO_BROADCAST).
    package let allowsBroadcast: Bool

    private var isHeld = false
    private var isClosed = false
    // The one whose turn is next waits for the clock, the others behind it for their turn.
    private let waiting = WaitList()
    private let behind = WaitList()
    private var known: [UInt32: Bool] = [:]
    private var knownUntil = -Double.infinity

    // How long an answer holds, and how many are kept. Interfaces come and go, but not every moment.
    private static let secondsKnown = 1.0
    private static let mostKnown = 256

    package init(budget: SendBudget?, allowsBroadcast: Bool) {
        self.budget = budget
        self.allowsBroadcast = allowsBroadcast
    }

    /// Whether what is sent there counts: multicast, the limited broadcast address, and the broadcast address of a network that this machine
    /// is in.
    package func applies(to address: SocketAddress?) -> Bool {
        guard budget != nil else { return false }
        switch address {
        case .ipv6(let host, _, _): return host[0] == 0xFF
        case .ipv4(let host, _): return host >> 28 == 0xE || host == .max || (allowsBroadcast && isDirected(host))
        case .unix, .abstract, nil: return false
        }
    }

    /// How many may go now.
    ///
    /// - Parameter hasPassed: `pass` has let the caller through, and it has not suspended since.
    package func available(hasPassed: Bool) -> Int {
        guard let budget else { return .max }
        return isHeld && !hasPassed ? 0 : budget.available(at: Self.now)
    }

    /// Notes that so many have gone.
    package func spend(_ count: Int) { budget?.spend(count, at: Self.now) }

    /// Suspends until one may go.
    ///
    /// It is for the caller to send it before anything else is awaited.
    package func pass(until deadline: Deadline) async -> Wait.Outcome {
        if isHeld {
            let turn = await Wait.park(in: behind, until: deadline, for: Wait.Reason("wait for its turn to broadcast"))
            guard turn == .woken else { return turn }
        }
        isHeld = true
        defer { if !behind.wakeFirst() { isHeld = false } }
        while let nanoseconds = budget?.wait(at: Self.now), nanoseconds > 0, !isClosed {
            let due = Deadline(seconds: EventLoop.monotonicSeconds() + Double(nanoseconds) * 1e-9)
            let reason = Wait.Reason("wait for the broadcast budget")
            switch await Wait.park(in: waiting, until: min(due, deadline), for: reason) {
            case .timedOut where deadline <= due: return .timedOut
            case .woken, .timedOut: continue
            case .cancelled: return .cancelled
            case .closed: return .closed
            }
        }
        return isClosed ? .closed : .woken
    }

    /// Sends away those who wait.
    package func close() {
        isClosed = true
        behind.wakeAll(.closed)
        waiting.wakeAll(.closed)
    }

    /// Whether an IPv4 address is a broadcast address, as the kernel sees it.
    ///
    /// Asked of the kernel and not worked out from the interfaces' netmasks, because it is the kernel's routes that decide, and one question
    /// costs less than a list of all interfaces: it refuses to connect a socket without SO_BROADCAST to such an address (EACCES, ip(7)).
    package static func isBroadcast(_ host: UInt32) -> Bool {
        let probe = socket(AF_INET, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        // Without a descriptor to ask with it counts as one: a delay is better than a storm.
        guard probe >= 0 else { return true }
        defer { Glibc.close(probe) }
        // Connecting sends nothing; the port does not matter, but must not be 0.
        let answer = SocketAddress.ipv4(host, port: 9).withSystemAddress { Glibc.connect(probe, $0, $1) }
        return answer != 0 && errno == EACCES
    }

    private func isDirected(_ host: UInt32) -> Bool {
        let now = EventLoop.monotonicSeconds()
        if now >= knownUntil || known.count >= Self.mostKnown {
            known.removeAll(keepingCapacity: true)
            knownUntil = now + Self.secondsKnown
        }
        if let answer = known[host] { return answer }
        let answer = Self.isBroadcast(host)
        known[host] = answer
        return answer
    }

    private static var now: Int64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}
