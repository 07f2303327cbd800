// Which options go with which way of measuring: one table, so that none is taken and then forgotten. Everything that is not in a mode's
// list of refusals does something in it.
import ArgumentParser
import SporkLoad

extension BenchCommand {
    /// Ways of measuring beside a plain run, by the option that asks for them.
    private var modes: [(name: String, isAsked: Bool, refuses: [String])] {
        let files = ["--csv", "--html"]
        let histograms = ["--hdr", "--hdr-log"]
        let several = ["--urls", "several URLs"]
        let openLoop = ["-R", "--schedule", "--spin"]
        let judged = ["--slo", "--find"]
        return [
            ("--find", checks.find != nil, files + histograms + ["--slo", "--schedule", "-n", "-p"]),
            (
                "--sweep", sweep != nil,
                judged + openLoop + histograms + several
                    + ["--csv", "--pid", "--idle", "--hostile", "-n", "--unix-socket", "tcp://"]
            ),
            (
                "--hostile", measure.hostile != nil,
                judged + files + histograms + several + ["-n", "--unix-socket", "https://", "tcp://"]
            ),
            (
                "--idle", measure.idle != nil,
                judged + files + histograms + several + openLoop
                    + [
                        "-n", "-c", "-t", "-p", "-T", "--no-keepalive", "--warmup", "--verify", "--expect-status",
                        "--expect-body", "--ledger", "--unix-socket", "https://", "tcp://",
                    ]
            ),
            ("--spawn", measure.spawn != nil, several + ["--unix-socket"]),
        ]
    }

    /// What was asked for, by the name that a message uses.
    private var asked: [(name: String, isAsked: Bool)] {
        [
            ("--slo", checks.slo != nil), ("--find", checks.find != nil), ("--csv", measure.csv != nil),
            ("--html", measure.html != nil), ("--hdr", checks.hdr != nil), ("--hdr-log", checks.hdrLog != nil),
            ("--urls", checks.urls != nil), ("several URLs", addresses.count > 1), ("-R", rate != nil),
            ("--schedule", checks.schedule != nil), ("--spin", checks.spin != nil), ("-n", requests != nil),
            ("-p", pipelining > 1), ("--pid", measure.pid != nil), ("--idle", measure.idle != nil),
            ("--hostile", measure.hostile != nil), ("--unix-socket", unixSocket != nil),
            ("https://", addresses.contains { $0.hasPrefix("https://") }),
            ("tcp://", addresses.contains { $0.hasPrefix("tcp://") }), ("-c", connections != 10),
            ("-t", processes != 2),
            ("-T", timeout.duration != .seconds(2)), ("--no-keepalive", closesConnections),
            ("--warmup", checks.warmup.duration > .zero), ("--verify", checks.verify),
            ("--expect-status", checks.expectStatus != nil), ("--expect-body", checks.expectBody != nil),
            ("--ledger", checks.ledger),
        ]
    }

    func validateModes() throws {
        for mode in modes where mode.isAsked {
            if let other = asked.first(where: { $0.isAsked && mode.refuses.contains($0.name) }) {
                throw ValidationError("\(mode.name) goes without \(other.name)")
            }
        }
        if measure.hostileConnections != nil, measure.hostile == nil {
            throw ValidationError("--hostile-connections goes with --hostile")
        }
    }
}
