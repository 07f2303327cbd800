// A descriptor that came over a Unix stream and that nothing else in the process knows of yet.
import Glibc

/// An open file, socket or pipe that is closed with this object, unless it is taken out.
public nonisolated final class OwnedDescriptor {
    /// The descriptor's number; -1 after it was taken.
    public private(set) var number: Int32

    /// Takes over an open descriptor.
    public init(_ number: Int32) { self.number = number }

    deinit { if number >= 0 { Glibc.close(number) } }

    /// Hands the descriptor over: from now on it is the caller's to close.
    public func take() -> Int32 {
        defer { number = -1 }
        return number
    }
}
