import RunRecords

/// Mean and spread of a number over runs that differ in their seed alone.
public struct Spread: Equatable, Sendable {
    public var count: Int
    public var mean: Double
    /// Of the sample (divided by n - 1); nil for one value.
    public var deviation: Double?
    public var least: Double
    public var greatest: Double

    /// nil without values.
    public init?(_ values: [Double]) {
        guard let least = values.min(), let greatest = values.max() else { return nil }
        let mean = values.reduce(0, +) / Double(values.count)
        count = values.count
        self.mean = mean
        self.least = least
        self.greatest = greatest
        guard values.count > 1 else { return }
        deviation = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count - 1)).squareRoot()
    }
}

/// A stage of a run as its log tells of it.
public struct StageSpan: Equatable, Sendable {
    public var name: String
    /// Steps done before its first line and at its last.
    public var steps: ClosedRange<Int>
    /// Computing and waiting, of rank 0.
    public var seconds: Double
    /// Total loss in its last line.
    public var loss: Double?

    public init(name: String, steps: ClosedRange<Int>, seconds: Double, loss: Double?) {
        self.name = name
        self.steps = steps
        self.seconds = seconds
        self.loss = loss
    }

    /// The stages of a log in their order; lines of version 0.1, which name none, are one stage without a name.
    public static func spans(_ records: [StepRecord]) -> [StageSpan] {
        var spans: [StageSpan] = []
        var reached = 0
        for record in records {
            let name = record.stage ?? "", seconds = record.secondsCompute + record.secondsWaitingData + record.secondsWaitingMPI
            let step = max(reached, record.step)
            if spans.last?.name == name {
                spans[spans.count - 1].steps = spans[spans.count - 1].steps.lowerBound...step
                spans[spans.count - 1].seconds += seconds
                spans[spans.count - 1].loss = record.loss["total"]
            } else {
                spans.append(StageSpan(name: name, steps: reached...step, seconds: seconds, loss: record.loss["total"]))
            }
            reached = step
        }
        return spans
    }
}

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

/// Fewer points of a curve that look the same.
package enum Decimation {
    /// At most `most` points: of each stretch the lowest and the highest, in their order; the first and the last point stay.
    ///
    /// - Parameter most: at least 4.
    package static func thin(_ points: [(x: Double, y: Double)], to most: Int) -> [(x: Double, y: Double)] {
        guard points.count > most, let first = points.first, let last = points.last else { return points }
        let inner = points.dropFirst().dropLast(), stretches = (most - 2) / 2
        var kept = [first]
        for stretch in 0..<stretches {
            let from = inner.startIndex + stretch * inner.count / stretches, to = inner.startIndex + (stretch + 1) * inner.count / stretches
            let own = (from..<to).filter { inner[$0].y.isFinite }
            guard let low = own.min(by: { inner[$0].y < inner[$1].y }), let high = own.max(by: { inner[$0].y < inner[$1].y }) else { continue }
            for place in Set([low, high]).sorted() { kept.append(inner[place]) }
        }
        return kept + [last]
    }
}
