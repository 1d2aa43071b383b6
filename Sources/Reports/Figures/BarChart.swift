import Foundation

/// Bars in groups, each a stack of parts.
struct BarChart {
    struct Bar {
        var name: String
        var parts: [Double]
        /// Written above the bar.
        var label: String?
        var tip: String?
    }
    struct Group {
        var name: String
        var bars: [Bar]
    }

    var title: String
    var description: String
    var yName: String
    var groups: [Group]
    /// Names of the parts of a stack and the classes of their colours.
    var parts: [(name: String, style: String)]
    /// nil: what the stacks need.
    var highest: Double?
    /// A line across all bars.
    var reference: (name: String, value: Double)?
    var width = 560.0
    var height = 320.0
    var isLegendHidden = false

    var figure: Figure {
        var entries = isLegendHidden ? [] : parts.map { Legend.Entry(name: $0.name, style: "bar " + $0.style) }
        if let reference { entries.append(.init(name: reference.name, style: "reference", isLine: true)) }
        let legend = Legend(entries, x: 12, top: 28, width: width - 24)
        let bars = groups.flatMap(\.bars), tallest = bars.map { $0.parts.filter(\.isFinite).reduce(0, +) }.max() ?? 0
        let lowest = min(0, bars.flatMap(\.parts).filter(\.isFinite).min() ?? 0), roof = max(tallest, reference?.value ?? 0)
        let ticks = highest.map { Ticks.round(0, $0, about: 5) } ?? Ticks.round(lowest, roof > lowest ? roof * 1.06 : 1, about: 5)
        let left = 14 + (ticks.map { Shown.width(of: Shown.number($0), size: 11) }.max() ?? 0)
        let top = 30 + legend.height + 20
        let frame = Frame(
            left: left, right: width - 16, top: top, bottom: height - 44, x: 0...1, y: (ticks.first ?? 0)...max(ticks.last ?? 1, 1e-12))
        var content = [Draw.name(title, x: 12, y: 18, width: width - 24, style: "title", size: 14)] + legend.content
        content += frame.axes(xTicks: [], yTicks: ticks, xName: "", yName: yName)
        content += draw(frame)
        if let reference {
            let y = frame.placeY(reference.value)
            content.append(Draw.line(frame.left, y, frame.right, y, style: "reference"))
        }
        return Figure(title: title, description: description, width: width, height: height, content: content)
    }

    private func draw(_ frame: Frame) -> [Markup] {
        let count = groups.reduce(0) { $0 + $1.bars.count }
        guard count > 0 else {
            return [Draw.text("no values", x: (frame.left + frame.right) / 2, y: (frame.top + frame.bottom) / 2, .middle, style: "tick")]
        }
        // Between groups stands the room of half a bar.
        let slot = (frame.right - frame.left) / (Double(count) + 0.5 * Double(groups.count - 1))
        var x = frame.left, content: [Markup] = []
        for group in groups {
            let first = x
            for bar in group.bars {
                content += draw(bar, frame, x: x, slot: slot)
                x += slot
            }
            if !group.name.isEmpty {
                content.append(Draw.name(group.name, x: (first + x) / 2, y: frame.bottom + 34, width: x - first + min(slot / 2, 28), .middle))
            }
            x += slot / 2
        }
        return content
    }

    private func draw(_ bar: Bar, _ frame: Frame, x: Double, slot: Double) -> [Markup] {
        var content: [Markup] = [], base = 0.0
        let inset = min(slot * 0.14, 8)
        for (part, value) in zip(parts, bar.parts) where value.isFinite && value != 0 {
            let top = frame.placeY(max(base, base + value)), bottom = frame.placeY(min(base, base + value))
            let name = [bar.name, part.name].filter { !$0.isEmpty }.joined(separator: ", ")
            content.append(
                Draw.box(
                    x + inset, top, slot - 2 * inset, bottom - top, style: "bar " + part.style, tip: bar.tip ?? "\(name): \(Shown.number(value))"))
            base += value
        }
        if let label = bar.label, Shown.width(of: label, size: 11) <= slot + 6 {
            content.append(Draw.text(label, x: x + slot / 2, y: frame.placeY(max(0, base)) - 4, .middle, style: "tick"))
        }
        let width = slot - 2
        if width > 8 {
            content.append(Draw.name(bar.name, x: x + slot / 2, y: frame.bottom + 17, width: width, .middle, style: "tick", size: 11))
        }
        return content
    }
}
