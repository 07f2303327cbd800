// spork bench diff and merge: work on results that were printed with --format json.
import ArgumentParser
import SporkLoad

struct BenchDiffCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff",
        abstract: "Compare two results, percentile by percentile.",
        discussion: """
            Where both have histograms, a percentile has changed when its 95 % ranges in the two runs do not overlap; else when it \
            has changed by 2 % or more. How much runs differ among themselves is not in it: compare measures that.

            --fail-if takes conditions such as 'p99>+10%' or 'rate<-5%', several with commas: changes that shall not be. Names are \
            rate, errors, cpu, mean, p50, p75, p90, p95, p99, p99.9, p99.99, max. Exit codes: 0, 3 when a condition holds, 1 when \
            a file cannot be used, 2 for wrong usage.
            """
    )

    @Argument(help: ArgumentHelp("The result to compare with.", valueName: "before.json"))
    var before: String

    @Argument(help: ArgumentHelp("The result to compare.", valueName: "after.json"))
    var after: String

    @Option(help: ArgumentHelp("What shall not be.", valueName: "condition,…"))
    var failIf: String?

    @Option(help: ArgumentHelp("How to print the result.", valueName: "text|json"))
    var format = LoadFormat.text

    @MainActor private func conditions() throws -> [LoadDiff.Condition] {
        try (failIf?.split(separator: ",", omittingEmptySubsequences: false) ?? []).map { text in
            guard let condition = LoadDiff.Condition(String(text)) else {
                let names = LoadDiff.Condition.names.joined(separator: ", ")
                throw ValidationError("'\(text)' is no condition such as p99>+10%, of \(names)")
            }
            return condition
        }
    }

    func validate() throws { _ = try MainActor.assumeIsolated { try conditions() } }

    func run() throws {
        try MainActor.assumeIsolated {
            let diff = LoadDiff(try .init(file: before), try .init(file: after))
            let failed = diff.failures(of: try conditions())
            Console.say(format == .text ? diff.text : diff.json(failed: failed).text)
            for failure in failed { Console.complain(failure) }
            if !failed.isEmpty { throw ExitCode(3) }
        }
    }
}

struct BenchMergeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "merge",
        abstract: "Make one result of several machines' results.",
        discussion: "Counts and rates add up; histograms merge without loss, so results without one are refused."
    )

    @Argument(help: ArgumentHelp("Results of runs that went on at the same time.", valueName: "result.json"))
    var results: [String]

    @Option(help: ArgumentHelp("How to print the result.", valueName: "text|json"))
    var format = LoadFormat.text

    func run() throws {
        try MainActor.assumeIsolated {
            if let again = Set(results).first(where: { name in results.count { $0 == name } > 1 }) {
                throw BenchChecks.FileError(path: again, reason: "it is there twice, and would count twice")
            }
            let merged = try LoadMerge(try results.map { try StoredRun(file: $0) })
            Console.say(format == .text ? merged.text : merged.json.text)
        }
    }
}

extension StoredRun {
    /// Reads a file.
    @MainActor fileprivate init(file: String) throws { try self.init(ResultFile.read(file), name: file) }
}
