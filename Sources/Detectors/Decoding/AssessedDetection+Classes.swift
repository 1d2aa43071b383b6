extension AssessedDetection {
    /// Predictions without classes of their own, repeated for the best classes of their recording. Score and class score are multiplied by the class's
    /// score over that of the best class, so that scores of different recordings can be compared.
    ///
    /// - Parameters:
    ///   - found: of one recording, best first.
    ///   - scores: of the recording, by class; 0 or more.
    ///   - topK: so many of the best classes; of equal ones the first.
    /// - Returns: best first; equal scores by class, the better one first, then in their order.
    package static func classified(_ found: [AssessedDetection], scores: [Double], topK: Int) -> [AssessedDetection] {
        let classes = scores.indices.sorted { scores[$0] != scores[$1] ? scores[$0] > scores[$1] : $0 < $1 }.prefix(topK)
        guard let best = classes.first.map({ scores[$0] }) else { return [] }
        let all = classes.flatMap { label in
            // Where the best class has 0, none is better than another.
            let share = best > 0 ? scores[label] / best : 1
            return found.map { one in
                var result = one
                result.detection.label = label
                result.detection.score = share * one.detection.score
                result.classScore = Float(share * Double(one.classScore))
                return result
            }
        }
        return all.enumerated().sorted(by: isBetter).map(\.element)
    }

    /// The order of a list: best first, equal ones as they were.
    package static func isBetter(_ a: (offset: Int, element: AssessedDetection), _ b: (offset: Int, element: AssessedDetection)) -> Bool {
        (b.element.detection.score, a.offset) < (a.element.detection.score, b.offset)
    }
}
