// A network interface of this machine, by name or by the kernel's number. UDPSocket's multicast calls take it.
import Glibc

/// A network interface of this machine, such as "eth0".
public nonisolated struct NetworkInterface: Hashable, Sendable {
    /// The kernel's number for it; 0 leaves the choice to the kernel.
    public let index: UInt32

    /// The interface that the kernel's routes choose.
    public static let any = NetworkInterface(index: 0)

    /// An interface by its number.
    public init(index: UInt32) { self.index = index }

    /// An interface by its name, or by its number as text.
    ///
    /// - Throws: `SystemError`, naming the interface, when there is none (no such device).
    public init(_ name: String) throws(SystemError) {
        if let number = UInt32(name), number > 0 {
            index = number
        } else {
            index = if_nametoindex(name)
            guard index > 0 else { throw SystemError("interface", name, number: errno) }
        }
    }
}
