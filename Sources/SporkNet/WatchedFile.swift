// A small file that is read again when it has changed: the hosts file and resolv.conf. NameResolver asks before each lookup;
// most of the time that looks at the clock and nothing else.
import CSporkShims
import Glibc
import SporkLoop

/// A file of settings that others may change.
nonisolated struct WatchedFile {
    /// How often the file system is asked at most, in seconds.
    static let secondsBetweenLooks = 1.0

    private struct Stamp: Equatable {
        let device: UInt64
        let inode: UInt64
        let size: Int64
        let modified: [Int64]
    }

    let path: String
    private var lookedAt = -Double.infinity
    private var stamp: Stamp?

    init(_ path: String) { self.path = path }

    /// Whether it is another file, or has other contents, than when this was asked last; true when it was never asked.
    ///
    /// A change is noticed after a second at the latest.
    mutating func hasChanged() -> Bool {
        let now = EventLoop.recently
        guard now - lookedAt >= Self.secondsBetweenLooks else { return false }
        let isFirst = lookedAt == -.infinity
        lookedAt = now
        let before = stamp
        stamp = look()
        return isFirst || stamp != before
    }

    /// Its bytes, at most `most`; none when there is no such file, or it is not a plain one, which could block.
    func contents(atMost most: Int) -> [UInt8] {
        guard stamp != nil else { return [] }
        let descriptor = spork_open_read(path)
        guard descriptor >= 0 else { return [] }
        defer { Glibc.close(descriptor) }
        var bytes: [UInt8] = []
        var block = [UInt8](repeating: 0, count: 16 * 1024)
        while bytes.count < most {
            let count = Glibc.read(descriptor, &block, min(block.count, most - bytes.count))
            guard count > 0 else { break }
            bytes += block[..<count]
        }
        return bytes
    }

    private func look() -> Stamp? {
        var status = SporkFileStatus()
        guard spork_stat_at(AT_FDCWD, path, true, &status) == 0, status.is_regular else { return nil }
        return Stamp(
            device: status.device,
            inode: status.inode,
            size: status.size,
            modified: [
                status.modified_seconds, status.modified_nanoseconds, status.changed_seconds,
                status.changed_nanoseconds,
            ]
        )
    }
}
