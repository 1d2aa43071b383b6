import Diagnostics
import FeatureStore
import TemporalAnnotations

/// The recordings of the training subset, as positions in the store.
public struct TrainingRecordings: Equatable, Sendable {
    /// Those whose labels may be used, in the order of their choice.
    public var labeled: [Int]
    /// The others, in the store's order.
    public var unlabeled: [Int]
    /// Disjoint lists of positions in the store.
    public init(labeled: [Int], unlabeled: [Int]) {
        self.labeled = labeled
        self.unlabeled = unlabeled
    }
}

extension FeatureStore {
    /// Positions of a subset's recordings; the subset's name may differ in case.
    ///
    /// - Parameters:
    ///   - name: the subset.
    ///   - key: what names the subset, for messages.
    /// - Throws: `Failure` when the store has no such subset.
    public func videos(inSubset name: String, key: String) throws -> [Int] {
        let set = AnnotationSet(version: "", classes: classes, videos: videos.map(\.annotation))
        let subset: Subset
        do {
            subset = try set.subset(named: name)
        } catch var failure as Failure {
            failure.places = [.file(path), .key(key)]
            throw failure
        }
        return videos.indices.filter { videos[$0].annotation.subset == subset }
    }
}
