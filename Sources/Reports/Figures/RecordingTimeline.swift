import Foundation
import TemporalAnnotations

/// A recording with a row for each class: annotated actions above, below what a model says.
struct RecordingTimeline {
    struct Mark {
        var label: Int
        var segment: Segment
        /// Classes of its box.
        var style: String
        var tip: String
    }

    var title: String
    var description: String
    /// Seconds.
    var duration: Double
    var classes: [String]
    var truth: [Mark]
    /// Each row of a class has a lane for each kind.
    var lanes: [[Mark]]
    var legend: [Legend.Entry]

    private static let width = 920.0
    private static let lane = 11.0
    /// Classes with a row; others are counted in the title.
    static let mostRows = 20

    var figure: Figure {
        let all = truth + lanes.flatMap { $0 }
        let labels = Array(Set(all.map(\.label)).sorted().prefix(Self.mostRows)), hidden = Set(all.map(\.label)).count - labels.count
        let names = labels.map { classes.indices.contains($0) ? classes[$0] : "?" }
        let left = 24 + min(170, max(50, names.map { Shown.width(of: Shown.name($0)) }.max() ?? 0)), right = Self.width - 20
        let shownLegend = Legend(legend, x: 12, top: 28, width: Self.width - 24)
        let top = 34 + shownLegend.height, rowHeight = Double(lanes.count + 1) * Self.lane + 12
        let bottom = top + max(1, Double(labels.count)) * rowHeight
        let whole = max(duration, all.map(\.segment.end).filter(\.isFinite).max() ?? 0, 1e-3)
        var content = [
            Draw.name(
                title + (hidden > 0 ? " (\(hidden) more classes are not drawn)" : ""), x: 12, y: 18, width: Self.width - 24, style: "title", size: 14)
        ]
        content += shownLegend.content
        for row in labels.indices {
            let y = top + Double(row) * rowHeight
            if row % 2 == 0 { content.append(Draw.box(0, y, Self.width, rowHeight, style: "band")) }
            content.append(Draw.name(names[row], x: left - 8, y: y + rowHeight / 2 + 4, width: left - 20, .end))
        }
        if labels.isEmpty { content.append(Draw.text("no action and no detection", x: left, y: top + 20, style: "tick")) }
        content.append(plot(labels, left: left, right: right, top: top, bottom: bottom, rowHeight: rowHeight, whole: whole))
        content.append(Draw.line(left, bottom, right, bottom, style: "axis"))
        content.append(axis(left: left, right: right, bottom: bottom, whole: whole))
        return Figure(title: title, description: description, width: Self.width, height: bottom + 28, content: content, kind: "timeline")
    }

    /// The marks in a drawing of its own whose horizontal unit is a second: to zoom is to change its view box.
    private func plot(_ labels: [Int], left: Double, right: Double, top: Double, bottom: Double, rowHeight: Double, whole: Double) -> Markup {
        let rows = Dictionary(uniqueKeysWithValues: labels.enumerated().map { ($1, $0) })
        var marks: [Markup] = []
        let least = whole * 2 / (right - left)
        for (lane, own) in ([truth] + lanes).enumerated() {
            for mark in own {
                guard let row = rows[mark.label], mark.segment.start.isFinite, mark.segment.end.isFinite else { continue }
                let start = min(max(0, mark.segment.start), whole), end = min(max(start, mark.segment.end), whole)
                let y = Double(row) * rowHeight + 6 + Double(lane) * Self.lane
                let attributes: Markup.Attributes = [
                    "class": mark.style, "x": Self.seconds(min(start, whole - least)), "y": Shown.place(y),
                    "width": Self.seconds(max(end - start, least)), "height": Shown.place(Self.lane - 2),
                ]
                marks.append(.tag("rect", attributes, [.tag("title", text: mark.tip)]))
            }
        }
        return .tag(
            "svg",
            [
                "class": "timed", "x": Shown.place(left), "y": Shown.place(top), "width": Shown.place(right - left),
                "height": Shown.place(bottom - top), "viewBox": "0 0 \(Self.seconds(whole)) \(Shown.place(bottom - top))",
                "preserveAspectRatio": "none",
            ], marks)
    }

    private static func seconds(_ value: Double) -> String { String(format: "%.3f", value) }

    private func axis(left: Double, right: Double, bottom: Double, whole: Double) -> Markup {
        var reached = -Double.infinity
        let ticks = Ticks.round(0, whole, about: 8).filter { $0 <= whole * 1.0001 }.flatMap { time -> [Markup] in
            let x = left + time / whole * (right - left), text = "\(Shown.number(time)) s", half = Shown.width(of: text, size: 11) / 2
            guard x - half > reached else { return [] }
            reached = x + half + 4
            return [Draw.line(x, bottom, x, bottom + 4, style: "axis"), Draw.text(text, x: x, y: bottom + 18, .middle, style: "tick")]
        }
        let numbers = [left, right, bottom, whole].map { "\($0)" }.joined(separator: " ")
        return .tag("g", ["class": "times", "data-axis": numbers], ticks)
    }
}
