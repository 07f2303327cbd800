// The directory that is served: opened once, before the workers are forked, and opened again when another one has come to be
// at its path, as a build that starts with removing it leaves one, or a deployment that switches a link.
import CSporkShims
import SporkLoop
import SporkNet

/// A directory by its path, and as a descriptor that everything in it is found below.
package final class ServedDirectory {
    /// Where it was said to be.
    package let path: String
    private var handle: OpenFile
    private var status: SporkFileStatus
    private var lookedAt = -Double.infinity

    /// How often its path is looked at while requests come, in seconds.
    private static let secondsBetweenLooks = 1.0

    /// Opens the directory.
    ///
    /// - Throws: `SystemError` when there is none, or it must not be read.
    package init(_ path: String) throws {
        self.path = path
        (handle, status) = try Self.open(path)
    }

    /// Everything in it is found below this.
    package var descriptor: Int32 { handle.descriptor }

    /// Takes over what is at the path now, where that is another directory than before.
    ///
    /// Nothing changes while there is none. Looks once a second.
    ///
    /// - Returns: whether it is another one.
    func followReplacement() -> Bool {
        guard EventLoop.now - lookedAt > Self.secondsBetweenLooks else { return false }
        lookedAt = EventLoop.now
        guard let (handle, status) = try? Self.open(path) else { return false }
        guard status.inode != self.status.inode || status.device != self.status.device else { return false }
        (self.handle, self.status) = (handle, status)
        return true
    }

    private static func open(_ path: String) throws -> (OpenFile, SporkFileStatus) {
        let descriptor = spork_open_directory(path)
        guard descriptor >= 0 else { throw SystemError("serve", path, number: -descriptor) }
        let handle = OpenFile(descriptor: descriptor)
        var status = SporkFileStatus()
        let failure = spork_stat(descriptor, &status)
        guard failure == 0 else { throw SystemError("serve", path, number: -failure) }
        return (handle, status)
    }
}
