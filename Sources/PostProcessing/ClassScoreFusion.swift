import TemporalAnnotations

/// Detections that take their classes from a classifier of videos, as the published ActionFormer (`postprocess_results`) does it for ActivityNet.
///
/// Every detection is repeated for the best classes of its video, whatever class it had.
public struct ClassScoreFusion: Equatable, Sendable {
    /// What becomes of a detection's score and a class's.
    public enum Rule: String, Codable, Sendable, CaseIterable {
        /// Their product.
        case product
        /// Its square root: the geometric mean.
        case root
    }

    /// So many of the best classes.
    public var topK: Int
    public var rule: Rule

    /// The published values.
    public init(topK: Int = 2, rule: Rule = .root) {
        self.topK = topK
        self.rule = rule
    }

    /// Detections whose classes are known of their video: each is repeated for every one of them, with its own score.
    ///
    /// - Parameters:
    ///   - detections: of one video, best first.
    ///   - classes: of the video, ascending.
    public static func known(_ detections: [Detection], classes: [Int]) -> [Detection] {
        var scores = [Double](repeating: 0, count: (classes.last ?? -1) + 1)
        for label in classes { scores[label] = 1 }
        return ClassScoreFusion(topK: classes.count, rule: .product)(detections, scores: scores)
    }

    /// - Parameters:
    ///   - detections: of one video, best first.
    ///   - scores: of the video, by class; in [0, 1].
    /// - Returns: best first; equal scores by class, the better one first, then in their order.
    public func callAsFunction(_ detections: [Detection], scores: [Double]) -> [Detection] {
        let classes = scores.indices.sorted { scores[$0] != scores[$1] ? scores[$0] > scores[$1] : $0 < $1 }.prefix(topK)
        let all = classes.flatMap { label in
            detections.map { detection in
                var result = detection
                result.label = label
                let product = scores[label] * detection.score
                result.score = rule == .root ? product.squareRoot() : product
                return result
            }
        }
        return all.enumerated().sorted { ($1.element.score, $0.offset) < ($0.element.score, $1.offset) }.map(\.element)
    }
}
