// Room for connections: a limit on descriptors that is too low would look like a server that refuses. Raised before processes are
// forked, which inherit it.
import CSporkShims
import Glibc
import SporkNet

/// The limit on descriptors (getrlimit(2)).
enum DescriptorLimit {
    /// What a process has open beside its connections.
    private static let others = 64

    /// Raises the limit, where it is lower, so that a process can have so many connections.
    ///
    /// - Throws: `SystemError` when that is not allowed.
    static func allow(_ connections: Int) throws(SystemError) {
        let count = connections + others
        var limit = rlimit()
        if getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0, limit.rlim_cur >= count { return }
        let failure = -spork_limit_descriptors(UInt64(count))
        guard failure == 0 else {
            throw SystemError("raise the limit on descriptors from \(limit.rlim_cur) to", "\(count)", number: failure)
        }
    }
}
