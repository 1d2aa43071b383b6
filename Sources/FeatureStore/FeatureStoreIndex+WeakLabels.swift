import Diagnostics
import HDF5
import TemporalAnnotations

/// Weak labels in a store: the datasets `weak_labels/video` and `weak_labels/label`, which are there (and in the digest) only when a recording has such.
extension FeatureStoreIndex {
    /// Pairs of a video's and a class's number, ascending.
    var weakLabels: [(video: Int, label: Int)] {
        videos.enumerated().flatMap { index, video in video.annotation.weakLabels.map { (index, $0) } }
    }

    /// Per video, the classes that are known without segments.
    ///
    /// - Throws: `Failure.badInput` for labels of videos or classes that the store does not have, or of videos that have segments too.
    static func readWeakLabels(_ file: HDF5File, videos: [String], classCount: Int, instances: [[ActionInstance]]) throws -> [[Int]] {
        var labels = [[Int]](repeating: [], count: videos.count)
        guard file.exists("weak_labels") else { return labels }
        func refusal(_ what: String, _ dataset: String) -> Failure {
            .badInput(what, at: .file(file.path), .dataset(dataset), advice: "make the store again")
        }
        let owners = try file.readInts("weak_labels/video"), classes = try file.readInts("weak_labels/label")
        guard owners.count == classes.count else {
            throw refusal("it holds \(classes.count) entries, \(owners.count) were expected", "weak_labels/label")
        }
        for (index, (owner, label)) in zip(owners, classes).enumerated() {
            guard videos.indices.contains(owner) else {
                throw refusal("weak label \(index) names video number \(owner); the store has \(videos.count) videos", "weak_labels/video")
            }
            guard 0..<classCount ~= label else {
                throw refusal("weak label \(index) names class number \(label); the store has \(classCount) classes", "weak_labels/label")
            }
            guard instances[owner].isEmpty else {
                throw refusal("weak label \(index) is of video '\(videos[owner])', which has segments", "weak_labels/video")
            }
            guard labels[owner].last ?? -1 < label else {
                throw refusal("the weak labels of video '\(videos[owner])' are not ascending", "weak_labels/label")
            }
            labels[owner].append(label)
        }
        return labels
    }
}
