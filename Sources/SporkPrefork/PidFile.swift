// The file with the master's process number, for those who send it signals. The master keeps it open and locked as long as it lives, so that
// a second server does not take it from one that runs, while one that was left behind is replaced. It is written under another name first, so
// that nobody reads half a number; removed at the end only if it is still this one.
import CSporkShims
import Glibc
import SporkNet

final class PidFile {
    /// How often to look again when somebody else replaces the file at the same time.
    private static let mostTries = 100

    let path: String
    /// The file, locked.
    private(set) var descriptor: Int32

    /// Writes this process's number; or goes on with the file that the program before has written in this process.
    ///
    /// - Throws: `SystemError` when it cannot be written: EBUSY when another server that runs has it.
    init(path: String, adopting descriptor: Int32 = -1) throws {
        self.path = path
        if descriptor >= 0, Self.isSame(descriptor, path) {
            self.descriptor = descriptor
            return
        }
        let temporary = "\(path).\(getpid())"
        self.descriptor = spork_create_file(temporary, 0o644)
        guard self.descriptor >= 0 else { throw SystemError("write", path, number: -self.descriptor) }
        do {
            try write(temporary)
            try put(temporary)
        } catch {
            unlink(temporary)
            close(self.descriptor)
            throw error
        }
        // Another file than before, whose time is over only now: until here the program before may have to go on with it.
        if descriptor >= 0 { close(descriptor) }
    }

    private func write(_ temporary: String) throws {
        // Where files cannot be locked nobody is kept from the path, as nobody was before.
        _ = flock(descriptor, LOCK_EX | LOCK_NB)
        var text = "\(getpid())\n"
        let count = text.withUTF8 { Glibc.write(descriptor, $0.baseAddress, $0.count) }
        guard count == text.utf8.count else {
            throw SystemError("write", path, number: count < 0 ? errno : ENOSPC)
        }
    }

    private func put(_ temporary: String) throws {
        for _ in 0..<Self.mostTries {
            if link(temporary, path) == 0 {
                unlink(temporary)
                return
            }
            guard errno == EEXIST else {
                // A file system without links.
                guard rename(temporary, path) == 0 else { throw SystemError("write", path, number: errno) }
                return
            }
            let other = spork_open_read(path)
            if other == -ENOENT { continue }
            guard other >= 0 else { throw SystemError("write", path, number: -other) }
            defer { close(other) }
            guard flock(other, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK else {
                throw SystemError("write", path, number: EBUSY)
            }
            // Locked, nobody replaces it; but it may have been replaced before.
            guard Self.isSame(other, path) else { continue }
            guard rename(temporary, path) == 0 else { throw SystemError("write", path, number: errno) }
            return
        }
        throw SystemError("write", path, number: EBUSY)
    }

    private static func isSame(_ descriptor: Int32, _ path: String) -> Bool {
        var (open, named) = (stat(), stat())
        return fstat(descriptor, &open) == 0 && lstat(path, &named) == 0 && open.st_dev == named.st_dev
            && open.st_ino == named.st_ino
    }

    /// Removes it, if it is still this process's.
    func remove() {
        if descriptor >= 0, Self.isSame(descriptor, path) { unlink(path) }
        leave()
    }

    /// Closes this process's hold on it: in a child, which must not keep it locked.
    func leave() {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
    }
}
