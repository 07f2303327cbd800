// The texts behind the number of processors, as the kernel writes them.
import SporkPrefork
import Testing

@Suite struct ProcessorCountTests {
    @Test(
        "the quota of a version-2 group",
        arguments: [
            ("max 100000\n", nil), ("200000 100000\n", 2.0), ("150000 100000", 1.5), ("50000 100000", 0.5),
            ("", nil), ("100000", nil), ("x 100000", nil), ("0 100000", nil), ("100000 0", nil),
        ] as [(String, Double?)]
    )
    func unified(text: String, quota: Double?) {
        #expect(ProcessorCount.quota(unified: text) == quota)
    }

    @Test(
        "the quota of version-1 groups",
        arguments: [
            ("-1\n", "100000\n", nil), ("200000\n", "100000\n", 2.0), ("", "100000", nil), ("100000", "", nil),
        ] as [(String, String, Double?)]
    )
    func legacy(quota: String, period: String, processors: Double?) {
        #expect(ProcessorCount.quota(legacy: quota, period: period) == processors)
    }

    @Test("the version-2 group among a process's memberships")
    func memberships() {
        #expect(ProcessorCount.unifiedGroup(in: "12:cpu:/a\n0::/user.slice/b\n") == "/user.slice/b")
        #expect(ProcessorCount.unifiedGroup(in: "0::/\n") == "/")
        #expect(ProcessorCount.unifiedGroup(in: "12:cpu:/a\n") == nil)
    }

    @Test("there is always one")
    func available() { #expect(ProcessorCount.available >= 1) }
}
