import Detectors
import Sampling
import TrainingMethods

/// Why an action can never be positive in training.
enum LearningObstacle: CaseIterable, Hashable, Sendable {
    /// As the detector says.
    case outsideRows, betweenRows, regressionRange, betweenPoints, centerSampling, shorterActions
    /// Too little of it lies in any crop.
    case cropsDropIt
    /// It has a positive point in the whole recording, in no crop.
    case crops
    /// The head cannot say ends as far away as its own.
    case reach

    init(_ obstacle: TargetObstacle) {
        switch obstacle {
        case .outsideRows: self = .outsideRows
        case .betweenRows: self = .betweenRows
        case .regressionRange: self = .regressionRange
        case .betweenPoints: self = .betweenPoints
        case .centerSampling: self = .centerSampling
        case .shorterActions: self = .shorterActions
        }
    }
}

extension Cropping {
    /// Crops that are examined for one action, when those tried first leave it without a positive point.
    private static let mostCrops = 4096, fewestCrops = 32

    /// Where the longest crops begin that see most of an action: in whole rows, on either side of the one around its middle.
    private func fullestStarts(start: Float, end: Float, rows: Int) -> [Int] {
        let length = lengths(rows).upperBound, ideal = (start + end - Float(length)) / 2
        let starts = [ideal.rounded(.down), ideal.rounded(.up)].map { Int(min(max($0, 0), Float(rows - length))) }
        return starts[0] == starts[1] ? [starts[0]] : starts
    }

    /// The most rows of an action that lie in one crop, with half a window beside its ends.
    func mostSeen(start: Float, end: Float, rows: Int, halfWindow: Float) -> Float {
        let length = Float(lengths(rows).upperBound)
        return fullestStarts(start: start, end: end, rows: rows)
            .map { min(Float($0) + length + halfWindow, end) - max(Float($0) - halfWindow, start) }.max().map { max($0, 0) } ?? 0
    }

    /// Why an action of a recording can never be positive, however the recording is cropped; nil: it can.
    ///
    /// - Parameters:
    ///   - instances: the recording's actions, on its grid.
    ///   - whole: what the detector says of the action in the whole recording.
    ///   - budget: crops that may still be examined for all actions together; beyond it few are for each.
    func obstacle(
        to index: Int, among instances: [GridInstance], rows: Int, halfWindow: Float, whole: TargetObstacle?, detector: any Detector,
        budget: inout Int
    ) -> LearningObstacle? {
        let lengths = lengths(rows), own = whole.map(LearningObstacle.init)
        // No crop has rows where the recording has none.
        if lengths.lowerBound == rows || whole == .outsideRows || whole == .betweenRows { return own }
        if lengths.upperBound == rows, whole == nil { return nil }
        let segment = instances[index].segment
        var isKept = false
        func isPositive(_ start: Int, _ length: Int) -> Bool {
            let crop = start..<start + length
            guard let alone = kept([instances[index]], in: crop, halfWindow: halfWindow).first?.instance else { return false }
            isKept = true
            guard detector.outlook(of: 0, among: [alone], rows: length).obstacle == nil else { return false }
            let beside = kept(instances, in: crop, halfWindow: halfWindow)
            guard let place = beside.firstIndex(where: { $0.index == index }) else { return false }
            return detector.outlook(of: place, among: beside.map(\.instance), rows: length).obstacle == nil
        }
        for start in fullestStarts(start: segment.start, end: segment.end, rows: rows) where isPositive(start, lengths.upperBound) { return nil }
        guard isKept else { return own ?? .cropsDropIt }
        let most = min(Self.mostCrops, max(Self.fewestCrops, budget))
        let between = max(1, lengths.count / max(1, Int(Double(most).squareRoot())))
        let tried = Array(stride(from: lengths.upperBound, through: lengths.lowerBound, by: -between))
        for length in tried {
            let first = Int(min(max(segment.start - halfWindow - Float(length), 0), Float(rows - length)))
            let last = Int(min(max(segment.end + halfWindow + 1, 0), Float(rows - length)))
            // An odd step meets points of every level.
            let step = max(1, (last - first) / max(1, most / tried.count)) | 1
            for start in stride(from: first, through: last, by: step) {
                budget -= 1
                if isPositive(start, length) { return nil }
            }
        }
        return own ?? .crops
    }
}
