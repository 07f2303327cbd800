// Small files of the system, read whole: /proc, control groups, a handover.
import CSporkShims
import Glibc

package nonisolated enum SystemFile {
    /// The text of a file; nil when it cannot be read.
    package static func contents(of path: String, atMost limit: Int = 4096) -> String? {
        let descriptor = spork_open_read(path)
        guard descriptor >= 0 else { return nil }
        defer { Glibc.close(descriptor) }
        return contents(of: descriptor, atMost: limit)
    }

    /// The text that is left in an open file.
    package static func contents(of descriptor: Int32, atMost limit: Int) -> String? {
        var bytes = [UInt8](repeating: 0, count: limit)
        var filled = 0
        while filled < limit {
            let count = bytes.withUnsafeMutableBytes { room in
                read(descriptor, room.baseAddress.map { $0 + filled }, limit - filled)
            }
            if count < 0 { return nil }
            if count == 0 { break }
            filled += count
        }
        return String(decoding: bytes.prefix(filled), as: UTF8.self)
    }
}
