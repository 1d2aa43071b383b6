import Configuration
import Foundation
import Kernels
import TemporalAnnotations

/// What the feature of an action instance is made of.
public enum InstancePooling: String, ConfigurationChoice, Sendable {
    /// The maximum over the rows of the instance: the paper's.
    case max
    /// The means of four equal parts of the instance widened by half its length on both sides, one after another (choice): they tell what comes before
    /// from what comes after, which a maximum cannot.
    case context

    /// Parts, each as wide as a row.
    public var parts: Int { self == .max ? 1 : 4 }
}

/// What rows an instance's feature is pooled from.
public enum InstanceSource: String, ConfigurationChoice, Sendable {
    /// The recording's features: the paper's.
    case input
    /// The finest level of features that the teacher has learnt (choice).
    case pyramid
}

/// Features of action instances: the maximum over time of the *input* features inside the instance.
public enum InstanceFeatures {
    /// The feature rows inside a segment, both ends included. Row g stands at grid position g, so they are `ceil(start)...floor(end)`, cut
    /// to the video; a segment that holds no row's position gets the one row nearest its centre (choice).
    ///
    /// - Precondition: `rows` is positive.
    public static func rows(of segment: GridSegment, rows: Int) -> ClosedRange<Int> {
        let last = rows - 1
        func bounded(_ position: Float) -> Int { position.isFinite ? Int(min(max(position, 0), Float(last))) : position > 0 ? last : 0 }
        if segment.start.rounded(.up) <= segment.end.rounded(.down), segment.end >= 0, segment.start <= Float(last) {
            return bounded(segment.start.rounded(.up))...bounded(segment.end.rounded(.down))
        }
        let center = bounded(segment.center.rounded())
        return center...center
    }

    /// - Parameters:
    ///   - features: [rows, columns].
    ///   - columns: values of a row.
    ///   - rows: those of the instance.
    ///   - result: receives [columns].
    public static func pool(
        _ features: UnsafePointer<Float>, columns: Int, rows: ClosedRange<Int>, into result: UnsafeMutablePointer<Float>
    ) {
        Pooling.largest(features, channels: columns, rows: rows, into: result)
    }

    /// The means of four parts of a segment and its surroundings, see `InstancePooling.context`. A part that holds no row takes the nearest one.
    ///
    /// - Parameters:
    ///   - features: [rows, columns].
    ///   - columns: values of a row.
    ///   - segment: the instance, on the grid.
    ///   - rows: rows of the recording.
    ///   - result: receives [4 * columns].
    public static func poolContext(
        _ features: UnsafePointer<Float>, columns: Int, segment: GridSegment, rows: Int, into result: UnsafeMutablePointer<Float>
    ) {
        let begin = segment.start - 0.5 * segment.length, part = 0.5 * segment.length
        for i in 0..<InstancePooling.context.parts {
            let own = Self.rows(of: GridSegment(start: begin + Float(i) * part, end: begin + Float(i + 1) * part), rows: rows)
            let target = result + i * columns
            target.update(repeating: 0, count: columns)
            for row in own { for column in 0..<columns { target[column] += features[row * columns + column] } }
            for column in 0..<columns { target[column] /= Float(own.count) }
        }
    }
}

/// Features and classes of many instances: all labelled ones, gathered over ranks once, or those of a mini-batch.
public struct InstanceSet: Equatable, Sendable {
    /// Width of an instance's feature.
    public let columns: Int
    public let pooling: InstancePooling
    /// Whether the last value of a feature is the logarithm of the instance's length, `log(1 + rows)` (choice).
    public let hasLength: Bool
    /// [instances, columns].
    public private(set) var features: [Float] = []
    public private(set) var labels: [Int] = []

    /// - Parameters:
    ///   - columns: width of an instance's feature: of a row, times the parts of the pooling, and one more with a length.
    ///   - pooling: what the feature is made of.
    ///   - hasLength: whether it ends with the length.
    public init(columns: Int, pooling: InstancePooling = .max, hasLength: Bool = false) {
        precondition((columns - (hasLength ? 1 : 0)) % pooling.parts == 0)
        self.columns = columns
        self.pooling = pooling
        self.hasLength = hasLength
    }

    public init(columns: Int, features: [Float], labels: [Int], pooling: InstancePooling = .max, hasLength: Bool = false) {
        precondition(features.count == labels.count * columns, "\(features.count) values for \(labels.count) instances of \(columns)")
        self.init(columns: columns, pooling: pooling, hasLength: hasLength)
        self.features = features
        self.labels = labels
    }

    public var count: Int { labels.count }

    /// Pools an instance's feature out of its video's.
    ///
    /// - Parameters:
    ///   - segment: the instance, on the grid.
    ///   - label: the instance's class.
    ///   - video: [rows, columns / parts of the pooling] (without the length's).
    ///   - rows: rows of the video.
    public mutating func append(_ segment: GridSegment, label: Int, video: UnsafePointer<Float>, rows: Int) {
        let begin = features.count, pooled = columns - (hasLength ? 1 : 0)
        features += [Float](repeating: 0, count: columns)
        features.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            switch pooling {
            case .max: InstanceFeatures.pool(video, columns: pooled, rows: InstanceFeatures.rows(of: segment, rows: rows), into: base + begin)
            case .context:
                InstanceFeatures.poolContext(video, columns: pooled / pooling.parts, segment: segment, rows: rows, into: base + begin)
            }
        }
        if hasLength { features[features.count - 1] = log(1 + max(segment.length, 0)) }
        labels.append(label)
    }

    /// Instances of each class, in ascending order.
    public func indices(classes: Int) -> [[Int]] {
        var result = [[Int]](repeating: [], count: classes)
        for (index, label) in labels.enumerated() { result[label].append(index) }
        return result
    }
}
