// The file with the master's process number, for those who send it signals. Written under another name first, so that nobody reads
// half a number; removed at the end only if it is still this process's.
import CSporkShims
import Glibc
import SporkNet

nonisolated struct PidFile {
    let path: String

    /// Writes this process's number.
    func write() throws {
        let temporary = "\(path).\(getpid())"
        let descriptor = spork_create_file(temporary, 0o644)
        guard descriptor >= 0 else { throw SystemError("write", path, number: -descriptor) }
        var text = "\(getpid())\n"
        let count = text.withUTF8 { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        let failure = count < 0 ? errno : ENOSPC
        close(descriptor)
        guard count == text.utf8.count, rename(temporary, path) == 0 else {
            let number = count == text.utf8.count ? errno : failure
            unlink(temporary)
            throw SystemError("write", path, number: number)
        }
    }

    /// Removes it, if it is this process's.
    func remove() {
        guard let text = SystemFile.contents(of: path), Int32(text.filter { !$0.isWhitespace }) == getpid() else {
            return
        }
        unlink(path)
    }
}
