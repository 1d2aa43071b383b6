import FeatureStore
import TemporalAnnotations

/// Made-up recordings of a store for tests: any classes, rates, subsets and numbers of rows, whose values follow time alone, so that rows at
/// another rate are other samples of the same signal.
public struct MemoryFeatures: FeatureSource {
    public var classes: ClassMap
    public var dimension: Int
    public var videos: [VideoPlan]

    public init(classes: [String] = [], dimension: Int = 4, videos: [VideoPlan] = []) {
        self.classes = ClassMap(names: classes)
        self.dimension = dimension
        self.videos = videos
    }

    /// Adds a recording that its rows cover, without actions.
    public mutating func add(
        _ id: String, subset: Subset = "Test", rows: Int, fps: Double = 30, stride: Double, window: Double, instances: [ActionInstance] = []
    ) {
        let annotation = VideoAnnotation(
            id: VideoID(id), subset: subset, duration: (Double(rows - 1) * stride + window) / fps, fps: fps, instances: instances)
        videos.append(VideoPlan(rows: rows, grid: FeatureGrid(fps: fps, stride: stride, window: window), annotation: annotation))
    }

    public func readRows(ofVideo index: Int, into target: UnsafeMutablePointer<Float>) throws {
        let plan = videos[index]
        for row in 0..<plan.rows {
            let seconds = Float(plan.grid.seconds(atPosition: Double(row)))
            for column in 0..<dimension {
                // A triangle wave: linear interpolation between its samples is exact but at its corners.
                let phase = (seconds * Float(column + 1) / 8 + Float(index) / 4).truncatingRemainder(dividingBy: 1)
                target[row * dimension + column] = abs(phase - 0.5)
            }
        }
    }
}
