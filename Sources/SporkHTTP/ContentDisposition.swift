// Content-Disposition as answers have it (RFC 6266): whether to show something or to keep it, and under which name. Pure.

/// Makes values of Content-Disposition.
public nonisolated enum ContentDisposition {
    /// To be kept as a file with this name.
    ///
    /// The name goes out in ASCII, others' characters replaced, for clients that know nothing else; where that is not the name itself, also as
    /// it is, encoded (RFC 8187). Directories, control characters and line ends do not come through.
    public static func attachment(named name: String) -> String { value("attachment", name) }

    /// To be shown, and to be kept under this name where somebody keeps it.
    public static func inline(named name: String) -> String { value("inline", name) }

    private static func value(_ kind: String, _ name: String) -> String {
        var fit = ""
        for scalar in name.unicodeScalars {
            fit.unicodeScalars.append(scalar.isControlOrLineEnd || scalar == "/" || scalar == "\\" ? "_" : scalar)
        }
        guard !fit.isEmpty else { return kind }
        // Quotes would have to be escaped, and a percent sign is decoded by some that should not.
        let plain = String(
            String.UnicodeScalarView(
                fit.unicodeScalars.map { $0.isASCII && $0 != "\"" && $0 != "%" ? $0 : "_" }
            )
        )
        guard plain != fit else { return "\(kind); filename=\"\(fit)\"" }
        var encoded = ""
        for byte in fit.utf8 {
            if byte.isAttributeCharacter {
                encoded.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                encoded.append(percentEncoding: byte)
            }
        }
        return "\(kind); filename=\"\(plain)\"; filename*=UTF-8''\(encoded)"
    }
}

extension Unicode.Scalar {
    /// Whether no name of a file should have this: control characters (Unicode's, which has more than ASCII), and ends of lines and paragraphs.
    nonisolated var isControlOrLineEnd: Bool {
        value < 0x20 || (0x7F..<0xA0).contains(value) || value == 0x2028 || value == 0x2029
    }
}

extension UInt8 {
    /// Whether this is an attr-char (RFC 8187, 3.2.1): what may stand in a token but ' * %.
    fileprivate nonisolated var isAttributeCharacter: Bool {
        isTokenCharacter && self != UInt8(ascii: "'") && self != UInt8(ascii: "*") && self != UInt8(ascii: "%")
    }
}
