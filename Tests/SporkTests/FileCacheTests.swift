// The cache of files: what it keeps, what it lets go, and that it never answers with what a file was.
import CSporkShims
import Glibc
import SporkLoop
import SporkNet
import SporkTasks
import Testing

@testable import Spork

/// A directory of files that is there as long as the object.
final class TemporaryDirectory {
    let path: String
    let descriptor: Int32

    init() throws {
        var template = Array("/tmp/spork-test-XXXXXX".utf8CString)
        path = try #require(mkdtemp(&template).map { String(cString: $0) })
        descriptor = spork_open_directory(path)
        try #require(descriptor >= 0)
    }

    /// Writes a file whose times lie in the past, so that it may be kept.
    func write(_ text: String, to name: String, age: Int = 100) throws {
        let file = open("\(path)/\(name)", O_WRONLY | O_CREAT | O_TRUNC, 0o644)
        try #require(file >= 0)
        try #require(
            Array(text.utf8).withUnsafeBytes { Glibc.write(file, $0.baseAddress, $0.count) } == text.utf8.count
        )
        let times = [timespec(tv_sec: time(nil) - age, tv_nsec: 5), timespec(tv_sec: time(nil) - age, tv_nsec: 5)]
        try #require(futimens(file, times) == 0)
        close(file)
    }

    func remove() {
        for name in ["a", "b", "c", "d", "large1", "large2", "large3", "new"] { unlink("\(path)/\(name)") }
        rmdir(path)
        close(descriptor)
    }
}

@Suite struct FileCacheTests {
    private static func entry(_ name: String, in directory: TemporaryDirectory) throws -> CachedFile {
        let file = spork_open_beneath(directory.descriptor, name)
        try #require(file >= 0)
        var status = SporkFileStatus()
        try #require(spork_stat(file, &status) == 0)
        return try #require(CachedFile(descriptor: file, status: status, path: Array(name.utf8) + [0]))
    }

    private static func holds(_ cache: FileCache, _ name: String) -> Bool {
        Array(name.utf8).withUnsafeBytes { cache.file(at: $0) != nil }
    }

    @Test("who was not asked for lately goes first, and the limits hold")
    func eviction() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let directory = try TemporaryDirectory()
                defer { directory.remove() }
                let cache = FileCache(
                    root: directory.descriptor,
                    limits: .init(entries: 3, bytesInMemory: 100, openFiles: 1)
                )
                for name in ["a", "b", "c", "d"] { try directory.write("ten bytes.", to: name) }
                for name in ["a", "b", "c"] { cache.insert(try Self.entry(name, in: directory)) }
                #expect(["a", "b", "c"].allSatisfy { Self.holds(cache, $0) })
                // The first round takes the mark from all three; the second takes the one that has not got it back.
                cache.insert(try Self.entry("d", in: directory))
                #expect(!Self.holds(cache, "a"))
                #expect(["b", "c", "d"].allSatisfy { Self.holds(cache, $0) })

                try directory.write(String(repeating: "x", count: 95), to: "a")
                cache.insert(try Self.entry("a", in: directory))
                #expect(Self.holds(cache, "a"))
                #expect(["b", "c", "d"].allSatisfy { !Self.holds(cache, $0) })
            }
            exit(0)
        }
    }

    @Test("files too large for memory are kept open, and no more of them than the limit says")
    func openFiles() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let directory = try TemporaryDirectory()
                defer { directory.remove() }
                let cache = FileCache(
                    root: directory.descriptor,
                    limits: .init(entries: 9, bytesInMemory: 100, openFiles: 2)
                )
                let large = String(repeating: "x", count: CachedFile.mostInMemory + 1)
                for name in ["large1", "large2", "large3"] {
                    try directory.write(large, to: name)
                    let entry = try Self.entry(name, in: directory)
                    #expect(entry.holdsDescriptor && entry.bytesInMemory == 0)
                    cache.insert(entry)
                }
                #expect(["large1", "large2", "large3"].count { Self.holds(cache, $0) } == 2)
                #expect(Self.holds(cache, "large3"))
            }
            exit(0)
        }
    }

    @Test("an entry with the path of another takes its place")
    func replacement() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let directory = try TemporaryDirectory()
                defer { directory.remove() }
                let cache = FileCache(root: directory.descriptor, limits: .init(entries: 2))
                try directory.write("one", to: "a")
                cache.insert(try Self.entry("a", in: directory))
                cache.insert(try Self.entry("a", in: directory))
                try directory.write("two", to: "b")
                cache.insert(try Self.entry("b", in: directory))
                #expect(Self.holds(cache, "a") && Self.holds(cache, "b"))
            }
            exit(0)
        }
    }

    @Test("a file that is changed, replaced or removed is not served as it was, from the next turn on")
    func changes() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let directory = try TemporaryDirectory()
                let cache = FileCache(root: directory.descriptor)
                let changes: [() throws -> Void] = [
                    { try directory.write("two", to: "a", age: 50) },
                    { try directory.write("longer", to: "a") },
                    // The same size and modification time: the change time tells.
                    { try directory.write("one", to: "a") },
                    {
                        try directory.write("one", to: "new")
                        rename("\(directory.path)/new", "\(directory.path)/a")
                    },
                    { unlink("\(directory.path)/a") },
                ]
                for change in changes {
                    try directory.write("one", to: "a")
                    cache.insert(try Self.entry("a", in: directory))
                    try await sleep(for: .milliseconds(20))
                    try #require(Self.holds(cache, "a"))
                    try change()
                    try await sleep(for: .milliseconds(1))
                    #expect(!Self.holds(cache, "a"))
                }
                directory.remove()
            }
            exit(0)
        }
    }

    @Test("a file that has only just been changed is not kept: another change might leave the same times")
    func fresh() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let directory = try TemporaryDirectory()
                defer { directory.remove() }
                try directory.write("one", to: "a")
                let entry = try Self.entry("a", in: directory)
                let changed = Double(entry.status.changed_seconds) + Double(entry.status.changed_nanoseconds) * 1e-9
                #expect(entry.mayChangeUnnoticed(now: changed + 0.05))
                #expect(!entry.mayChangeUnnoticed(now: changed + 0.2))
            }
            exit(0)
        }
    }

    @Test("an open file that nobody asks for is closed, one that is asked for stays")
    func idleFiles() async {
        await #expect(processExitsWith: .success) {
            try EventLoop.run {
                let directory = try TemporaryDirectory()
                defer { directory.remove() }
                let limits = FileCache.Limits(idleTime: .milliseconds(500))
                let cache = FileCache(root: directory.descriptor, limits: limits)
                let large = String(repeating: "x", count: CachedFile.mostInMemory + 1)
                for name in ["large1", "large2"] {
                    try directory.write(large, to: name)
                    cache.insert(try Self.entry(name, in: directory))
                }
                for _ in 0..<3000 where cache.openFiles == 2 {
                    #expect(Self.holds(cache, "large2"))
                    try await sleep(for: .milliseconds(10))
                }
                #expect(cache.openFiles == 1)
                #expect(Self.holds(cache, "large2") && !Self.holds(cache, "large1"))
            }
            exit(0)
        }
    }
}
