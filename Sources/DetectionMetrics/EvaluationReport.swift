import Foundation

/// An evaluation with what was asked for beside it; encoded as one object: the keys of `EvaluationResult`, then `proposals` and `per_video`.
public struct EvaluationReport: Encodable, Sendable {
    public var result: EvaluationResult
    public var proposals: ProposalRecall?
    public var perVideo: [VideoResult]?

    /// What was not asked for is nil, and left out.
    public init(_ result: EvaluationResult, proposals: ProposalRecall? = nil, perVideo: [VideoResult]? = nil) {
        self.result = result
        self.proposals = proposals
        self.perVideo = perVideo
    }

    private enum CodingKeys: String, CodingKey {
        case proposals
        case perVideo = "per_video"
    }

    public func encode(to encoder: any Encoder) throws {
        try result.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encodeIfPresent(proposals, forKey: .proposals)
        try container.encodeIfPresent(perVideo, forKey: .perVideo)
    }

    /// For the user, in per cent.
    public func table(classOrder: [String]) -> String {
        var parts = [result.table(classOrder: classOrder)]
        if let proposals { parts.append(proposals.table) }
        if let perVideo {
            let width = (perVideo.map(\.video) + ["video"]).map(\.count).max() ?? 5
            func row(_ name: String, _ cells: [String]) -> String {
                name.padding(toLength: width, withPad: " ", startingAt: 0)
                    + cells.map { String(repeating: " ", count: max(1, 12 - $0.count)) + $0 }.joined()
            }
            let rows = perVideo.map { video in
                let recall = video.recall.map { $0.reduce(0, +) / Double(max($0.count, 1)) }
                return row(
                    video.video,
                    ["\(video.instances)", "\(video.detections)"] + [video.averageMAP, recall].map { $0.map { text(100 * $0) } ?? "-" })
            }
            parts.append(([row("video", ["instances", "detections", "average mAP", "recall"])] + rows).joined(separator: "\n"))
        }
        return parts.joined(separator: "\n\n")
    }
}

extension EvaluationReport {
    /// mAP of some tasks, in per cent: a line each.
    public static func tableOfMeans(_ results: [(name: String, result: EvaluationResult?)]) -> String {
        let known = results.compactMap { entry in entry.result.map { (entry.name, $0) } }
        func row(_ name: String, _ cells: [String]) -> String {
            name.padding(toLength: 8, withPad: " ", startingAt: 0)
                + cells.map { String(repeating: " ", count: max(1, 8 - $0.count)) + $0 }.joined()
        }
        let head = row("tIoU", (known.first?.1.tiouThresholds ?? []).map(DetectionMetrics.text) + ["average"])
        return ([head] + known.map { row($0.0, ($0.1.mAP + [$0.1.averageMAP]).map { DetectionMetrics.text(100 * $0) }) }).joined(separator: "\n")
    }
}

/// Two decimals.
func text(_ value: Double) -> String { String(format: "%.2f", value) }
