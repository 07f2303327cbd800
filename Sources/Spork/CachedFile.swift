// A file ready to be sent: what it was when it was opened, its validators, its head, and its content or descriptor. Made
// by FileService, kept by FileCache; whoever sends it holds on to the content, not to this.
import CSporkShims
import Glibc
import SporkHTTP
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
    var wasUsed = true

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
        mediaType = MediaType.forFile(named: path.dropLast())
        entityTag = Self.entityTag(status)
    }

    var size: Int { Int(status.size) }

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

    /// What the file system says about the path now.
    ///
    /// False when there is nothing any more.
    func readStatus(below root: Int32, into status: inout SporkFileStatus) -> Bool {
        path.withUnsafeBytes { bytes in
            guard let start = bytes.baseAddress else { return false }
            return spork_stat_at(root, start.assumingMemoryBound(to: CChar.self), &status) == 0
        }
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
            Response.Field("Last-Modified", HTTPDate.string(Int(status.modified_seconds))),
            Response.Field("ETag", String(decoding: entityTag, as: UTF8.self)),
            Response.Field("Accept-Ranges", "bytes"),
        ]
    }

    /// The whole file's head, written once.
    private static func head(of file: CachedFile) -> ByteBlock {
        var output = OutputBuffer()
        let type = Response.Field("Content-Type", file.mediaType)
        ResponseSerializer.appendStatusAndFields(.ok, [type] + file.fields, contentLength: file.size, to: &output)
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

    private static func entityTag(_ status: SporkFileStatus) -> [UInt8] {
        let times = UInt64(bitPattern: status.modified_seconds &* 1_000_000_000 &+ status.modified_nanoseconds)
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
