import Foundation

/// A quantity over another one, a line for each series.
struct LineChart {
    struct Series {
        var name: String
        var points: [(x: Double, y: Double)]
        /// Which colour; nil: by its place.
        var color: Int?
        var hasDots = false
    }

    var title: String
    var description: String
    var xName: String
    var yName: String
    var series: [Series]
    /// nil: what the points span.
    var xRange: ClosedRange<Double>?
    var yRange: ClosedRange<Double>?
    var width = 560.0
    var height = 320.0
    /// Also draw where y equals x.
    var hasDiagonal = false
    /// Only whole numbers have a mark on the horizontal axis.
    var hasWholeX = false
    /// Points kept of each series.
    static let mostPoints = 400

    var figure: Figure {
        let legend = Legend(
            series.count > 1 || series.contains { $0.color != nil }
                ? series.enumerated().map { .init(name: $1.name, style: Self.style($0, $1), isLine: true) } : [],
            x: 12, top: 28, width: width - 24)
        let drawn = series.map { one in
            Series(name: one.name, points: Decimation.thin(one.points, to: Self.mostPoints), color: one.color, hasDots: one.hasDots)
        }
        let points = drawn.flatMap(\.points).filter { $0.x.isFinite && $0.y.isFinite }
        let yTicks = Self.ticks(yRange, points.map(\.y), about: 5)
        let xTicks = Self.ticks(xRange, points.map(\.x), about: 6, beginsAtZero: false)
            .filter { !hasWholeX || $0 == $0.rounded() }
        let left = 14 + (yTicks.map { Shown.width(of: Shown.number($0), size: 11) }.max() ?? 0), top = 30 + legend.height + 20
        let frame = Frame(
            left: left, right: width - 24, top: top, bottom: height - 42, x: xRange ?? Self.span(points.map(\.x), xTicks, isTight: true),
            y: Self.span([], yTicks, isTight: false))
        var content = [Draw.name(title, x: 12, y: 18, width: width - 24, style: "title", size: 14)] + legend.content
        content += frame.axes(xTicks: xTicks, yTicks: yTicks, xName: xName, yName: yName)
        if hasDiagonal {
            let low = max(frame.x.lowerBound, frame.y.lowerBound), high = min(frame.x.upperBound, frame.y.upperBound)
            content.append(Draw.line(frame.placeX(low), frame.placeY(low), frame.placeX(high), frame.placeY(high), style: "reference"))
        }
        if points.isEmpty {
            content.append(Draw.text("no values", x: (left + width - 24) / 2, y: (top + height - 42) / 2, .middle, style: "tick"))
        }
        let lines = drawn.enumerated().flatMap { index, one in frame.line(one, style: Self.style(index, one)) }
        content.append(.tag("g", ["class": "plot", "data-frame": frame.numbers, "data-names": "\(xName)\n\(yName)"], lines))
        return Figure(title: title, description: description, width: width, height: height, content: content, kind: "lines")
    }

    private static func style(_ index: Int, _ series: Series) -> String { Draw.color(series.color ?? index) + Draw.dash(series.color ?? index) }

    private static func ticks(_ range: ClosedRange<Double>?, _ values: [Double], about count: Int, beginsAtZero: Bool = true) -> [Double] {
        if let range { return Ticks.round(range.lowerBound, range.upperBound, about: count) }
        guard let low = values.min(), let high = values.max() else { return [0, 1] }
        guard high > low else {
            let room = low == 0 ? 1 : 0.5 * abs(low)
            return Ticks.round(beginsAtZero && low >= 0 ? 0 : low - room, low + room, about: count)
        }
        // Near zero the axis begins there.
        return Ticks.round(beginsAtZero && low > 0 && low < 0.5 * high ? 0 : low, high, about: count)
    }

    private static func span(_ values: [Double], _ ticks: [Double], isTight: Bool) -> ClosedRange<Double> {
        if isTight, let low = values.min(), let high = values.max(), high > low { return low...high }
        let low = ticks.first ?? 0, high = ticks.last ?? 1
        return high > low ? low...high : low...(low + 1)
    }
}

/// The rectangle of a plot, and what its sides stand for.
struct Frame {
    var left: Double
    var right: Double
    var top: Double
    var bottom: Double
    var x: ClosedRange<Double>
    var y: ClosedRange<Double>

    func placeX(_ value: Double) -> Double { left + (value - x.lowerBound) / (x.upperBound - x.lowerBound) * (right - left) }
    func placeY(_ value: Double) -> Double { bottom - (value - y.lowerBound) / (y.upperBound - y.lowerBound) * (bottom - top) }

    /// For the script: the sides, then their values.
    var numbers: String {
        [left, right, top, bottom, x.lowerBound, x.upperBound, y.lowerBound, y.upperBound].map { "\($0)" }.joined(separator: " ")
    }

    func axes(xTicks: [Double], yTicks: [Double], xName: String, yName: String) -> [Markup] {
        var content: [Markup] = []
        for tick in yTicks where y.contains(tick) {
            content.append(Draw.line(left, placeY(tick), right, placeY(tick), style: "grid"))
            content.append(Draw.text(Shown.number(tick), x: left - 6, y: placeY(tick) + 4, .end, style: "tick"))
        }
        var reached = -Double.infinity
        for tick in xTicks where x.contains(tick) {
            let place = placeX(tick), half = Shown.width(of: Shown.number(tick), size: 11) / 2
            content.append(Draw.line(place, bottom, place, bottom + 4, style: "axis"))
            guard place - half > reached + 4 else { continue }
            content.append(Draw.text(Shown.number(tick), x: place, y: bottom + 17, .middle, style: "tick"))
            reached = place + half
        }
        content.append(Draw.line(left, bottom, right, bottom, style: "axis"))
        content.append(Draw.text(yName, x: 12, y: top - 9, style: "tick"))
        content.append(Draw.text(xName, x: right, y: bottom + 34, .end, style: "tick"))
        return content
    }

    /// A line with a gap where a value is not finite; values outside are drawn at the border.
    func line(_ series: LineChart.Series, style: String) -> [Markup] {
        var parts: [[(x: Double, y: Double)]] = [[]]
        for point in series.points {
            if point.x.isFinite, point.y.isFinite {
                let within = (min(max(point.x, x.lowerBound), x.upperBound), min(max(point.y, y.lowerBound), y.upperBound))
                parts[parts.count - 1].append((placeX(within.0), placeY(within.1)))
            } else if parts.last?.isEmpty == false {
                parts.append([])
            }
        }
        var content: [Markup] = []
        for part in parts where !part.isEmpty {
            if part.count > 1 {
                let points = part.map { "\(Shown.place($0.x)),\(Shown.place($0.y))" }.joined(separator: " ")
                content.append(.tag("polyline", ["class": "line " + style, "points": points, "data-name": Shown.name(series.name)]))
            }
            guard series.hasDots || part.count == 1 else { continue }
            let color = String(style.prefix { $0 != " " })
            content += part.map { .tag("circle", ["class": "dot " + color, "cx": Shown.place($0.x), "cy": Shown.place($0.y), "r": "2.6"]) }
        }
        return content
    }
}
