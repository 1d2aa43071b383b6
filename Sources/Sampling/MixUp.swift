import Autograd
import Detectors
import Foundation
import RandomStreams
import TemporalAnnotations

/// How one recording is mixed into another (Zhang et al., arXiv 1710.09412): `x = w x_first + (1 - w) x_second`, targets likewise.
///
/// *Choices*, where the papers that compare with MixUp are silent: features are mixed row by row in time, nothing is stretched. The mixture has the
/// length of the first recording; of a longer second one a random piece is mixed in, a shorter one lies at a random place, and the first's rows
/// around it stay as they are. The first recording prevails: w is at least 1/2.
public struct MixUp: Equatable, Sendable {
    /// w, from 1/2 to 1.
    public var weight: Float
    /// Rows of the first recording that are mixed.
    public var firstRows: Range<Int>
    /// The rows of the second recording mixed into them, as many.
    public var secondRows: Range<Int>
    /// Rows of the second recording.
    public var secondLength: Int
    /// The part of an action that must lie in the piece mixed in for the action to count.
    public static let keptPart: Float = 0.5

    /// A mix that is not drawn; both ranges count rows and have equal length.
    public init(weight: Float, firstRows: Range<Int>, secondRows: Range<Int>, secondLength: Int) {
        precondition(firstRows.count == secondRows.count && secondRows.upperBound <= secondLength)
        self.weight = weight
        self.firstRows = firstRows
        self.secondRows = secondRows
        self.secondLength = secondLength
    }

    /// Draws weight and place.
    ///
    /// - Parameters:
    ///   - first: rows of the first recording.
    ///   - second: rows of the second recording.
    ///   - alpha: in (0, 1]; w is `max(b, 1 - b)` with b from Beta(alpha, alpha). 1: uniform; small: the second is hardly seen.
    ///   - random: draws both.
    public init(first: Int, second: Int, alpha: Float, random: inout RandomStream) {
        let drawn = Self.beta(alpha, &random)
        let length = min(first, second)
        let firstStart = random.uniformIndex(below: first - length + 1), secondStart = random.uniformIndex(below: second - length + 1)
        self.init(
            weight: max(drawn, 1 - drawn), firstRows: firstStart..<firstStart + length, secondRows: secondStart..<secondStart + length,
            secondLength: second)
    }

    /// Beta(alpha, alpha) by Jöhnk's method, which needs alpha of at most 1.
    private static func beta(_ alpha: Float, _ random: inout RandomStream) -> Float {
        precondition(alpha > 0 && alpha <= 1, "alpha \(alpha) is not in (0, 1]")
        let power = 1 / Double(alpha)
        while true {
            let x = pow(Double(random.uniform()), power), y = pow(Double(random.uniform()), power)
            if x + y > 0, x + y <= 1 { return Float(x / (x + y)) }
        }
    }

    // MARK: Features

    /// Mixes the second recording's rows into `mixture`, which holds the first's.
    ///
    /// - Parameters:
    ///   - second: [rows of the second, columns].
    ///   - mixture: [rows of the first, columns].
    ///   - columns: values of a row.
    public func mix(_ second: UnsafePointer<Float>, into mixture: UnsafeMutablePointer<Float>, columns: Int) {
        let own = mixture + firstRows.lowerBound * columns, other = second + secondRows.lowerBound * columns
        for i in 0..<firstRows.count * columns { own[i] = weight * own[i] + (1 - weight) * other[i] }
    }

    // MARK: Targets

    /// The second recording's actions on the first's grid, cut to the piece mixed in; those of which less than half lies in it are left out.
    public func moved(_ instances: [GridInstance]) -> [GridInstance] { movedWithPlaces(instances).map(\.instance) }

    /// Like `moved`, with the actions' places in the list.
    func movedWithPlaces(_ instances: [GridInstance]) -> [(place: Int, instance: GridInstance)] {
        instances.enumerated().compactMap { place, instance in
            guard let part = mixedPart(of: instance.segment), part.length >= Self.keptPart * instance.segment.length else { return nil }
            return (place, GridInstance(segment: onFirst(part), label: instance.label))
        }
    }

    /// Stretches of the second recording on the first's grid, cut to the piece mixed in; those outside are left out.
    func movedStretches(_ stretches: [GridSegment]) -> [GridSegment] {
        stretches.compactMap(mixedPart).map(onFirst)
    }

    /// What of a segment of the second recording lies in the piece mixed in; nil: nothing.
    private func mixedPart(of segment: GridSegment) -> GridSegment? {
        // Half a row around the piece; where the piece ends with the recording, actions may reach beyond it as before.
        let low = secondRows.lowerBound == 0 ? -Float.infinity : Float(secondRows.lowerBound) - 0.5
        let high = secondRows.upperBound == secondLength ? Float.infinity : Float(secondRows.upperBound) - 0.5
        let start = max(low, segment.start), end = min(high, segment.end)
        return end > start ? GridSegment(start: start, end: end) : nil
    }

    private func onFirst(_ segment: GridSegment) -> GridSegment {
        let shift = Float(firstRows.lowerBound - secondRows.lowerBound)
        return GridSegment(start: segment.start + shift, end: segment.end + shift)
    }

    /// Mixes targets point by point: class targets `w y_first + (1 - w) y_second` where the point's position was mixed, `y_first` elsewhere. Points
    /// positive for the first recording keep its offsets, those positive for the second alone take the second's and count as positive too. Classes of
    /// the second at points of the first are `withoutOffsets`. Weights go with the offsets; where there are none and the position was mixed, they are
    /// mixed as the classes are.
    ///
    /// - Parameters:
    ///   - first: targets of the first recordings.
    ///   - second: of the instances that `moved` gave, on the same points; nil when nothing is known of the second recordings: then the first's targets stay.
    ///   - points: of the first recordings.
    ///   - classes: number of classes.
    ///   - mixes: per recording of `points`.
    public static func targets(_ first: PointTargets, _ second: PointTargets?, points: PyramidPoints, classes: Int, mixes: [MixUp]) -> PointTargets {
        guard let second else { return first }
        precondition(mixes.count == points.videos && first.classes.count == points.count * classes && second.classes.count == first.classes.count)
        var result = first
        let ofFirst = Set(first.positives), ofSecond = Set(second.positives)
        result.positives = []
        if first.weights != nil || second.weights != nil {
            result.weights = first.weights ?? [Float](repeating: 1, count: points.count)
        }
        for level in 0..<points.levels {
            for (video, mix) in mixes.enumerated() {
                for (i, point) in points.range(level: level, video: video).enumerated() {
                    let isMixed = mix.firstRows.contains(i * points.stride(level: level))
                    if isMixed {
                        for c in point * classes..<(point + 1) * classes {
                            result.classes[c] = mix.weight * first.classes[c] + (1 - mix.weight) * second.classes[c]
                        }
                    }
                    if ofFirst.contains(point) {
                        result.positives.append(point)
                        guard isMixed else { continue }
                        for c in point * classes..<(point + 1) * classes where first.classes[c] == 0 && result.classes[c] > 0 {
                            result.withoutOffsets.insert(c)
                        }
                    } else if isMixed, mix.weight < 1, ofSecond.contains(point) {
                        result.positives.append(point)
                        result.offsets[2 * point] = second.offsets[2 * point]
                        result.offsets[2 * point + 1] = second.offsets[2 * point + 1]
                        result.weights?[point] = second.weights?[point] ?? 1
                    } else if isMixed, let weight = result.weights?[point] {
                        result.weights?[point] = mix.weight * weight + (1 - mix.weight) * (second.weights?[point] ?? 1)
                    }
                }
            }
        }
        return result
    }

    // MARK: Batches

    /// Recordings of `first`, each mixed with the one at the same place in `second`. Instances and weights remain the first's; neither batch is changed.
    public static func batch(_ first: PackedBatch, with second: PackedBatch, mixes: [MixUp]) -> PackedBatch {
        precondition(mixes.count == first.features.count && mixes.count == second.features.count && first.features.columns == second.features.columns)
        let columns = first.features.columns
        let mixture = Tensor(rows: first.features.rows, columns: columns, requiresGradient: false)
        mixture.values.update(from: first.features.tensor.values, count: first.features.tensor.count)
        for (i, mix) in mixes.enumerated() {
            precondition(mix.firstRows.upperBound <= first.features.rows(of: i).count && mix.secondLength == second.features.rows(of: i).count)
            mix.mix(
                second.features.tensor.values + second.features.offsets[i] * columns, into: mixture.values + first.features.offsets[i] * columns,
                columns: columns)
        }
        var result = first
        result.features = first.features.with(mixture)
        return result
    }
}
