import FeatureStore
import Foundation
import TemporalAnnotations

/// Recordings written down in a test, with features that are all 0: for what is decided by annotations and lengths.
public struct MadeRecordings: FeatureSource {
    public let classes: ClassMap
    public let dimension = 4
    public private(set) var videos: [VideoPlan] = []

    public init(classes: [String] = ["run", "jump"]) { self.classes = ClassMap(names: classes) }

    /// - Parameters:
    ///   - rows: every `stride` frames one, which sees `window` frames.
    ///   - actions: start and end in seconds, class.
    public mutating func add(
        _ name: String, subset: Subset = "Validation", duration: Double, rows: Int, fps: Double = 30, stride: Double = 15, window: Double = 30,
        actions: [(start: Double, end: Double, label: Int)]
    ) {
        let instances = actions.map { ActionInstance(segment: Segment(start: $0.start, end: $0.end), label: $0.label) }
        videos.append(
            VideoPlan(
                rows: rows, grid: FeatureGrid(fps: fps, stride: stride, window: window),
                annotation: VideoAnnotation(id: VideoID(name), subset: subset, duration: duration, fps: fps, instances: instances)))
    }

    public func readRows(ofVideo index: Int, into target: UnsafeMutablePointer<Float>) throws {
        target.update(repeating: 0, count: videos[index].rows * dimension)
    }

    /// Writes the store and opens it.
    public func store(_ path: String) throws -> FeatureStore {
        try FeatureStoreWriter().write(self, to: path)
        return try FeatureStore(path: path)
    }
}
