// spork bench and what belongs to it: a run is what happens without another word; comparisons and work on results have words of their
// own.
import ArgumentParser

struct BenchGroup: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: BenchCommand.configuration.abstract,
        discussion: """
            spork bench URL puts load on a server: 'spork bench run --help' lists all options of it. compare runs several \
            servers against one another, in turns and at random; diff and merge work on results that were printed with \
            --format json.
            """,
        subcommands: [
            BenchCommand.self, BenchCompareCommand.self, BenchDiffCommand.self, BenchMergeCommand.self,
        ],
        defaultSubcommand: BenchCommand.self
    )
}
