// What the tests of sockets share.
import Glibc
import SporkLoop
import SporkNet
import Testing

/// Why `body` throws a `StreamError`; nil when it does not.
func reason<Success>(_ body: () async throws -> Success) async -> StreamError.Reason? {
    do {
        _ = try await body()
        return nil
    } catch { return (error as? StreamError)?.reason }
}

/// A connection to oneself over TCP: the client's end, and the server's.
func connectedPair() async throws -> (SocketStream, SocketStream) {
    let listener = try Listener(.loopback(port: 0))
    let client = try await SocketStream.connect(to: listener.address)
    return (client, try #require(try await listener.accept()))
}

/// How many descriptors this process has open.
nonisolated func openDescriptors() -> Int {
    guard let directory = opendir("/proc/self/fd") else { return -1 }
    defer { closedir(directory) }
    var count = 0
    while readdir(directory) != nil { count += 1 }
    return count
}
