// Plots as SVG, to stand in a page: lines through points with axes, and ranges beside one another. Pure text. They are 360 units wide, a
// telephone's width, so that their letters are never smaller than on the page; colours come from the page's style.
import Glibc

/// A plot of lines.
struct SVGPlot {
    /// A line.
    struct Series {
        var name: String
        var points: [(x: Double, y: Double)]
        /// Whether only the points are drawn.
        var isDots = false
    }

    /// A mark on an axis.
    struct Tick: Equatable {
        var value: Double
        var label: String
    }

    var title: String
    var xLabel: String
    var yLabel: String
    var series: [Series]
    /// Marks of the horizontal axis; nil for round numbers.
    var xTicks: [Tick]?
    /// Text of a vertical mark.
    var yText: (Double) -> String = { LoadText.number($0) }

    private static let (width, height) = (360.0, 230.0)
    private static let (left, right, top, bottom) = (52.0, 12.0, 12.0, 40.0)

    /// Round numbers from 0 to `most`, five steps or fewer.
    static func ticks(to most: Double) -> [Double] {
        guard most > 0, most.isFinite else { return [0, 1] }
        let power = pow(10, floor(log10(most / 5)))
        let step = [1, 2, 2.5, 5, 10].map { $0 * power }.first { most / $0 <= 5.000001 } ?? power * 10
        var ticks = [0.0]
        // Multiples of what has no exact binary form are made round again.
        while ticks[ticks.count - 1] < most * 0.999999 {
            let scale = max(1, 100 / power)
            ticks.append((Double(ticks.count) * step * scale).rounded() / scale)
        }
        return ticks
    }

    /// The element; empty without points.
    var text: String {
        let points = series.flatMap(\.points).filter { $0.x.isFinite && $0.y.isFinite }
        guard let farthest = points.map(\.x).max(), let highest = points.map(\.y).max() else { return "" }
        let round = Self.ticks(to: farthest).filter { $0 <= farthest * 1.000001 }
        let xTicks = self.xTicks ?? round.map { Tick(value: $0, label: LoadText.number($0)) }
        let yTicks = Self.ticks(to: highest)
        let (mostX, mostY) = (max(farthest, xTicks.map(\.value).max() ?? 1), yTicks[yTicks.count - 1])
        func x(_ value: Double) -> Double { Self.left + value / mostX * (Self.width - Self.left - Self.right) }
        func y(_ value: Double) -> Double {
            Self.height - Self.bottom - value / mostY * (Self.height - Self.top - Self.bottom)
        }
        var lines = [
            "<svg viewBox=\"0 0 360 230\" role=\"img\" aria-label=\"\(HTMLText.escaped(title))\">"
        ]
        for tick in yTicks {
            lines.append(Self.line("grid", Self.left, y(tick), Self.width - Self.right, y(tick)))
            lines.append(Self.label("end", Self.left - 5, y(tick) + 4, yText(tick)))
        }
        for tick in xTicks {
            lines.append(Self.line("grid", x(tick.value), Self.top, x(tick.value), Self.height - Self.bottom))
            // The last one has no room at its right.
            let isLast = x(tick.value) > Self.width - Self.right - 20 && tick.label.count > 3
            let place = isLast ? Self.width - 2 : x(tick.value)
            lines.append(Self.label(isLast ? "end" : "middle", place, Self.height - Self.bottom + 15, tick.label))
        }
        lines.append(Self.label("middle", (Self.left + Self.width - Self.right) / 2, Self.height - 6, xLabel))
        for (index, series) in series.enumerated() {
            let places = series.points.map { (x($0.x), y(min($0.y, mostY))) }
            if !series.isDots, places.count > 1 {
                let path = places.map { "\(LoadText.fixed($0.0, 1)),\(LoadText.fixed($0.1, 1))" }
                lines.append("<polyline class=\"s\(index)\" points=\"\(path.joined(separator: " "))\"/>")
            }
            if series.isDots || places.count < 20 {
                lines += places.map { Self.dot("d\(index)", $0.0, $0.1) }
            }
        }
        return (lines + ["</svg>"]).joined(separator: "\n")
    }

    /// The plot with its title, and a key where there is more than one line.
    var figure: String {
        let text = self.text
        guard !text.isEmpty else { return "" }
        let key = series.enumerated().map { "<span class=\"k\($0)\">\(HTMLText.escaped($1.name))</span>" }
        return
            "<figure><figcaption>\(HTMLText.escaped(title)) <small>\(HTMLText.escaped(yLabel))</small></figcaption>\n"
            + text + (series.count > 1 ? "\n<p class=\"key\">\(key.joined(separator: " "))</p>" : "") + "\n</figure>\n"
    }

    static func line(_ name: String, _ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double) -> String {
        let numbers = [x1, y1, x2, y2].map { LoadText.fixed($0, 1) }
        return
            "<line class=\"\(name)\" x1=\"\(numbers[0])\" y1=\"\(numbers[1])\" x2=\"\(numbers[2])\" y2=\"\(numbers[3])\"/>"
    }

    static func label(_ anchor: String, _ x: Double, _ y: Double, _ text: String) -> String {
        "<text text-anchor=\"\(anchor)\" x=\"\(LoadText.fixed(x, 1))\" y=\"\(LoadText.fixed(y, 1))\">"
            + "\(HTMLText.escaped(text))</text>"
    }

    static func dot(_ name: String, _ x: Double, _ y: Double) -> String {
        "<circle class=\"\(name)\" cx=\"\(LoadText.fixed(x, 1))\" cy=\"\(LoadText.fixed(y, 1))\" r=\"3\"/>"
    }
}

/// Ranges beside one another, with a mark at 1.
struct SVGRanges {
    /// A row: where it is and how sure that is.
    struct Row {
        var label: String
        var value: Double
        var low: Double?
        var high: Double?
        /// What it is drawn as.
        var style = 0
    }

    var title: String
    var note: String
    var rows: [Row]

    /// The ranges with their title; empty without rows.
    var figure: String {
        guard !rows.isEmpty else { return "" }
        let all: [Double] =
            [1] + rows.flatMap { row -> [Double] in [row.value, row.low ?? row.value, row.high ?? row.value] }
        let (least, most) = (all.min() ?? 1, all.max() ?? 1)
        let room = max((most - least) * 0.08, 0.02)
        let (low, high) = (least - room, most + room)
        let height = Double(rows.count) * 30 + 34
        func x(_ value: Double) -> Double { 12 + (value - low) / (high - low) * 336 }
        var lines = [
            "<svg viewBox=\"0 0 360 \(LoadText.fixed(height, 0))\" role=\"img\" aria-label=\"\(HTMLText.escaped(title))\">",
            SVGPlot.line("one", x(1), 4, x(1), height - 20),
        ]
        for (index, row) in rows.enumerated() {
            let y = Double(index) * 30 + 24
            lines.append(SVGPlot.label("start", 12, y - 10, row.label))
            if let low = row.low, let high = row.high {
                lines.append(SVGPlot.line("s\(row.style)", x(low), y, x(high), y))
            }
            lines.append(SVGPlot.dot("d\(row.style)", x(row.value), y))
        }
        for value in [1, low + room, high - room] where value == 1 || abs(x(value) - x(1)) > 30 {
            lines.append(SVGPlot.label("middle", min(max(x(value), 18), 342), height - 6, LoadText.fixed(value, 2)))
        }
        return "<figure><figcaption>\(HTMLText.escaped(title)) <small>\(HTMLText.escaped(note))</small></figcaption>\n"
            + (lines + ["</svg>"]).joined(separator: "\n") + "\n</figure>\n"
    }
}
