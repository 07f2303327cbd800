// A descriptor's events as calls of a function: for libraries that keep descriptors of their own and want to be told (c-ares,
// in SporkNet's NameChannel). Code that waits in a coroutine uses Readiness.
//
// Invariant: the descriptor is open while it is watched; who closes it calls `stop` first. Touched only on the loop's thread;
// see Readiness for why it is not on the main actor.
import CLibev

/// Calls a function whenever a descriptor can be read or written, until it is stopped or the object goes.
package nonisolated final class DescriptorWatcher {
    private let loop: OpaquePointer
    private let descriptor: Int32
    private let watcher: UnsafeMutablePointer<ev_io>
    private let action: (_ isReadable: Bool, _ isWritable: Bool) -> Void

    /// Prepares watching `descriptor`, which stays the caller's to close.
    ///
    /// `action` runs inside the loop's turn, before the coroutines of that turn. It may stop this watcher.
    package init(descriptor: Int32, action: @escaping (_ isReadable: Bool, _ isWritable: Bool) -> Void) {
        loop = EventLoop.libev
        self.descriptor = descriptor
        self.action = action
        watcher = .allocate(capacity: 1)
        watcher.initialize(to: ev_io())
        set(0)
    }

    deinit {
        ev_io_stop(loop, watcher)
        watcher.deinitialize(count: 1)
        watcher.deallocate()
    }

    /// Watches for what is asked for from now on, and for nothing else.
    package func watch(reading: Bool, writing: Bool) {
        ev_io_stop(loop, watcher)
        set((reading ? Int32(EV_READ) : 0) | (writing ? Int32(EV_WRITE) : 0))
        if reading || writing { ev_io_start(loop, watcher) }
    }

    /// Stops watching.
    ///
    /// Harmless when repeated.
    package func stop() { ev_io_stop(loop, watcher) }

    private func set(_ events: Int32) {
        let fired: @convention(c) (OpaquePointer?, UnsafeMutablePointer<ev_io>?, Int32) -> Void = {
            _,
            watcher,
            events in
            // Held until its action has returned, which may drop it.
            let this = Unmanaged<DescriptorWatcher>.fromOpaque((watcher?.pointee.data).unsafelyUnwrapped)
                .takeUnretainedValue()
            withExtendedLifetime(this) { this.action(events & Int32(EV_READ) != 0, events & Int32(EV_WRITE) != 0) }
        }
        spork_io_init(watcher, fired, descriptor, events)
        watcher.pointee.data = Unmanaged.passUnretained(self).toOpaque()
    }
}
