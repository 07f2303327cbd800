// What is in a directory, as a page: names, sizes and times, directories first. FileService asks for it where a directory has
// no index. Of a link only what could be reached through it is told.
import CSporkShims
import Glibc
import SporkHTTP
import SporkNet

/// Makes the page that lists a directory.
enum DirectoryListing {
    private struct Entry {
        var name: [UInt8]
        var isDirectory: Bool
        var size: Int?
        var modified: Int?
    }

    /// The page for `directory`, which is at `path` below the served one.
    static func page(of directory: OpenFile, at place: borrowing RequestPath, below root: Int32) -> Response {
        let path = place.bytes
        guard let entries = entries(of: directory, at: path, below: root) else { return .page(.forbidden) }
        var title = "/"
        if !path.isEmpty { title += String(decoding: path, as: UTF8.self) + "/" }
        var page = """
            <!doctype html>
            <html lang="en">
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width">
            <title>Index of
            """ + " "
        page.append(escapingHTML: title)
        page += """
            </title>
            <style>
            :root { color-scheme: light dark }
            body { font: 1rem/1.6 system-ui, sans-serif; margin: 2rem auto; max-width: 52rem; padding: 0 1rem }
            h1 { font-size: 1.3rem; overflow-wrap: anywhere }
            table { border-collapse: collapse; width: 100% }
            td { border-top: 1px solid #8884; padding: .2rem .6rem; white-space: nowrap }
            td:first-child { overflow-wrap: anywhere; padding-left: 0; white-space: normal; width: 100% }
            td + td { color: #888; font-variant-numeric: tabular-nums; text-align: right }
            a { text-decoration: none }
            a:hover { text-decoration: underline }
            @media (max-width: 34rem) { td:last-child { display: none } }
            </style>
            <h1>Index of
            """ + " "
        page.append(escapingHTML: title)
        page += "</h1>\n<table>\n"
        if !path.isEmpty { page += "<tr><td><a href=\"../\">../</a><td><td>\n" }
        for entry in entries { append(entry, to: &page) }
        page += "</table>\n</html>\n"
        let type = Response.Field("Content-Type", "text/html; charset=utf-8")
        return Response(
            .ok,
            fields: [type, Response.Field("Cache-Control", "no-cache")],
            body: body(page)
        )
    }

    // A block, so that all who are sent it share it.
    private static func body(_ page: String) -> Response.Body {
        let block = ByteBlock(copying: page.utf8)
        return .block(block, 0..<block.bytes.count)
    }

    private static func append(_ entry: Entry, to page: inout String) {
        // "./" keeps a name with a colon from being read as a scheme.
        page += "<tr><td><a href=\"./"
        page.append(percentEncoding: entry.name)
        if entry.isDirectory { page += "/" }
        page += "\">"
        page.append(escapingHTML: String(decoding: entry.name, as: UTF8.self))
        if entry.isDirectory { page += "/" }
        page += "</a><td>"
        if !entry.isDirectory, let bytes = entry.size { page += size(bytes) }
        page += "<td>"
        if let modified = entry.modified { page += String(HTTPDate.string(modified).dropFirst(5).dropLast(7)) }
        page += "\n"
    }

    private static func size(_ bytes: Int) -> String {
        var (value, unit) = (bytes, 0)
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
        while value >= 10_000, unit < units.count - 1 { (value, unit) = ((value + 512) / 1024, unit + 1) }
        return "\(value) \(units[unit])"
    }

    private static func entries(
        of directory: OpenFile,
        at path: UnsafeRawBufferPointer,
        below root: Int32
    ) -> [Entry]? {
        // The stream takes over the descriptor it is made from, and the position in it.
        let copy = dup(directory.descriptor)
        guard copy >= 0 else { return nil }
        guard let stream = fdopendir(copy) else {
            close(copy)
            return nil
        }
        defer { closedir(stream) }
        var entries: [Entry] = []
        while let found = readdir(stream) {
            let name = withUnsafeBytes(of: found.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            if name == [0x2E] || name == [0x2E, 0x2E] { continue }
            let status = status(of: name, in: directory, at: path, below: root)
            // A link that leads nowhere, or out of what is served, is listed as a file of which nothing is known.
            entries.append(
                Entry(
                    name: name,
                    isDirectory: status?.is_directory ?? false,
                    size: (status?.size).map { Int($0) },
                    modified: (status?.modified_seconds).map { Int($0) }
                )
            )
        }
        return entries.sorted { left, right in
            left.isDirectory != right.isDirectory
                ? left.isDirectory : left.name.lexicographicallyPrecedes(right.name)
        }
    }

    private static func status(
        of name: [UInt8],
        in directory: OpenFile,
        at path: UnsafeRawBufferPointer,
        below root: Int32
    ) -> SporkFileStatus? {
        func with<Result>(_ bytes: [UInt8], _ body: (UnsafePointer<CChar>) -> Result) -> Result {
            (bytes + [0]).map { CChar(bitPattern: $0) }.withUnsafeBufferPointer {
                body($0.baseAddress.unsafelyUnwrapped)
            }
        }
        var status = SporkFileStatus()
        guard with(name, { spork_stat_at(directory.descriptor, $0, false, &status) }) == 0 else { return nil }
        guard status.is_link else { return status }
        let whole = path.isEmpty ? name : Array(path) + [UInt8(ascii: "/")] + name
        return with(whole) { spork_stat_beneath(root, $0, &status) } == 0 ? status : nil
    }
}
