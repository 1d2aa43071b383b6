import Foundation
import TemporalAnnotations

/// AR-AN: average recall of proposals against their average number per video, as ActivityNet's `eval_proposal.py` computes it. Classes do not count.
///
/// The number of proposals is a share of all: of every video the same share of its best proposals is taken. An instance is found when any of them
/// overlaps it enough; one proposal may find several.
public struct ProposalRecall: Codable, Equatable, Sendable {
    /// AN: 100 average numbers of proposals per video, ascending.
    public var averageNumbers: [Double]
    /// AR: recall at each, averaged over the thresholds.
    public var averageRecall: [Double]
    /// Per threshold, at each number.
    public var recall: [[Double]]
    /// Area under the curve of AR over AN, divided by the largest AN: in [0, 1].
    public var area: Double

    enum CodingKeys: String, CodingKey {
        case averageNumbers = "average_numbers"
        case averageRecall = "average_recall"
        case recall, area
    }

    static let points = 100

    /// - Parameters:
    ///   - videos: those evaluated; those without instances count only by their proposals. Their ground truth is taken as written.
    ///   - proposals: of all videos together, evaluated or not: the published code takes the share of all of them.
    ///   - largest: the largest average number (ActivityNet: 100); nil: that of all proposals.
    ///   - thresholds: ActivityNet's are 0.5:0.05:0.95.
    public init(videos: [VideoAnnotation], proposals: [Detection], largest: Double?, thresholds: [Double]) {
        let evaluated = videos.filter { !$0.instances.isEmpty }, count = Double(evaluated.count)
        let largest = largest ?? Double(proposals.count) / max(count, 1)
        let ratio = proposals.isEmpty ? 0 : largest * count / Double(proposals.count)
        let byVideo = Dictionary(grouping: proposals, by: \.video)
        var firsts: [(kept: Int, found: [[Int]])] = []
        var total = 0, instances = 0
        for video in evaluated {
            instances += video.instances.count
            guard let own = byVideo[video.id] else { continue }
            let kept = min(Int(Double(own.count) * ratio), own.count)
            total += kept
            let best = descendingOrder(own.map(\.score)).prefix(kept).map { own[$0].segment }
            let found = thresholds.map { threshold in
                // The number of proposals from which on the instance is found.
                video.instances.map { instance in (best.firstIndex { $0.tIoU(instance.segment) >= threshold } ?? Int.max - 1) + 1 }
            }
            firsts.append((kept, found))
        }
        let scale = total > 0 ? largest * count / Double(total) : 0
        let shares = (1...Self.points).map { Double($0) / 100.0 * scale }
        recall = thresholds.indices.map { threshold in
            shares.map { share in
                let matches = firsts.reduce(0) { sum, video in
                    let number = min(Int(Double(video.kept) * share), video.kept)
                    return sum + video.found[threshold].count { $0 <= number }
                }
                return instances > 0 ? Double(matches) / Double(instances) : 0
            }
        }
        let recall = recall
        averageRecall = shares.indices.map { index in
            thresholds.isEmpty ? 0 : recall.reduce(0) { $0 + $1[index] } / Double(thresholds.count)
        }
        averageNumbers = shares.map { $0 * (Double(total) / max(count, 1)) }
        var sum = 0.0
        for index in shares.indices.dropFirst() {
            sum += (averageNumbers[index] - averageNumbers[index - 1]) * (averageRecall[index] + averageRecall[index - 1]) / 2
        }
        area = averageNumbers[Self.points - 1] > 0 ? sum / averageNumbers[Self.points - 1] : 0
    }

    /// AR at a hundredth or more of the largest number, for the user: some points of the curve and the area.
    public var table: String {
        let shown = [0, 4, 9, 49, 99]
        func row(_ name: String, _ cells: [String]) -> String {
            name.padding(toLength: 10, withPad: " ", startingAt: 0)
                + cells.map { String(repeating: " ", count: max(1, 9 - $0.count)) + $0 }.joined()
        }
        return [
            row("AN", shown.map { text(averageNumbers[$0]) } + ["area"]),
            row("AR@AN", shown.map { text(100 * averageRecall[$0]) } + [text(100 * area)]),
        ].joined(separator: "\n")
    }
}
