// A file ready to be sent: what it was when it was opened, its validators, its head, and its content or descriptor. Made
// by FileService, kept by FileCache; whoever sends it holds on to the content, not to this.
import CSporkShims
import Glibc
import SporkHTTP
import SporkLoop
import SporkNet

/// A regular file with all that its answers need.
final class CachedFile {
    /// Where the content is.
    enum Content {
        case memory(ByteBlock)
        case file(OpenFile)
    }

    /// Files up to this size are read into memory; sending them costs one system call then.
    ///
    /// Beyond it, copying costs more than the second call that `sendfile` needs (benchmarks/README.md).
    static let mostInMemory = 16 * 1024

    /// The path below the served directory, with a zero byte behind it.
    let path: [UInt8]
    let status: SporkFileStatus
    let content: Content
    let entityTag: [UInt8]
    let mediaType: String
    /// Status line and fields of the whole file's answer.
    private(set) lazy var head = Self.head(of: self)

    var checkedInTurn: UInt64 = 0
    /// When its path was last resolved anew, on the loop's clock.
    private var resolvedAt: Double
    /// Whether it was asked for since the cache's hand came by.
    var wasUsed = true
    /// Whether it was asked for since the cache was swept.
    var wasUsedSinceSweep = true

    /// Takes over an open descriptor of a regular file.
    ///
    /// - Returns: nil when its content cannot be read; the descriptor is closed then.
    init?(
        descriptor: Int32,
        status: SporkFileStatus,
        path: [UInt8]
    ) {
        let file = OpenFile(descriptor: descriptor)
        let size = Int(status.size)
        if size <= Self.mostInMemory {
            let block = ByteBlock(capacity: size) { memory in Self.read(descriptor, memory, size) }
            guard block.bytes.count == size else { return nil }
            content = .memory(block)
        } else {
            content = .file(file)
        }
        self.path = path
        self.status = status
        resolvedAt = EventLoop.now
        modified = min(Int(status.modified_seconds), Int(EventLoop.wallClock))
        mediaType = MediaType.forFile(named: path.dropLast())
        entityTag = Self.entityTag(status)
    }

    var size: Int { Int(status.size) }

    /// When it was last modified, in seconds since 1970; never in the future (RFC 9110, 8.8.2.1).
    let modified: Int

    var bytesInMemory: Int { if case .memory(let block) = content { block.bytes.count } else { 0 } }

    var holdsDescriptor: Bool { if case .file = content { true } else { false } }

    /// Whether this is the entry for `path`, and not for another with the same hash.
    func matches(_ path: UnsafeRawBufferPointer) -> Bool {
        self.path.withUnsafeBytes { own in
            guard own.count == path.count + 1, let left = own.baseAddress, let right = path.baseAddress else {
                return false
            }
            return memcmp(left, right, path.count) == 0
        }
    }

    /// How long the way to a file is taken to be the same, in seconds.
    ///
    /// What it leads to is looked at in every turn.
    private static let mostSecondsUnresolved = 1.0

    /// Whether the path still leads to this file, and the file is as it was.
    ///
    /// A directory above it that is replaced by a link is noticed within a second, everything else at once.
    func isUnchanged(below root: Int32) -> Bool {
        var now = SporkFileStatus()
        let isOld = EventLoop.now - resolvedAt > Self.mostSecondsUnresolved
        let failure = path.withUnsafeBytes { bytes -> Int32 in
            guard let start = bytes.baseAddress else { return ENOENT }
            let path = start.assumingMemoryBound(to: CChar.self)
            return isOld ? spork_stat_beneath(root, path, &now) : spork_stat_at(root, path, true, &now)
        }
        guard failure == 0, status.isSame(as: now) else { return false }
        if isOld { resolvedAt = EventLoop.now }
        return true
    }

    /// A part of the content, as a body.
    func body(_ range: Range<Int>) -> Response.Body {
        switch content {
        case .memory(let block): .block(block, range)
        case .file(let file): .file(file, range)
        }
    }

    /// Fields that describe the file, whichever part of it an answer carries.
    var fields: [Response.Field] {
        [
            Response.Field("Last-Modified", HTTPDate.string(modified)),
            Response.Field("ETag", String(decoding: entityTag, as: UTF8.self)),
            Response.Field("Accept-Ranges", "bytes"),
        ]
    }

    /// The whole file's head, written once.
    private static func head(of file: CachedFile) -> ByteBlock {
        var output = OutputBuffer()
        let type = Response.Field("Content-Type", file.mediaType)
        ResponseSerializer.appendStatusAndFields(.ok, Headers([type] + file.fields), .length(file.size), to: &output)
        return ByteBlock(copying: output.bytes)
    }

    /// Whether the file was changed so shortly before it was opened that another change might leave the same times.
    ///
    /// Times have the grain of the kernel's tick on many file systems. Such a file is served, not kept.
    func mayChangeUnnoticed(now: Double) -> Bool {
        let changed = Double(status.changed_seconds) + Double(status.changed_nanoseconds) * 1e-9
        return now - changed < 0.1
    }

    private static func read(_ descriptor: Int32, _ memory: UnsafeMutableRawBufferPointer, _ size: Int) -> Int {
        var done = 0
        while done < size {
            let count = pread(descriptor, memory.baseAddress.map { $0 + done }, size - done, off_t(done))
            if count > 0 { done += count } else if count == 0 || errno != EINTR { break }
        }
        return done
    }

    // Of the change time, which no program can set: modification times are set by many that unpack or build, often all to the
    // same, and then another file of the same size would pass for this one.
    private static func entityTag(_ status: SporkFileStatus) -> [UInt8] {
        let times = UInt64(bitPattern: status.changed_seconds &* 1_000_000_000 &+ status.changed_nanoseconds)
        return Array("\"\(String(times, radix: 36))-\(String(status.size, radix: 36))\"".utf8)
    }
}

extension SporkFileStatus {
    /// Whether this is the same file with the same content, as far as the file system tells.
    nonisolated func isSame(as other: SporkFileStatus) -> Bool {
        inode == other.inode && device == other.device && size == other.size
            && modified_nanoseconds == other.modified_nanoseconds && modified_seconds == other.modified_seconds
            && changed_nanoseconds == other.changed_nanoseconds && changed_seconds == other.changed_seconds
            && is_regular == other.is_regular
    }
}
