// What goes on beside a run: a look at the server each second, and rows for a timeline. LoadRun tells it when the run begins, goes on
// and is over; it belongs to one run.
import Glibc

/// Somebody who looks at a run and at the server under it.
public final class RunObserver {
    private let server: ServerWatch?
    private let wantsTimeline: Bool
    private var isWarmingUp = false
    private(set) var timeline: LoadTimeline?
    private var rows = TimelineRows()
    // What the server had used at the end of each second.
    private var looks: [(processorTime: Double, memory: Int?)] = []

    /// - Parameters:
    ///   - server: is looked at each second.
    ///   - wantsTimeline: has the load processes tell each second how far they are.
    public init(server: ServerWatch?, wantsTimeline: Bool) {
        (self.server, self.wantsTimeline) = (server, wantsTimeline)
    }

    /// Before the load processes are forked.
    func begin(processes: Int, warmsUp: Bool) {
        if wantsTimeline { timeline = LoadTimeline(processes: processes) }
        isWarmingUp = warmsUp
        if !warmsUp { server?.begin() }
    }

    /// After the warm-up: what the server has used until then does not count.
    func countingBegins() {
        if isWarmingUp { server?.begin() }
        isWarmingUp = false
    }

    /// Some time later, often.
    func look(at elapsed: Double) {
        if let server, elapsed >= Double(looks.count + 1) { looks.append(server.look()) }
        if let count = timeline?.total(second: rows.rows.count, isOver: false) { take(count) }
    }

    /// After the last answer: completes `result`.
    func end(_ result: inout LoadRun.Result) {
        countingBegins()
        server?.end()
        if let timeline {
            // The last second of a process may be none of its own: it is whatever was left.
            while rows.rows.count < timeline.seconds,
                let count = timeline.total(second: rows.rows.count, isOver: true)
            {
                take(count)
            }
            self.timeline = nil
        }
        // What is left after the last whole second is a row only when something came in it.
        let starts = [0] + rows.rows.map(\.time)
        result.timeline = zip(rows.rows, starts).compactMap { row, start in
            row.requests + row.errors > 0 || row.time - start >= 0.5 ? row : nil
        }
        result.server = server?.report(requests: result.tally.responses, seconds: result.seconds)
    }

    private func take(_ count: LoadTimeline.Count) {
        let index = rows.rows.count
        guard let server else { return rows.add(count, (nil, nil)) }
        if looks.count <= index { looks.append(server.look()) }
        let before = index > 0 && index - 1 < looks.count ? looks[index - 1].processorTime : 0
        let look = looks[min(index, looks.count - 1)]
        rows.add(count, (max(0, look.processorTime - before), look.memory))
    }
}
