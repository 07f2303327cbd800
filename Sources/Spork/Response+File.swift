// Files as handlers answer with them: conditions, ranges and HEAD are taken care of, and the kernel sends what is not small.
import CSporkShims
import Glibc
import SporkHTTP
import SporkNet

extension Response {
    /// An answer with a file that the program names.
    ///
    /// It has ETag, Last-Modified and Accept-Ranges; conditions and ranges of the request count (RFC 9110, 13 and 14): the answer may be 206, with
    /// several ranges too, 304, 412 or 416. Files up to 16 KiB are read at once, larger ones sent by `sendfile`, over TLS record by record. Costs
    /// a few system calls, and never suspends.
    ///
    /// - Parameters:
    ///   - path: where it is. What a client has sent has no place here; see the other form.
    ///   - request: the one that is answered.
    ///   - type: its media type; by its name's extension unless it is said otherwise.
    ///   - name: the name under which the client shall keep it; nil to have it shown.
    /// - Throws: `HTTPError`: 404 when there is no such file, 403 when it must not be read, or is none, 503 without a free descriptor.
    public static func file(
        _ path: String,
        for request: Request,
        type: String? = nil,
        download name: String? = nil
    ) throws(HTTPError) -> Response {
        // Not to wait for the other end, should it be a pipe.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard descriptor >= 0 else { throw HTTPError(Status(openError: errno)) }
        return try answer(ServedDirectory.look(at: descriptor), path, request, type, name)
    }

    /// An answer with a file in a directory; the path may come from the client.
    ///
    ///     let pictures = try ServedDirectory("/srv/pictures")
    ///     router.get("/pictures/{path*}") { request in try Response.file(request["path"], in: pictures, for: request) }
    ///
    /// The kernel keeps the path, and all links on it, beneath the directory; the rest is as in the other form.
    ///
    /// - Throws: `HTTPError`: also 404 for the directory itself, 403 for what lies outside of it.
    public static func file(
        _ path: String,
        in directory: ServedDirectory,
        for request: Request,
        type: String? = nil,
        download name: String? = nil
    ) throws(HTTPError) -> Response {
        // The kernel would stop reading there.
        guard !path.isEmpty, !path.utf8.contains(0) else { throw HTTPError(.notFound) }
        _ = directory.followReplacement()
        return try answer(path.withCString { directory.open($0) }, path, request, type, name)
    }

    /// An answer with a file that is open; the descriptor is closed behind it, also when this throws.
    ///
    /// - Throws: `HTTPError` 403 when it is no regular file.
    public static func file(
        descriptor: Int32,
        for request: Request,
        type: String = MediaType.unknown,
        download name: String? = nil
    ) throws(HTTPError) -> Response {
        try answer(ServedDirectory.look(at: descriptor), "", request, type, name)
    }

    private static func answer(
        _ found: ServedDirectory.Found,
        _ path: String,
        _ request: Request,
        _ type: String?,
        _ name: String?
    ) throws(HTTPError) -> Response {
        switch found {
        case .directory: throw HTTPError(.notFound)
        case .nothing(let status): throw HTTPError(status)
        case .file(let descriptor, let status):
            guard let file = CachedFile(descriptor: descriptor, status: status, path: Array(path.utf8) + [0]) else {
                throw HTTPError(.serviceUnavailable)
            }
            let disposition = name.map { ContentDisposition.attachment(named: $0) }
            return file.answer(to: request.head, type: type ?? file.mediaType, disposition: disposition)
        }
    }
}
