// Answers requests with the files of a directory. Never suspends: what it needs is in memory or a system call away. A worker
// has one; HTTPServer calls `respond` for each request.
//
// Nothing outside the directory can be reached: the path has no dot segments when it gets here, and the kernel resolves it
// beneath the directory, symbolic links included (openat2, RESOLVE_BENEATH).
import CSporkShims
import Glibc
import SporkHTTP
import SporkLoop
import SporkNet

/// The files of a directory, over HTTP.
package final class FileService {
    private enum Found {
        case file(CachedFile)
        case directory(OpenFile)
        case nothing(Status)
    }

    private static let index: StaticString = "index.html"

    private let root: ServedDirectory
    private var cache: FileCache
    private var path = RequestPath()
    private var listings: [[UInt8]: (page: Response, madeAt: Double)] = [:]

    /// How long a listing is shown again instead of made anew, in seconds: who asks often does not keep the others waiting.
    private static let mostSecondsListed = 1.0
    private static let mostListings = 16

    /// Serves what is below `root`.
    package init(_ root: ServedDirectory) {
        self.root = root
        cache = FileCache(root: root.descriptor)
    }

    /// The answer to a request.
    package func respond(to head: RequestHead) -> Response {
        switch head.method {
        case .get, .head: break
        case .options: return Response(.noContent, fields: [Self.allow])
        case .unknown: return .page(.notImplemented)
        case .post, .put, .delete, .patch, .trace, .connect: return .page(.methodNotAllowed, fields: [Self.allow])
        }
        if root.followReplacement() {
            cache = FileCache(root: root.descriptor)
            listings = [:]
        }
        switch path.decode(head.bytes(head.path)) {
        case .path(let isDirectory): return isDirectory ? directory(head) : file(head)
        case .malformed, .escapesRoot: return .page(.badRequest)
        case .namesNothing: return .page(.notFound)
        }
    }

    private static let allow = Response.Field("Allow", "GET, HEAD, OPTIONS")

    private func file(_ head: RequestHead) -> Response {
        if let file = cache.file(at: path.bytes) { return answer(head, with: file) }
        switch find() {
        case .file(let file): return answer(head, with: file)
        case .directory: return redirectToDirectory(head)
        case .nothing(let status): return .page(status)
        }
    }

    /// A path that ends with a slash: the directory's index, or what is in it.
    private func directory(_ head: RequestHead) -> Response {
        let length = path.bytes.count
        if path.append(component: Self.index) {
            if let file = cache.file(at: path.bytes) { return answer(head, with: file) }
            switch find() {
            case .file(let file): return answer(head, with: file)
            case .nothing(let status) where status != .notFound: return .page(status)
            case .directory, .nothing: path.truncate(to: length)
            }
        }
        switch find() {
        case .directory(let directory): return listing(of: directory)
        case .file: return .page(.notFound)
        case .nothing(let status): return .page(status)
        }
    }

    private func listing(of directory: OpenFile) -> Response {
        let key = Array(path.bytes)
        if let (page, madeAt) = listings[key], EventLoop.now - madeAt < Self.mostSecondsListed { return page }
        var page = DirectoryListing.page(of: directory, at: path, below: root.descriptor)
        page.isExpensive = true
        if listings.count >= Self.mostListings { listings = [:] }
        listings[key] = (page, EventLoop.now)
        return page
    }

    private func find() -> Found {
        // Looking first: to open a pipe would be noticed by who writes to it.
        var status = SporkFileStatus()
        let failure = spork_stat_beneath(root.descriptor, path.cStringOrDot, &status)
        guard failure == 0 else { return .nothing(Self.status(for: -failure)) }
        guard status.is_regular || status.is_directory else { return .nothing(.forbidden) }
        var descriptor = spork_open_beneath(root.descriptor, path.cStringOrDot)
        if descriptor == -EMFILE {
            cache.closeFiles()
            descriptor = spork_open_beneath(root.descriptor, path.cStringOrDot)
        }
        guard descriptor >= 0 else { return .nothing(Self.status(for: -descriptor)) }
        let failureOfOpen = spork_stat(descriptor, &status)
        guard failureOfOpen == 0, status.is_regular else {
            let file = OpenFile(descriptor: descriptor)
            return failureOfOpen == 0 && status.is_directory ? .directory(file) : .nothing(.forbidden)
        }
        guard let file = CachedFile(descriptor: descriptor, status: status, path: Array(path.bytes) + [0]) else {
            // It became shorter while it was read; the next request will find it as it is then.
            return .nothing(.serviceUnavailable)
        }
        if !file.mayChangeUnnoticed(now: EventLoop.wallClock) { cache.insert(file) }
        return .file(file)
    }

    private static func status(for error: Int32) -> Status {
        switch error {
        case ENOENT, ENOTDIR, ENAMETOOLONG: .notFound
        // EXDEV: the path leads out of the directory, ELOOP: in a circle. ENXIO: a socket.
        case EACCES, EPERM, EXDEV, ELOOP, ENXIO: .forbidden
        case EMFILE, ENFILE, ENOMEM: .serviceUnavailable
        default: .internalServerError
        }
    }

    private func answer(_ head: RequestHead, with file: CachedFile) -> Response {
        let now = Int(EventLoop.wallClock)
        let outcome = file.entityTag.withUnsafeBytes {
            Preconditions.evaluate(head, entityTag: $0, modified: file.modified, now: now)
        }
        switch outcome {
        case .notModified: return Response(.notModified, fields: file.fields)
        case .failed: return .page(.preconditionFailed)
        case .proceed(let mayHaveRange):
            // Range means something for GET only (RFC 9110, 14.2).
            if mayHaveRange, head.method == .get, let range = head.value(.range) {
                if let part = part(ByteRange(range, size: file.size), of: file) { return part }
            }
            return Response(.ok, preparedHead: file.head, body: file.body(0..<file.size))
        }
    }

    /// The answer with a part of a file; nil when it is to be the whole.
    private func part(_ range: ByteRange, of file: CachedFile) -> Response? {
        switch range {
        case .whole:
            return nil
        case .unsatisfiable:
            return .page(.rangeNotSatisfiable, fields: [Response.Field("Content-Range", "bytes */\(file.size)")])
        case .partial(let range):
            let type = Response.Field("Content-Type", file.mediaType)
            let place = "bytes \(range.lowerBound)-\(range.upperBound - 1)/\(file.size)"
            let part = Response.Field("Content-Range", place)
            return Response(.partialContent, fields: [type, part] + file.fields, body: file.body(range))
        }
    }

    /// To the same path with a slash behind it, so that relative links in the directory's index lead where they should.
    ///
    /// The path is written anew from its decoded form, which has no empty segments: it can never be read as another host.
    private func redirectToDirectory(_ head: RequestHead) -> Response {
        var location = "/"
        location.append(percentEncoding: path.bytes)
        location += "/"
        if let query = head.query {
            location += "?"
            for byte in head.bytes(query) {
                if byte < 0x80 {
                    location.append(Character(Unicode.Scalar(byte)))
                } else {
                    location.append(percentEncoding: CollectionOfOne(byte))
                }
            }
        }
        return .page(.movedPermanently, fields: [Response.Field("Location", location)])
    }
}
