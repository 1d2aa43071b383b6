import TemporalAnnotations

extension Evaluation {
    /// AR@AN for proposals: classes are ignored; the recall of instances by each video's `count` best detections (each instance found by one
    /// detection and each detection finding one instance: the pair of highest tIoU first), averaged over the thresholds.
    ///
    /// - Parameters:
    ///   - detections: of all videos, in any order.
    ///   - counts: numbers of proposals per video (AN).
    ///   - thresholds: ActivityNet's are 0.5:0.05:0.95.
    public func averageRecall(
        _ detections: [Detection], at counts: [Int], thresholds: [Double] = (0..<10).map { 0.5 + 0.05 * Double($0) }
    ) -> [Double] {
        var segments: [VideoID: [Segment]] = [:]
        for perVideo in truth { for (video, own) in perVideo { segments[video, default: []] += own } }
        let instances = segments.values.reduce(0) { $0 + $1.count }
        guard instances > 0, !thresholds.isEmpty else { return counts.map { _ in 0 } }
        let best = Dictionary(grouping: detections, by: \.video).mapValues { own in descendingOrder(own.map(\.score)).map { own[$0].segment } }
        return counts.map { count in
            var found = 0
            for (video, own) in segments {
                let proposals = Array((best[video] ?? []).prefix(max(0, count)))
                var pairs: [(overlap: Double, proposal: Int, instance: Int)] = []
                for (p, proposal) in proposals.enumerated() {
                    for (i, segment) in own.enumerated() { pairs.append((proposal.tIoU(segment), p, i)) }
                }
                pairs.sort { ($1.overlap, $0.proposal, $0.instance) < ($0.overlap, $1.proposal, $1.instance) }
                for threshold in thresholds {
                    var usedProposals = Set<Int>(), usedInstances = Set<Int>()
                    for pair in pairs where pair.overlap >= threshold && !usedProposals.contains(pair.proposal) {
                        guard usedInstances.insert(pair.instance).inserted else { continue }
                        usedProposals.insert(pair.proposal)
                    }
                    found += usedInstances.count
                }
            }
            return Double(found) / Double(instances * thresholds.count)
        }
    }
}
