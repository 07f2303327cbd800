// The options of spork bench about what is measured and looked at: warm-up, schedules, several URLs, answers, objectives, histograms.
import ArgumentParser
import Spork
import SporkLoad
import SporkNet

/// What spork bench does beyond putting load on one URL and counting.
struct BenchChecks: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Send load for so long before anything is counted, on the same connections.",
            valueName: "time"
        )
    )
    var warmup = DurationArgument(.zero)

    @Option(help: ArgumentHelp("More URLs, one a line, each asked for in turn.", valueName: "file"))
    var urls: String?

    @Option(
        help: ArgumentHelp(
            "Open loop: when requests are due, one time a line, in seconds from the start.",
            valueName: "file"
        )
    )
    var schedule: String?

    @Option(
        help: ArgumentHelp(
            """
            Open loop: do not sleep for so long before a request is due, which makes the generator punctual and costs \
            its processor's time.
            """,
            valueName: "time"
        )
    )
    var spin: MicrosecondsArgument?

    @Flag(help: "Compare every answer's status and content with the first answer to the same URL.")
    var verify = false

    @Option(
        help: ArgumentHelp(
            """
            How much of first answers --verify keeps in each process; what has no room is compared by length and hash, \
            and then the place of a difference is not told.
            """,
            valueName: "size"
        )
    )
    var verifyLimit = SizeArgument(64 << 20)

    @Option(help: ArgumentHelp("Statuses that answers have to have.", valueName: "200,204,3xx"))
    var expectStatus: StatusesArgument?

    @Option(help: ArgumentHelp("The content that answers have to have.", valueName: "text|@file"))
    var expectBody: BodyArgument?

    @Flag(
        help: """
            Number every request, in its query and in the field Spork-Request, or where {number} stands in the path, \
            fields and content; the answer has to bring the number back.
            """
    )
    var ledger = false

    @Option(
        help: ArgumentHelp(
            "What the result has to be: p50 to p99.99, mean, min, max, errors, rate. Exit code 3 when it is not.",
            valueName: "'p99<5ms,errors<0.1%'"
        ),
        transform: { try LoadObjective($0) }
    )
    var slo: LoadObjective?

    @Option(
        help: ArgumentHelp(
            "Find the highest rate at which this holds, with runs of -d each, from -R on (default: 100).",
            valueName: "'p99<5ms'"
        ),
        transform: { try LoadObjective($0) }
    )
    var find: LoadObjective?

    @Option(help: ArgumentHelp("Write the latencies' percentile distribution to a .hgrm file.", valueName: "file"))
    var hdr: String?

    @Option(help: ArgumentHelp("Write the latencies to a log of HdrHistogram's.", valueName: "file"))
    var hdrLog: String?

    func validate() throws {
        if verifyLimit != SizeArgument(64 << 20), !verify { throw ValidationError("--verify-limit is about --verify") }
        if verify, expectBody != nil { throw ValidationError("--verify goes without --expect-body") }
        if ledger, verify || expectBody != nil {
            throw ValidationError("--ledger goes without --verify and --expect-body: each answer is another one")
        }
        if ledger, warmup.duration > .zero { throw ValidationError("--ledger goes without --warmup: it counts all") }
    }

    /// What answers have to be.
    var expectation: LoadExpectation {
        get throws {
            var expectation = LoadExpectation()
            expectation.statuses = expectStatus?.statuses ?? []
            if verify { (expectation.content, expectation.mostKept) = (.asFirst, verifyLimit.bytes) }
            if let expectBody { expectation.content = .exactly(try expectBody.bytes) }
            return expectation
        }
    }

    /// The lines of --urls; empty lines and what begins with # do not count.
    var listedURLs: [String] {
        get throws {
            guard let urls else { return [] }
            let lines = try Self.text(of: urls).split(whereSeparator: \.isNewline)
            return lines.map { String($0.trimmingEnds) }.filter { !$0.isEmpty && !$0.hasPrefix("#") }
        }
    }

    /// The schedule of a file.
    func listedSchedule(over duration: Duration?) throws -> ArrivalSchedule? {
        guard let schedule else { return nil }
        do {
            let text = try Self.text(of: schedule)
            return try ArrivalSchedule(listing: text, duration: duration?.nanoseconds)
        } catch let error as ArrivalSchedule.ListError {
            throw FileError(path: schedule, reason: error.description)
        }
    }

    /// Writes the histograms that were asked for.
    @MainActor func writeHistograms(of result: LoadRun.Result) throws {
        if let hdr { try ResultFile.write(result.tally.latencies.distributionText, to: hdr) }
        guard let hdrLog else { return }
        try ResultFile.write(result.tally.latencies.log(start: result.began, length: result.seconds), to: hdrLog)
    }

    private static func text(of path: String) throws -> String {
        guard let argument = BodyArgument(argument: "@" + path) else { return "" }
        return String(decoding: try argument.bytes, as: UTF8.self)
    }

    /// A file that says something which cannot be used.
    struct FileError: Error, CustomStringConvertible {
        let path: String
        let reason: String

        var description: String { "\(path): \(reason)" }
    }
}

/// A short time as an argument: 100us, 1ms, or what DurationArgument reads.
struct MicrosecondsArgument: ExpressibleByArgument, Equatable {
    let duration: Duration

    init?(argument: String) {
        if argument.hasSuffix("us") {
            guard let number = Int(argument.dropLast(2)), (0...1_000_000).contains(number) else { return nil }
            duration = .microseconds(number)
        } else {
            guard let duration = DurationArgument(argument: argument)?.duration else { return nil }
            self.duration = duration
        }
    }
}

/// An amount of memory as an argument: 64M, 300K, 1000.
struct SizeArgument: ExpressibleByArgument, Equatable {
    let bytes: Int

    init(_ bytes: Int) { self.bytes = bytes }

    init?(argument: String) {
        guard let bytes = SettingText.bytes(argument) else { return nil }
        self.bytes = bytes
    }

    var defaultValueDescription: String { SettingText.text(ofBytes: bytes) }
}

/// Statuses as an argument: 200, 2xx, 200,204.
struct StatusesArgument: ExpressibleByArgument {
    let statuses: [ClosedRange<Int>]

    init?(argument: String) {
        guard let statuses = LoadExpectation.statuses(argument) else { return nil }
        self.statuses = statuses
    }
}

extension Substring {
    /// Without spaces at both ends.
    var trimmingEnds: Substring {
        let start = drop { $0.isWhitespace }
        return start.dropLast(start.reversed().prefix { $0.isWhitespace }.count)
    }
}

extension Duration {
    /// In nanoseconds, for schedules.
    var nanoseconds: UInt64 {
        let (seconds, attoseconds) = components
        return UInt64(seconds) * 1_000_000_000 + UInt64(attoseconds / 1_000_000_000)
    }
}
