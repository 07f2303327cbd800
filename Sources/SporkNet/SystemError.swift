// The error of a system call, with what was attempted on what. Every floor that calls the kernel throws it; the command
// line prints it as it is.
import Glibc

/// A system call that failed: the operation, its object and the reason.
public nonisolated struct SystemError: Error, Equatable, CustomStringConvertible {
    /// What was attempted, such as "bind".
    public var operation: String
    /// What it was attempted on, such as "127.0.0.1:80".
    ///
    /// Empty when there is nothing to name.
    public var object: String
    /// The system's error number.
    public var number: Int32

    /// An error of `operation` on `object`.
    public init(_ operation: String, _ object: String = "", number: Int32) {
        self.operation = operation
        self.object = object
        self.number = number
    }

    /// For example "bind 127.0.0.1:80: permission denied".
    public var description: String {
        let reason = Self.reason(number)
        return object.isEmpty ? "\(operation): \(reason)" : "\(operation) \(object): \(reason)"
    }

    /// What the system says about an error number, as the end of a sentence.
    package static func reason(_ number: Int32) -> String {
        let reason = String(cString: strerror(number))
        return reason.prefix(1).lowercased() + reason.dropFirst()
    }
}
