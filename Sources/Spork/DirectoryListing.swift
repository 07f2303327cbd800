// What is in a directory, as a page: names, sizes and times, directories first. Made anew for each request; FileService asks
// for it where a directory has no index.
import CSporkShims
import Glibc
import SporkHTTP
import SporkNet

/// Makes the page that lists a directory.
enum DirectoryListing {
    private struct Entry {
        var name: [UInt8]
        var isDirectory: Bool
        var size: Int
        var modified: Int
    }

    /// The page for `directory`, which is at `path` below the served one.
    static func page(of directory: OpenFile, at path: UnsafeRawBufferPointer) -> Response {
        guard let entries = entries(of: directory) else { return .page(.forbidden) }
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
            body: .bytes(Array(page.utf8))
        )
    }

    private static func append(_ entry: Entry, to page: inout String) {
        // "./" keeps a name with a colon from being read as a scheme.
        page += "<tr><td><a href=\"./"
        page.append(percentEncoding: entry.name)
        if entry.isDirectory { page += "/" }
        page += "\">"
        page.append(escapingHTML: String(decoding: entry.name, as: UTF8.self))
        if entry.isDirectory { page += "/" }
        page += "</a><td>\(entry.isDirectory ? "" : size(entry.size))<td>"
        if entry.modified > 0 { page += String(HTTPDate.string(entry.modified).dropFirst(5).dropLast(7)) }
        page += "\n"
    }

    private static func size(_ bytes: Int) -> String {
        var (value, unit) = (bytes, 0)
        let units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
        while value >= 10_000, unit < units.count - 1 { (value, unit) = ((value + 512) / 1024, unit + 1) }
        return "\(value) \(units[unit])"
    }

    private static func entries(of directory: OpenFile) -> [Entry]? {
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
            var status = SporkFileStatus()
            let path = name + [0]
            let isThere = path.withUnsafeBytes { bytes in
                guard let start = bytes.baseAddress else { return false }
                return spork_stat_at(directory.descriptor, start.assumingMemoryBound(to: CChar.self), &status) == 0
            }
            // A link that leads nowhere is listed as the file it is not.
            entries.append(
                Entry(
                    name: name,
                    isDirectory: isThere && status.is_directory,
                    size: isThere ? Int(status.size) : 0,
                    modified: isThere ? Int(status.modified_seconds) : 0
                )
            )
        }
        return entries.sorted { left, right in
            left.isDirectory != right.isDirectory
                ? left.isDirectory : left.name.lexicographicallyPrecedes(right.name)
        }
    }
}
