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

/// The error that `body` throws, as people read it.
func message<Success>(_ body: () async throws -> Success) async -> String {
    do {
        _ = try await body()
        return "no error"
    } catch { return "\(error)" }
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

/// How many descriptors this process has open for files whose names begin like this, such as "socket:".
nonisolated func openDescriptors(to name: String) -> Int {
    (0..<1024).count { number in
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: name.utf8.count) { room in
            guard let start = room.baseAddress else { return false }
            let length = readlink("/proc/self/fd/\(number)", start, name.utf8.count)
            return length == name.utf8.count && memcmp(start, name, length) == 0
        }
    }
}
