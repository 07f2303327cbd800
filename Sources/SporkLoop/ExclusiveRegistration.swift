// A listener's place in the epoll set of this process, so that a connection wakes one of the workers that wait for it, not all. Used by
// Readiness, for descriptors that several processes share.
//
// libev registers the descriptor first, because only then is it known which word it expects with events; within the same turn the
// registration is replaced by an exclusive one (EPOLLEXCLUSIVE, epoll_ctl(2)). From there on libev's watcher is never stopped:
// leaving the set and coming back is ours, at one system call each. Without /proc, or without libev's epoll descriptor, libev's
// own registration stays.
import CLibev
import CSporkShims

/// How a descriptor stands in the epoll set.
nonisolated final class ExclusiveRegistration {
    private enum State {
        case absent
        case libevs
        case exclusive
        case left
    }

    private let descriptor: Int32
    private let watcher: UnsafeMutablePointer<ev_io>
    private var state = State.absent
    private var word: UInt64 = 0
    // Due at once, so it fires in the turn in which libev has registered the descriptor, after that.
    private var upgrade: LoopTimer?

    /// Prepares joining; `watcher` is the caller's, who leaves it to this object from here on.
    init(descriptor: Int32, watcher: UnsafeMutablePointer<ev_io>) {
        self.descriptor = descriptor
        self.watcher = watcher
        upgrade = LoopTimer { [unowned self] in becomeExclusive() }
    }

    /// Joins the set.
    func join() {
        switch state {
        case .absent:
            ev_io_start(EventLoop.libev, watcher)
            upgrade?.start(after: .zero)
            state = .libevs
        case .left:
            ev_ref(EventLoop.libev)
            add()
        case .libevs, .exclusive: break
        }
    }

    /// Leaves the set: no connection wakes this process.
    func leave() {
        switch state {
        case .absent, .left: break
        case .libevs:
            upgrade?.stop()
            ev_io_stop(EventLoop.libev, watcher)
            // libev leaves it in the set until it fires; here that would take a wake-up from another process.
            _ = spork_epoll_remove(EventLoop.epoll, descriptor)
            state = .absent
        case .exclusive:
            _ = spork_epoll_remove(EventLoop.epoll, descriptor)
            markLeft()
        }
    }

    /// Leaves a set that libev has made anew, with everything in it that it knows of (it does after an error of epoll_ctl).
    func leaveAgain() {
        guard state == .left else { return }
        end()
        _ = spork_epoll_remove(EventLoop.epoll, descriptor)
    }

    /// Leaves the set for good.
    func end() {
        leave()
        guard state == .left else { return }
        ev_ref(EventLoop.libev)
        ev_io_stop(EventLoop.libev, watcher)
        state = .absent
    }

    private func becomeExclusive() {
        guard state == .libevs, spork_epoll_word(EventLoop.epoll, descriptor, &word),
            spork_epoll_remove(EventLoop.epoll, descriptor) == 0
        else { return }
        add()
    }

    private func add() {
        if spork_epoll_add_exclusively(EventLoop.epoll, descriptor, word) == 0 { return state = .exclusive }
        // No room in the kernel for it (ENOMEM, ENOSPC): libev registers it, and tells of it when it cannot either.
        ev_io_stop(EventLoop.libev, watcher)
        ev_io_start(EventLoop.libev, watcher)
        state = .libevs
    }

    // A watcher that cannot fire keeps nobody waiting.
    private func markLeft() {
        ev_unref(EventLoop.libev)
        state = .left
    }
}
