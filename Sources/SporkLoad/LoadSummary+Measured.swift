// The parts of a result for programs that have been measured beside the run: the timeline, and the histogram without loss.
import Histogram

extension LoadSummary {
    var measured: [JSONValue.Member] {
        [
            .init("timeline", .array(result.timeline.map(Self.json)))
        ]
    }

    private static func json(_ row: TimelineRow) -> JSONValue {
        [
            "time_seconds": .number(row.time), "requests": .integer(row.requests), "errors": .integer(row.errors),
            "bytes": .integer(row.bytes), "p50_microseconds": row.median.map { .number($0 / 1e3) } ?? .null,
            "p99_microseconds": row.percentile99.map { .number($0 / 1e3) } ?? .null,
            "server_cpu_seconds": row.serverProcessorTime.map { .number($0) } ?? .null,
            "server_pss_bytes": row.serverMemory.map { .integer($0) } ?? .null,
        ]
    }
}
