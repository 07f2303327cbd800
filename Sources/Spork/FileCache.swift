// Files that were served lately: small ones in memory, larger ones as open descriptors, each with its head prepared. A
// worker has its own. An entry is compared with the file system once in every turn of the loop in which it is asked for, so a
// change on disk is served at once. (Not seen are changes that leave no trace in the file's times: through a shared mapping.)
//
// Called by FileService only. Limits: entries, bytes in memory and open descriptors; who was not asked for lately goes first,
// and open files that nobody asks for are closed after a while, so that a deleted one gives its space back.
import CSporkShims
import Glibc
import SporkLoop
import SporkNet

/// The recently served files of a directory.
final class FileCache {
    /// Limits of a cache.
    struct Limits {
        var entries = 1024
        var bytesInMemory = 32 << 20
        var openFiles = 128
        /// How long a file that nobody asks for may stay open, give or take as much again.
        var idleTime: Duration = .seconds(30)

        /// The defaults; less than a quarter of the descriptors that the process may have is spent on open files.
        static var standard: Limits {
            var limits = Limits()
            var most = rlimit()
            if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &most) == 0 {
                limits.openFiles = Int(min(UInt64(limits.openFiles), UInt64(most.rlim_cur) / 4))
            }
            return limits
        }
    }

    private let root: Int32
    private let limits: Limits
    private var entries: [UInt64: CachedFile] = [:]
    // The keys in a circle, for the hand that looks who was not asked for since it last came by.
    private var circle: [UInt64] = []
    private var hand = 0
    private var bytesInMemory = 0
    /// How many open files are kept.
    private(set) var openFiles = 0
    private var sweeper: LoopTimer?

    /// A cache over the directory `root`, a descriptor that stays the caller's.
    init(root: Int32, limits: Limits = .standard) {
        self.root = root
        self.limits = limits
        sweeper = LoopTimer { [unowned self] in MainActor.assumeIsolated { sweep() } }
    }

    /// The entry for a path, if there is one and the file is still the same.
    ///
    /// - Parameter path: relative, without a zero byte behind it.
    func file(at path: UnsafeRawBufferPointer) -> CachedFile? {
        guard let entry = entries[Self.hash(path)], entry.matches(path) else { return nil }
        if entry.checkedInTurn != EventLoop.turns {
            guard entry.isUnchanged(below: root) else {
                remove(entry)
                return nil
            }
            entry.checkedInTurn = EventLoop.turns
        }
        entry.wasUsed = true
        entry.wasUsedSinceSweep = true
        return entry
    }

    /// Closes all files that are kept open, because descriptors have run out.
    func closeFiles() {
        for entry in Array(entries.values) where entry.holdsDescriptor { remove(entry) }
    }

    private func sweep() {
        for entry in Array(entries.values) where entry.holdsDescriptor {
            if !entry.wasUsedSinceSweep { remove(entry) }
            entry.wasUsedSinceSweep = false
        }
        if openFiles > 0 { sweeper?.start(after: limits.idleTime) }
    }

    /// Keeps a file for the next time.
    func insert(_ entry: CachedFile) {
        if entry.holdsDescriptor, limits.openFiles == 0 { return }
        let key = Self.key(of: entry)
        if let old = entries[key] { remove(old) }
        while entries.count >= limits.entries
            || (bytesInMemory + entry.bytesInMemory > limits.bytesInMemory && !entries.isEmpty)
            || (openFiles >= limits.openFiles && entry.holdsDescriptor)
        { evictOne() }
        entry.checkedInTurn = EventLoop.turns
        entries[key] = entry
        circle.append(key)
        bytesInMemory += entry.bytesInMemory
        guard entry.holdsDescriptor else { return }
        openFiles += 1
        if openFiles == 1 { sweeper?.start(after: limits.idleTime) }
    }

    private func evictOne() {
        while !circle.isEmpty {
            if hand >= circle.count { hand = 0 }
            guard let entry = entries[circle[hand]] else {
                circle.remove(at: hand)
                continue
            }
            if entry.wasUsed {
                entry.wasUsed = false
                hand += 1
            } else {
                remove(entry)
                return
            }
        }
    }

    private func remove(_ entry: CachedFile) {
        let key = Self.key(of: entry)
        guard entries.removeValue(forKey: key) != nil else { return }
        if let position = circle.firstIndex(of: key) { circle.remove(at: position) }
        bytesInMemory -= entry.bytesInMemory
        openFiles -= entry.holdsDescriptor ? 1 : 0
    }

    private static func key(of entry: CachedFile) -> UInt64 {
        entry.path.withUnsafeBytes { hash(UnsafeRawBufferPointer(rebasing: $0.dropLast())) }
    }

    // FNV-1a. Only paths of files that exist are ever kept, so nobody outside can fill a bucket.
    private static func hash(_ path: UnsafeRawBufferPointer) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in path { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        return hash
    }
}
