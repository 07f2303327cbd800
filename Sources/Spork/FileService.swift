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
        if let file = cache.file(at: path.bytes) { return file.answer(to: head) }
        switch find() {
        case .file(let file): return file.answer(to: head)
        case .directory: return redirectToDirectory(head)
        case .nothing(let status): return .page(status)
        }
    }

    /// A path that ends with a slash: the directory's index, or what is in it.
    private func directory(_ head: RequestHead) -> Response {
        let length = path.bytes.count
        if path.append(component: Self.index) {
            if let file = cache.file(at: path.bytes) { return file.answer(to: head) }
            switch find() {
            case .file(let file): return file.answer(to: head)
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
        switch root.open(path.cStringOrDot, whenFull: { cache.closeFiles() }) {
        case .nothing(let status): return .nothing(status)
        case .directory(let directory): return .directory(directory)
        case .file(let descriptor, let status):
            guard let file = CachedFile(descriptor: descriptor, status: status, path: Array(path.bytes) + [0]) else {
                // It became shorter while it was read; the next request will find it as it is then.
                return .nothing(.serviceUnavailable)
            }
            if !file.mayChangeUnnoticed(now: EventLoop.wallClock) { cache.insert(file) }
            return .file(file)
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
