// The directory that is served: opened once, before the workers are forked, and opened again when another one has come to be
// at its path, as a build that starts with removing it leaves one, or a deployment that switches a link. Its files are opened here, for the
// file service and for handlers.
//
// Nothing outside the directory can be reached: the kernel resolves paths beneath it, links included (openat2, RESOLVE_BENEATH).
import CSporkShims
import Glibc
import SporkHTTP
import SporkLoop
import SporkNet

/// A directory whose files are served.
///
/// Nothing outside of it can be reached, by links neither. When another directory comes to be at its path that one is served, a second later at
/// the latest.
public final class ServedDirectory {
    /// What is found at a path.
    enum Found {
        /// A regular file, open for reading, which belongs to who asked.
        case file(descriptor: Int32, SporkFileStatus)
        case directory(OpenFile)
        /// Nothing that can be served, and what its client is told.
        case nothing(Status)
    }

    /// Where it was said to be.
    public let path: String
    private var handle: OpenFile
    private var status: SporkFileStatus
    private var lookedAt = -Double.infinity

    /// How often its path is looked at while requests come, in seconds.
    private static let secondsBetweenLooks = 1.0

    /// Opens the directory.
    ///
    /// - Throws: `SystemError` when there is none, or it must not be read.
    public init(_ path: String) throws {
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

    /// Opens what is at a path below the directory.
    ///
    /// - Parameter makeRoom: closes files that are kept open; called when there are no more descriptors, before another try.
    func open(_ path: UnsafePointer<CChar>, whenFull makeRoom: () -> Void = {}) -> Found {
        // Looking first: to open a pipe would be noticed by who writes to it.
        var status = SporkFileStatus()
        let failure = spork_stat_beneath(descriptor, path, &status)
        guard failure == 0 else { return .nothing(Status(openError: -failure)) }
        guard status.is_regular || status.is_directory else { return .nothing(.forbidden) }
        var opened = spork_open_beneath(descriptor, path)
        if opened == -EMFILE {
            makeRoom()
            opened = spork_open_beneath(descriptor, path)
        }
        guard opened >= 0 else { return .nothing(Status(openError: -opened)) }
        return Self.look(at: opened)
    }

    /// What an open descriptor is.
    static func look(at descriptor: Int32) -> Found {
        var status = SporkFileStatus()
        let failure = spork_stat(descriptor, &status)
        if failure == 0, status.is_regular { return .file(descriptor: descriptor, status) }
        let file = OpenFile(descriptor: descriptor)
        return failure == 0 && status.is_directory ? .directory(file) : .nothing(.forbidden)
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

extension Status {
    /// What a client is told of a file that could not be opened.
    init(openError error: Int32) {
        switch error {
        case ENOENT, ENOTDIR, ENAMETOOLONG: self = .notFound
        // EXDEV: the path leads out of the directory, ELOOP: in a circle. ENXIO: a socket.
        case EACCES, EPERM, EXDEV, ELOOP, ENXIO: self = .forbidden
        case EMFILE, ENFILE, ENOMEM: self = .serviceUnavailable
        default: self = .internalServerError
        }
    }
}
