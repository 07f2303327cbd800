// Who waits on a TLS connection, and where. Reading mostly waits for input and writing for room, as on any stream; but while keys are
// changed, a read may need room and a write may need input, and then both want the same place at the socket's readiness. It has one
// place for each: who comes second waits in line here, and is woken with the first.
import SporkLoop

/// The places where coroutines wait on a TLS connection.
nonisolated struct TLSWaiting {
    /// Who waits to read.
    var reader = Seat()
    /// Who waits to write.
    var writer = Seat()
    /// Somebody waits for the socket to have input.
    var isForInput = false
    /// Somebody waits for the socket to have room.
    var isForRoom = false
    /// Those who found their place taken.
    var others: WaitList?

    /// A place for one coroutine. One that was cancelled, or is out of time, leaves it when it is its turn; until then it is free already.
    struct Seat {
        private var isTaken = false
        private var coroutine: AnyCoroutine?
        private var ticket = 0

        var isFree: Bool { !isTaken || coroutine.map { !$0.isWaiting } ?? false }

        mutating func take() -> Int {
            ticket += 1
            (isTaken, coroutine) = (true, AnyCoroutine.current)
            return ticket
        }

        /// Unless another has come to sit there.
        mutating func leave(_ ticket: Int) {
            if ticket == self.ticket { (isTaken, coroutine) = (false, nil) }
        }
    }
}
