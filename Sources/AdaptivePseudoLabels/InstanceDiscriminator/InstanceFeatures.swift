import Foundation
import Kernels
import TemporalAnnotations

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
}

/// Features and classes of many instances: all labelled ones, gathered over ranks once, or those of a mini-batch.
public struct InstanceSet: Equatable, Sendable {
    public let columns: Int
    /// [instances, columns].
    public private(set) var features: [Float] = []
    public private(set) var labels: [Int] = []

    public init(columns: Int) { self.columns = columns }

    public init(columns: Int, features: [Float], labels: [Int]) {
        precondition(features.count == labels.count * columns, "\(features.count) values for \(labels.count) instances of \(columns)")
        self.columns = columns
        self.features = features
        self.labels = labels
    }

    public var count: Int { labels.count }

    /// Pools an instance's feature out of its video's.
    ///
    /// - Parameters:
    ///   - segment: the instance, on the grid.
    ///   - label: the instance's class.
    ///   - video: [rows, columns].
    ///   - rows: rows of the video.
    public mutating func append(_ segment: GridSegment, label: Int, video: UnsafePointer<Float>, rows: Int) {
        let begin = features.count
        features += [Float](repeating: 0, count: columns)
        features.withUnsafeMutableBufferPointer { buffer in
            guard let base = buffer.baseAddress else { return }
            InstanceFeatures.pool(video, columns: columns, rows: InstanceFeatures.rows(of: segment, rows: rows), into: base + begin)
        }
        labels.append(label)
    }

    /// Instances of each class, in ascending order.
    public func indices(classes: Int) -> [[Int]] {
        var result = [[Int]](repeating: [], count: classes)
        for (index, label) in labels.enumerated() { result[label].append(index) }
        return result
    }
}
