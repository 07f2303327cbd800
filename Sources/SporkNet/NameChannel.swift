// c-ares on the loop: questions to name servers and their answers, over sockets that c-ares opens and the loop watches.
//
// c-ares has no thread and never blocks here; what it does itself is the packets, the retries, other servers, and TCP where an answer
// was too long. It opens its sockets for the first question and closes them with the last. Hosts file, search list and
// addresses written out are NameResolver's; c-ares is asked for one type of one name.
//
// Invariants: each question is answered once, perhaps before `ask` returns, at the latest by `cancelAll` or `close`; its answer
// keeps this object alive until then. Whoever makes a channel closes it. Not on the main actor, because c-ares' callbacks
// are plain C; touched only on the loop's thread.
import CCares
import Glibc
import SporkLoop

/// A way to name servers.
nonisolated final class NameChannel {
    /// How many lookups use it.
    var lookups = 0
    /// Domains in which short names are looked for.
    private(set) var searchDomains: [String] = []
    /// How many dots let a name be tried as it is first.
    private(set) var dots = 1

    private var handle: ares_channel?
    private var hasOneServer = false
    private var watchers: [Int32: DescriptorWatcher] = [:]
    private lazy var timer = LoopTimer { [unowned self] in timerFired() }
    private var timerIsDueAt = Double.infinity
    private var questions = 0
    // No question can be overdue earlier than this after it was asked.
    private let shortestWait: Duration
    private let mostAddresses: Int

    // What c-ares keeps of a question.
    private final class Question {
        let channel: NameChannel
        let family: AddressFamily
        let then: (NameSearch.Answer) -> Void

        init(_ channel: NameChannel, _ family: AddressFamily, _ then: @escaping (NameSearch.Answer) -> Void) {
            self.channel = channel
            self.family = family
            self.then = then
        }
    }

    /// Opens a channel; reads resolv.conf.
    ///
    /// Nil when the settings are of no use to c-ares.
    init?(_ configuration: NameResolver.Configuration) {
        shortestWait = max(.milliseconds(1), configuration.timeoutPerTry / 2)
        mostAddresses = max(1, configuration.mostAddresses)
        ares_library_init(ARES_LIB_INIT_NONE)
        guard let opened = Self.open(configuration, for: self) else { return nil }
        (handle, hasOneServer) = opened
        (searchDomains, dots) = Self.search(of: opened.handle)
        if let domains = configuration.searchDomains { searchDomains = domains }
        if let dots = configuration.dotsOfWholeNames { self.dots = dots }
    }

    deinit { precondition(handle == nil, "whoever makes a channel closes it") }

    /// Asks the name servers for the addresses of `name` of one family.
    func ask(_ name: String, _ family: AddressFamily, then: @escaping (NameSearch.Answer) -> Void) {
        guard let handle else { preconditionFailure("a channel that is closed was asked") }
        questions += 1
        let question = Unmanaged.passRetained(Question(self, family, then))
        ares_query(
            handle,
            name,
            Self.internetClass,
            family == .ipv6 ? Self.typeAAAA : Self.typeA,
            { data, status, _, bytes, count in
                let question = Unmanaged<Question>.fromOpaque(data.unsafelyUnwrapped).takeRetainedValue()
                question.channel.answered(question, status, UnsafeBufferPointer(start: bytes, count: Int(count)))
            },
            question.toOpaque()
        )
        keepTime()
    }

    /// Answers all questions with `.cancelled`, and closes the sockets.
    func cancelAll() {
        ares_cancel(handle)
        keepTime()
    }

    /// The same, for ever.
    func close() {
        guard let handle else { return }
        self.handle = nil
        ares_destroy(handle)
        timer.stop()
    }

    private static let internetClass: Int32 = 1
    private static let typeA: Int32 = 1
    private static let typeAAAA: Int32 = 28

    private func answered(_ question: Question, _ status: Int32, _ bytes: UnsafeBufferPointer<UInt8>) {
        questions -= 1
        if let reason = Status(status).reason {
            // Of several servers c-ares says this, too, when one of them has answered that it failed.
            let isVague = reason == .serverUnreachable && !hasOneServer
            return question.then(.failed(isVague ? .serverFailure : reason))
        }
        question.then(Self.parse(bytes, question.family, mostAddresses))
    }

    private func socketChanged(_ descriptor: Int32, reading: Bool, writing: Bool) {
        if reading || writing {
            let watcher = watchers[descriptor] ?? makeWatcher(descriptor)
            watchers[descriptor] = watcher
            watcher.watch(reading: reading, writing: writing)
        } else {
            // c-ares closes it next; whoever still holds the watcher must not find it armed.
            watchers.removeValue(forKey: descriptor)?.stop()
        }
    }

    private func makeWatcher(_ descriptor: Int32) -> DescriptorWatcher {
        DescriptorWatcher(descriptor: descriptor) { [unowned self] isReadable, isWritable in
            withExtendedLifetime(self) {
                ares_process_fd(
                    handle,
                    isReadable ? descriptor : ARES_SOCKET_BAD,
                    isWritable ? descriptor : ARES_SOCKET_BAD
                )
                keepTime()
            }
        }
    }

    // c-ares finds its next time-out by going through all questions, so it is asked only when the timer fires; until then the
    // timer is set so that it cannot fire too late.
    private func keepTime() {
        guard questions > 0 else { return stopTimer() }
        let latest = EventLoop.monotonicSeconds() + shortestWait.seconds
        if timerIsDueAt > latest { startTimer(after: shortestWait) }
    }

    private func timerFired() {
        withExtendedLifetime(self) {
            stopTimer()
            ares_process_fd(handle, ARES_SOCKET_BAD, ARES_SOCKET_BAD)
            guard questions > 0 else { return stopTimer() }
            var next = timeval()
            guard ares_timeout(handle, nil, &next) != nil else { return keepTime() }
            let wait = Duration.seconds(next.tv_sec) + .microseconds(next.tv_usec)
            startTimer(after: min(max(.milliseconds(1), wait), Self.longestWait))
        }
    }

    private static let longestWait = Duration.seconds(60)

    private func startTimer(after wait: Duration) {
        timerIsDueAt = EventLoop.monotonicSeconds() + wait.seconds
        timer.start(after: wait)
    }

    private func stopTimer() {
        guard timerIsDueAt < .infinity else { return }
        timerIsDueAt = .infinity
        timer.stop()
    }

    /// Says that c-ares has opened, changed or is about to close a socket.
    static func socketChanged(_ data: UnsafeMutableRawPointer?, _ descriptor: Int32, _ reading: Int32, _ writing: Int32)
    {
        Unmanaged<NameChannel>.fromOpaque(data.unsafelyUnwrapped).takeUnretainedValue()
            .socketChanged(descriptor, reading: reading != 0, writing: writing != 0)
    }
}
