/// What a rank did with its time, of a run recorded with `--timeline`; shares of the recorded steps' time.
public struct RankShares: Equatable, Sendable {
    public var title: String
    public var seconds: Double
    /// In the order of `RankShares.parts`; they sum up to 1.
    public var shares: [Double]

    /// Names of the parts.
    public static let parts = ["forward", "backward", "optimiser", "adding gradients", "waiting for data", "waiting for ranks", "other"]

    /// nil when no step was recorded.
    public init?(_ trace: TimelineTrace) {
        var spans: [Int: (begin: Double, end: Double)] = [:]
        var sums = [Double](repeating: 0, count: Self.parts.count)
        // Outer events come before their inner ones: an event's own time is its duration without that of its inner ones.
        var open: [(end: Double, part: Int)] = []
        for event in trace.events where event.step > 0 {
            let end = event.begin + event.duration, part = Self.part(event)
            let span = spans[event.step] ?? (event.begin, end)
            spans[event.step] = (min(span.begin, event.begin), max(span.end, end))
            // The file has whole nanoseconds.
            while let last = open.last, last.end <= event.begin + 0.5e-9 { open.removeLast() }
            if let outer = open.last { sums[outer.part] -= event.duration }
            sums[part] += event.duration
            open.append((end, part))
        }
        let total = spans.values.reduce(0) { $0 + $1.end - $1.begin }
        guard total > 0 else { return nil }
        let other = Self.parts.count - 1
        sums[other] = 0
        sums = sums.map { max(0, $0) }
        sums[other] = max(0, total - sums.reduce(0, +))
        let whole = sums.reduce(0, +)
        title = trace.title
        seconds = total
        shares = sums.map { $0 / whole }
    }

    private static func part(_ event: TimelineTrace.Event) -> Int {
        switch (event.name, event.category) {
        case ("forward", _): 0
        case ("backward", _): 1
        case ("optimiser", _): 2
        case ("adding gradients", _): 3
        case (_, "data"): 4
        case (_, "waiting"): 5
        default: 6
        }
    }
}
