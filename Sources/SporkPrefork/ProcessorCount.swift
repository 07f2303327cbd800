// How many workers make sense here: the processors this process may use, by affinity mask and by the cgroup's quota.
// Called once by the command line before it forks. The parsing is pure and tested on its own.
import CSporkShims

/// The number of processors that are really available.
public nonisolated enum ProcessorCount {
    /// Processors that the affinity mask allows, but no more than the control group's quota pays for; at least 1.
    public static var available: Int {
        let allowed = Int(spork_allowed_processors())
        guard let quota = controlGroupQuota else { return allowed }
        return max(1, min(allowed, Int(quota.rounded(.up))))
    }

    /// The smallest quota on the way from this process's control group to the root, in processors.
    private static var controlGroupQuota: Double? {
        guard let memberships = SystemFile.contents(of: "/proc/self/cgroup") else { return nil }
        var quotas: [Double] = []
        if var path = unifiedGroup(in: memberships) {
            while true {
                if let text = SystemFile.contents(of: "/sys/fs/cgroup\(path)/cpu.max"), let quota = quota(unified: text)
                {
                    quotas.append(quota)
                }
                guard let slash = path.lastIndex(of: "/"), path.count > 1 else { break }
                path = String(path[..<slash])
            }
        }
        if let quota = SystemFile.contents(of: "/sys/fs/cgroup/cpu/cpu.cfs_quota_us"),
            let period = SystemFile.contents(of: "/sys/fs/cgroup/cpu/cpu.cfs_period_us"),
            let processors = Self.quota(legacy: quota, period: period)
        {
            quotas.append(processors)
        }
        return quotas.min()
    }

    /// The path of the version-2 group in the text of /proc/self/cgroup: the line that starts with "0::".
    package static func unifiedGroup(in memberships: String) -> String? {
        memberships.split(separator: "\n").first { $0.hasPrefix("0::") }.map { String($0.dropFirst(3)) }
    }

    /// The quota in the text of a cpu.max file, "QUOTA PERIOD" or "max PERIOD", in processors.
    package static func quota(unified text: String) -> Double? {
        let fields = text.split(whereSeparator: \.isWhitespace)
        guard fields.count == 2, let quota = Double(fields[0]), let period = Double(fields[1]), period > 0, quota > 0
        else { return nil }
        return quota / period
    }

    /// The quota of version-1 groups, whose file says -1 for none, in processors.
    package static func quota(legacy quota: String, period: String) -> Double? {
        let trimmed = [quota, period].map { $0.filter { !$0.isWhitespace } }
        guard let quota = Double(trimmed[0]), let period = Double(trimmed[1]), quota > 0, period > 0 else { return nil }
        return quota / period
    }
}
