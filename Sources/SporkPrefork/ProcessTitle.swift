// What `ps` shows of the server's processes: role, slot, generation and state. It overwrites the memory of the command line,
// which costs a copy of the environment once; the arguments are kept before.
import CSporkShims

/// The title of this process.
enum ProcessTitle {
    /// The arguments this process was started with, which its title replaces.
    static let arguments: [[UInt8]] = (0..<Int(CommandLine.argc)).compactMap { index in
        CommandLine.unsafeArgv[index].map { Invocation.bytes(of: $0) }
    }

    /// Makes room; to be called before `set`, in the master, once.
    static func prepare() {
        _ = arguments
        spork_prepare_title(CommandLine.argc, CommandLine.unsafeArgv)
    }

    /// Shows `text` from now on.
    static func set(_ text: String) { spork_set_title(text) }
}
