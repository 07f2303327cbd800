// Two coroutines of one handler: one writes the answer, another one reads the content of the request, as a proxy does. Reading may have to send something,
// too: that the client may go on. Part of ServerConnection.
//
// Invariant: one coroutine at a time writes what has gathered; meanwhile nobody adds to it.
import SporkNet
import SporkTasks

extension ServerConnection {
    /// Waits until nobody writes.
    ///
    /// - Throws: `StreamError`, `.cancelled`.
    @inline(never)
    func waitForWriter(of request: Request) async throws(StreamError) {
        while isWriting {
            let end = request.writeEnd ?? Event()
            request.writeEnd = end
            do { try await end.wait() } catch {
                throw StreamError(.cancelled, "write to", stream.peerAddress.map { "\($0)" } ?? "a client")
            }
        }
    }

    /// Says that nobody writes any more.
    func endWriting() {
        isWriting = false
        if let request, let end = request.writeEnd.take() { end.set() }
    }
}
