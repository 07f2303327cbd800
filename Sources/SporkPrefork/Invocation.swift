// How a program is started: its arguments and its environment, as bytes. The master executes programs with its own, and hands them over, so
// that a program that is gone back to is started as it was: what has replaced it may have been started in another way, by a script.
import CSporkShims
import Glibc

/// Arguments and environment.
package nonisolated struct Invocation: Equatable, Sendable {
    package var arguments: [[UInt8]]
    /// Entries such as `NAME=value`.
    package var variables: [[UInt8]]

    package init(arguments: [[UInt8]], variables: [[UInt8]]) {
        (self.arguments, self.variables) = (arguments, variables)
    }

    /// How this process was started, with what its environment has become since.
    @MainActor static var present: Invocation {
        var variables: [[UInt8]] = []
        var entry = environ
        while let variable = entry.pointee {
            variables.append(bytes(of: variable))
            entry += 1
        }
        return Invocation(arguments: ProcessTitle.arguments, variables: variables)
    }

    /// Becomes the program at a path, with one more variable; returns only when that fails, with the error's number.
    func execute(_ path: String, adding variable: String) -> Int32 {
        var arguments = Self.strings(self.arguments)
        var variables = Self.strings(self.variables + [Array(variable.utf8)])
        let failure = -spork_execute(path, &arguments, &variables)
        for string in arguments + variables { free(string) }
        return failure
    }

    /// The bytes before the end of a C string.
    static func bytes(of string: UnsafePointer<CChar>) -> [UInt8] {
        UnsafeRawBufferPointer(start: string, count: strlen(string)).map { $0 }
    }

    private static func strings(_ all: [[UInt8]]) -> [UnsafeMutablePointer<CChar>?] {
        all.map { bytes in
            let string = bytes.map { CChar(bitPattern: $0) } + [0]
            return string.withUnsafeBufferPointer { $0.baseAddress.flatMap { strdup($0) } }
        } + [nil]
    }

    /// A line's worth of text for bytes: what is not plain is a percent sign and two digits.
    package static func encoded(_ bytes: [UInt8]) -> String {
        var text = ""
        for byte in bytes {
            if (0x21...0x7E).contains(byte), byte != UInt8(ascii: "%") {
                text.unicodeScalars.append(Unicode.Scalar(byte))
            } else {
                let digits = String(byte, radix: 16)
                text += "%" + (digits.count == 1 ? "0" : "") + digits
            }
        }
        return text
    }

    /// The reverse; nil when it is none.
    package static func decoded(_ text: some StringProtocol) -> [UInt8]? {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) else {
                return nil
            }
            bytes.append(value)
            rest = rest.dropFirst(2)
        }
        return bytes
    }
}
