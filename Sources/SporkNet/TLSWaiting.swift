// Who waits on a TLS connection, and where. Reading mostly waits for input and writing for room, as on any stream; but while keys are
// changed, a read may need room and a write may need input, and then both want the same place at the socket's readiness. It has one
// place for each: who comes second waits in line here, and is woken with the first.
import SporkLoop

/// The places where coroutines wait on a TLS connection.
nonisolated struct TLSWaiting {
    /// A coroutine waits to read.
    var hasReader = false
    /// A coroutine waits to write.
    var hasWriter = false
    /// Somebody waits for the socket to have input.
    var isForInput = false
    /// Somebody waits for the socket to have room.
    var isForRoom = false
    /// Those who found their place taken.
    var others: WaitList?
}
