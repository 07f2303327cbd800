// A run's timeline as a table for spreadsheets (RFC 4180): a row for each second, a field that is not known empty.

extension LoadSummary {
    /// The table, with a heading.
    public var csv: String {
        var lines = [
            "time_s,requests,errors,bytes,p50_us,p99_us,server_cpu_s,server_pss_bytes"
        ]
        for row in result.timeline {
            func number(_ value: Double?, _ digits: Int) -> String { value.map { LoadText.fixed($0, digits) } ?? "" }
            let fields = [
                LoadText.fixed(row.time, 3), "\(row.requests)", "\(row.errors)", "\(row.bytes)",
                number(row.median.map { $0 / 1e3 }, 3), number(row.percentile99.map { $0 / 1e3 }, 3),
                number(row.serverProcessorTime, 6), row.serverMemory.map { "\($0)" } ?? "",
            ]
            lines.append(fields.joined(separator: ","))
        }
        return lines.map { $0 + "\r\n" }.joined()
    }
}
