// What kind of thing a file is, by its name's extension, with the charset that text on the web has today. Asked once for a
// file, when it is opened.

/// Content types by file name.
public nonisolated enum MediaType {
    /// The type of what has no known extension.
    public static var unknown: String { "application/octet-stream" }

    /// The content type for a file with this name.
    public static func forFile(named name: some Collection<UInt8>) -> String {
        // A long "extension" is none.
        let tail = Array(name.suffix(16))
        guard let dot = tail.lastIndex(of: UInt8(ascii: ".")) else { return unknown }
        let suffix = String(decoding: tail[(dot + 1)...], as: UTF8.self).lowercased()
        return text[suffix].map { "\($0); charset=utf-8" } ?? other[suffix] ?? unknown
    }

    private static let text = [
        "html": "text/html", "htm": "text/html", "xhtml": "application/xhtml+xml", "css": "text/css",
        "js": "text/javascript", "mjs": "text/javascript", "cjs": "text/javascript", "txt": "text/plain",
        "text": "text/plain", "log": "text/plain", "md": "text/markdown", "markdown": "text/markdown",
        "csv": "text/csv", "tsv": "text/tab-separated-values", "xml": "text/xml", "xsl": "text/xml",
        "xslt": "text/xml", "ics": "text/calendar", "vcf": "text/vcard", "vtt": "text/vtt", "srt": "text/plain",
        "svg": "image/svg+xml", "json": "application/json", "map": "application/json",
        "geojson": "application/geo+json", "jsonld": "application/ld+json",
        "webmanifest": "application/manifest+json", "rss": "application/rss+xml", "atom": "application/atom+xml",
        "yaml": "application/yaml", "yml": "application/yaml", "toml": "application/toml", "c": "text/plain",
        "h": "text/plain", "cpp": "text/plain", "hpp": "text/plain", "rs": "text/plain", "go": "text/plain",
        "py": "text/plain", "swift": "text/plain", "sh": "text/plain", "conf": "text/plain", "ini": "text/plain",
        "diff": "text/plain", "patch": "text/plain", "tex": "text/plain",
    ]

    private static let other = [
        "png": "image/png", "apng": "image/apng", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif",
        "webp": "image/webp", "avif": "image/avif", "jxl": "image/jxl", "heic": "image/heic", "bmp": "image/bmp",
        "tif": "image/tiff", "tiff": "image/tiff", "ico": "image/x-icon", "cur": "image/x-icon",
        "woff": "font/woff", "woff2": "font/woff2", "ttf": "font/ttf", "otf": "font/otf",
        "eot": "application/vnd.ms-fontobject", "mp4": "video/mp4", "m4v": "video/mp4", "webm": "video/webm",
        "ogv": "video/ogg", "mov": "video/quicktime", "avi": "video/x-msvideo", "mkv": "video/x-matroska",
        "mpeg": "video/mpeg", "mpg": "video/mpeg", "ts": "video/mp2t", "m3u8": "application/vnd.apple.mpegurl",
        "mpd": "application/dash+xml", "mp3": "audio/mpeg", "m4a": "audio/mp4", "aac": "audio/aac",
        "ogg": "audio/ogg", "oga": "audio/ogg", "opus": "audio/opus", "flac": "audio/flac", "wav": "audio/wav",
        "weba": "audio/webm", "mid": "audio/midi", "midi": "audio/midi", "pdf": "application/pdf",
        "ps": "application/postscript", "eps": "application/postscript", "rtf": "application/rtf",
        "epub": "application/epub+zip", "doc": "application/msword", "xls": "application/vnd.ms-excel",
        "ppt": "application/vnd.ms-powerpoint",
        "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
        "odt": "application/vnd.oasis.opendocument.text", "ods": "application/vnd.oasis.opendocument.spreadsheet",
        "odp": "application/vnd.oasis.opendocument.presentation", "zip": "application/zip",
        "gz": "application/gzip", "tgz": "application/gzip", "bz2": "application/x-bzip2", "xz": "application/x-xz",
        "zst": "application/zstd", "br": "application/x-brotli", "7z": "application/x-7z-compressed",
        "rar": "application/vnd.rar", "tar": "application/x-tar", "jar": "application/java-archive",
        "wasm": "application/wasm", "bin": "application/octet-stream", "exe": "application/octet-stream",
        "iso": "application/octet-stream", "img": "application/octet-stream", "dmg": "application/octet-stream",
        "deb": "application/vnd.debian.binary-package", "rpm": "application/x-rpm",
        "apk": "application/vnd.android.package-archive", "sqlite": "application/vnd.sqlite3",
        "glb": "model/gltf-binary", "stl": "model/stl",
    ]
}
