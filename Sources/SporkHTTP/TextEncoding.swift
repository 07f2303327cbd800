// Bytes made safe for where they go: into a link or a Location field, or into a page. Used for listings and redirects.

extension String {
    /// Adds bytes of a path, percent-encoded but for what may stand in a path as it is (RFC 3986, 3.3).
    package nonisolated mutating func append(percentEncoding bytes: some Sequence<UInt8>) {
        for byte in bytes {
            if byte.mayStandInPath { append(Character(Unicode.Scalar(byte))) } else { append(percentEncoding: byte) }
        }
    }

    /// Adds a percent sign and the byte's two hexadecimal digits.
    nonisolated mutating func append(percentEncoding byte: UInt8) {
        let digits: StaticString = "0123456789ABCDEF"
        append("%")
        append(Character(Unicode.Scalar(digits.utf8Start[Int(byte >> 4)])))
        append(Character(Unicode.Scalar(digits.utf8Start[Int(byte & 15)])))
    }

    /// Adds text with the characters that mean something in HTML written as references.
    package nonisolated mutating func append(escapingHTML text: String) {
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": append("&amp;")
            case "<": append("&lt;")
            case ">": append("&gt;")
            case "\"": append("&quot;")
            case "'": append("&#39;")
            default: unicodeScalars.append(scalar)
            }
        }
    }
}

extension UInt8 {
    /// Unreserved characters, slashes, and the delimiters that mean nothing in a path.
    fileprivate nonisolated var mayStandInPath: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"): true
        case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"), UInt8(ascii: "~"), UInt8(ascii: "/"): true
        case UInt8(ascii: "!"), UInt8(ascii: "$"), UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "*"): true
        case UInt8(ascii: "+"), UInt8(ascii: ","), UInt8(ascii: "="), UInt8(ascii: "@"): true
        default: false
        }
    }
}
