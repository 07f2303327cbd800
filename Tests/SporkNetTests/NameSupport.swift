// What the tests of names share. Those that need the loop run in a process of their own.
import Glibc
import SporkLoop
import SporkNet
import SporkTasks
import Testing

enum NameTest {
    /// Runs `body` on the loop of this process and ends the process well when it returns.
    ///
    /// The sockets it opens it must have closed then.
    nonisolated static func run(_ body: @escaping @MainActor () async throws -> Void) throws {
        try EventLoop.run {
            let before = sockets()
            try await body()
            same(sockets(), before)
        }
        exit(0)
    }

    /// A resolver that asks this server and nobody else.
    static func resolver(
        _ server: NameServer,
        _ change: (inout NameResolver.Configuration) -> Void = { _ in }
    ) -> NameResolver {
        var configuration = NameResolver.Configuration()
        configuration.servers = [server.address]
        configuration.searchDomains = []
        configuration.hostsFile = nil
        change(&configuration)
        return NameResolver(configuration)
    }

    /// Expects two values to be the same: `#expect` in an exit test cannot see through `await`.
    static func same<Value: Equatable>(_ value: Value, _ expected: Value, at place: SourceLocation = #_sourceLocation) {
        #expect(value == expected, "\(value) is not \(expected)", sourceLocation: place)
    }

    /// What `body` throws, in words.
    static func failure<Success>(_ body: () async throws -> Success) async -> String {
        do { return "nothing, but returned \(try await body())" } catch { return "\(error)" }
    }

    /// How long `body` takes.
    static func elapsed(_ body: () async throws -> Void) async rethrows -> Duration {
        let start = ContinuousClock.now
        try await body()
        return ContinuousClock.now - start
    }

    /// Expects a time in a range.
    static func between(
        _ time: Duration,
        _ least: Int,
        _ most: Int,
        at place: SourceLocation = #_sourceLocation
    ) {
        #expect(time >= .milliseconds(least) && time < .milliseconds(most), "\(time)", sourceLocation: place)
    }

    /// A file with these bytes, of this process's own.
    static func file(_ name: String, _ text: String) -> String {
        let path = "/tmp/spork-names-\(getpid())-\(name)"
        let descriptor = creat(path, 0o600)
        _ = write(descriptor, text, text.utf8.count)
        close(descriptor)
        return path
    }

    /// How many sockets are open; other descriptors come and go with the testing library's own threads.
    static func sockets() -> Int {
        guard let directory = opendir("/proc/self/fd") else { return -1 }
        defer { closedir(directory) }
        var count = 0
        while let entry = readdir(directory) {
            guard
                let number = withUnsafePointer(
                    to: &entry.pointee.d_name,
                    { name in
                        name.withMemoryRebound(to: CChar.self, capacity: 256) { Int32(String(cString: $0)) }
                    }
                )
            else { continue }
            var status = stat()
            if fstat(number, &status) == 0, status.st_mode & S_IFMT == S_IFSOCK { count += 1 }
        }
        return count
    }
}
