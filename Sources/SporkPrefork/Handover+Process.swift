// Giving a handover to the next program and finding the one that this program was given.
import CSporkShims
import Glibc
import SporkNet

nonisolated extension Handover {
    /// The handover that this program was started with; nil when it was started as usual.
    ///
    /// It is read once: programs that this one starts must not think that it is theirs.
    @MainActor package static let inherited: Handover? = {
        guard let value = getenv(variable), let descriptor = Int32(String(cString: value)) else { return nil }
        unsetenv(variable)
        defer { close(descriptor) }
        lseek(descriptor, 0, SEEK_SET)
        guard let text = SystemFile.contents(of: descriptor, atMost: 4 << 20), let handover = Handover(text: text)
        else {
            return nil
        }
        guard handover.process == (handover.purpose == .trial ? getppid() : getpid()) else { return nil }
        for descriptor in handover.descriptors { _ = spork_keep_over_exec(descriptor, false) }
        return handover
    }()

    @MainActor private static var textLeft: [UInt8]? = {
        guard let inherited, case .revert = inherited.purpose else { return nil }
        return inherited.configuration
    }()

    /// What this program's configuration was read from before an upgrade that has failed, for a program that takes its place back; nil in others, and
    /// when it was taken.
    @MainActor package static func takeTextToGoBackTo() -> [UInt8]? {
        defer { textLeft = nil }
        return textLeft
    }

    /// Writes it to a file in memory that the next program inherits.
    ///
    /// - Returns: the file's descriptor.
    package func write() throws -> Int32 {
        var text = text
        let descriptor = spork_memory_file()
        guard descriptor >= 0 else { throw SystemError("memfd_create", number: -descriptor) }
        let isWritten = text.withUTF8 { bytes in
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = Glibc.write(descriptor, UnsafeBufferPointer(rebasing: rest).baseAddress, rest.count)
                guard count > 0 else { return false }
                rest = rest.dropFirst(count)
            }
            return true
        }
        guard isWritten else {
            close(descriptor)
            throw SystemError("write", "the handover", number: errno)
        }
        return descriptor
    }
}
