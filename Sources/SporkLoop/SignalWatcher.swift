// A signal as a call inside the loop's turn. Workers use it to hear that they shall drain or stop. libev keeps one
// watcher list for a signal number in the whole process, so this is for the process that runs a loop, never the master.
import CLibev

/// Calls a function whenever the process gets a signal, until the object goes.
package nonisolated final class SignalWatcher {
    private let loop: OpaquePointer
    private let watcher: UnsafeMutablePointer<ev_signal>
    private let action: () -> Void

    /// Starts watching for the signal `number`.
    ///
    /// It no longer does what it does by default.
    package init(_ number: Int32, action: @escaping () -> Void) {
        loop = EventLoop.libev
        self.action = action
        watcher = .allocate(capacity: 1)
        watcher.initialize(to: ev_signal())
        let fired: @convention(c) (OpaquePointer?, UnsafeMutablePointer<ev_signal>?, Int32) -> Void = { _, watcher, _ in
            Unmanaged<SignalWatcher>.fromOpaque((watcher?.pointee.data).unsafelyUnwrapped).takeUnretainedValue()
                .action()
        }
        spork_signal_init(watcher, fired, number)
        watcher.pointee.data = Unmanaged.passUnretained(self).toOpaque()
        ev_signal_start(loop, watcher)
        // It may always fire, so it says nothing about whether somebody waits; who does, says so.
        ev_unref(loop)
    }

    deinit {
        ev_ref(loop)
        ev_signal_stop(loop, watcher)
        watcher.deinitialize(count: 1)
        watcher.deallocate()
    }
}
