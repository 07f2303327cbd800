// Paths of requests: what becomes of them stays below the root, for files and for routes, and is what a second reader makes of them.
import Glibc
import SporkHTTP

private var path = RequestPath()
private var segments = PathSegments()

func checkPaths(_ input: FuzzInput) {
    // A path starts with a slash or is empty; the parser sees to that.
    let bytes = input.bytes.isEmpty ? [] : [UInt8(ascii: "/")] + input.bytes
    checkFile(bytes)
    checkRoute(bytes)
    checkLink(input.bytes)
}

private func checkFile(_ bytes: [UInt8]) {
    let outcome = withExactBytes(bytes) { path.decode($0) }
    let reference = ReferencePath(bytes, keepsEmpty: false)
    guard case .path(let isDirectory) = outcome else {
        switch (outcome, reference.outcome) {
        case (.malformed, .malformed), (.escapesRoot, .escapesRoot): return
        // Whichever comes first counts.
        case (.escapesRoot, .malformed), (.malformed, .escapesRoot): return
        case (.namesNothing, _):
            return require(bytes.count > 4000 || reference.hasEncodedSlash, "\(text(bytes)) names something")
        default: return require(false, "\(text(bytes)): \(outcome), a second reader \(reference.outcome)")
        }
    }
    let found = Array(path.bytes)
    require(!found.contains(0) && found.first != 47 && found.last != 47, "\(text(found)) is not relative")
    let parts = found.isEmpty ? [] : found.split(separator: 47, omittingEmptySubsequences: false).map(Array.init)
    require(parts.allSatisfy { !$0.isEmpty && $0 != [46] && $0 != [46, 46] }, "\(text(found)) has dot segments")
    require(
        reference.outcome == .path && parts == reference.segments,
        "\(text(found)), a second reader \(reference.segments.map(text))"
    )
    require(isDirectory == reference.isDirectory, "\(text(bytes)) is a directory: \(isDirectory)")
    require(strlen(path.cString) == found.count, "the zero byte is not at the end")
    let fits = path.append(component: "index.html")
    require(fits == (found.count + 11 < 4096), "\(found.count) bytes and an index")
    path.truncate(to: found.count)
    require(Array(path.bytes) == found, "the index is not taken back")
}

private func checkRoute(_ bytes: [UInt8]) {
    let outcome = withExactBytes(bytes) { segments.split($0) }
    let reference = ReferencePath(bytes, keepsEmpty: true)
    guard outcome == .split else {
        switch (outcome, reference.outcome) {
        case (.malformed, .path): return require(reference.isNoText, "\(text(bytes)) is well-formed")
        case (_, .malformed), (.escapesRoot, .escapesRoot), (.malformed, .escapesRoot): return
        default: return require(false, "\(text(bytes)): \(outcome), a second reader \(reference.outcome)")
        }
    }
    require(
        reference.outcome == .path && segments.count >= 1,
        "\(text(bytes)) is split, a second reader \(reference.outcome)"
    )
    var found: [[UInt8]] = []
    segments.forEach {
        found.append(Array($0))
        return true
    }
    let expected = reference.segments + (reference.endsOpen ? [[]] : [])
    require(found == expected, "\(found.map(text)), a second reader \(expected.map(text))")
    require(!found.contains([46]) && !found.contains([46, 46]), "dot segments")
    require((0..<segments.count).map { segments[$0] } == found.map(text), "segments one by one")
    require(
        segments.path == "/" + found.map(text).joined(separator: "/") && segments.path == "/" + segments.rest(from: 0),
        "together"
    )
}

/// Bytes that are written into a link are the same when it is followed, but for slashes and dots, which a path gives a meaning.
private func checkLink(_ name: [UInt8]) {
    guard !name.contains(0), !name.contains(47), name != [46], name != [46, 46], !name.isEmpty, name.count < 4000 else {
        return
    }
    var link = "/"
    link.append(percentEncoding: name)
    require(link.utf8.allSatisfy { $0 > 32 && $0 < 127 && !"\"<>\\^`{|}#?".utf8.contains($0) }, "\(link) is no link")
    require(withExactBytes(Array(link.utf8)) { path.decode($0) } == .path(isDirectory: false), "\(link) leads nowhere")
    require(Array(path.bytes) == name, "\(link) leads to \(text(path.bytes))")
}

/// A path taken apart by splitting, decoding and folding, one after the other (RFC 3986, 5.2.4).
private struct ReferencePath {
    enum Outcome { case path, malformed, escapesRoot }

    var outcome = Outcome.path
    var segments: [[UInt8]] = []
    var isDirectory = false
    /// Whether an empty segment stands behind the last one.
    var endsOpen = false
    var hasEncodedSlash = false
    var isNoText = false

    init(_ bytes: [UInt8], keepsEmpty: Bool) {
        let parts = bytes.dropFirst().split(separator: 47, omittingEmptySubsequences: false).map(Array.init)
        for (index, part) in parts.enumerated() {
            guard let name = percentDecoded(part, isStrict: true), !name.contains(0) else {
                outcome = .malformed
                return
            }
            hasEncodedSlash = hasEncodedSlash || name.contains(47)
            let isDots = name == [46] || name == [46, 46]
            let isLast = index == parts.count - 1
            if name == [46, 46] {
                guard segments.popLast() != nil else {
                    if outcome == .path { outcome = .escapesRoot }
                    continue
                }
            } else if name != [46], keepsEmpty || !name.isEmpty {
                segments.append(name)
            }
            if isLast { (isDirectory, endsOpen) = (isDots || name.isEmpty, isDots) }
        }
        if segments.isEmpty { (isDirectory, endsOpen) = (true, true) }
        isNoText = segments.contains { String(validating: $0, as: UTF8.self) == nil }
    }
}
