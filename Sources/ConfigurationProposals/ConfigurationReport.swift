import Configuration
import FeatureStore
import Foundation
import Training

/// What `configure` says: one object for `--json`, a table for people.
public struct ConfigurationReport: Encodable {
    /// The configuration that was written; nil: `yaml` is it.
    public var path: String?
    public var yaml: String?
    public var proposal: ConfigurationProposal
    public var facts: ProposalFacts
    /// nil: no range test was made.
    public var range: LearningRateRange?

    /// `path` is the file that was written, nil where `yaml` is printed; `range` nil where no range test was made.
    public init(path: String?, yaml: String?, proposal: ConfigurationProposal, facts: ProposalFacts, range: LearningRateRange?) {
        self.path = path
        self.yaml = yaml
        self.proposal = proposal
        self.facts = facts
        self.range = range
    }

    private struct Value: Encodable {
        var proposal: Proposal

        enum CodingKeys: String, CodingKey { case key, value, reason }

        func encode(to encoder: any Encoder) throws {
            var object = encoder.container(keyedBy: CodingKeys.self)
            try object.encode(proposal.key, forKey: .key)
            try object.encode(ConfigurationNode.Content(flow: proposal.value), forKey: .value)
            try object.encode(proposal.reason, forKey: .reason)
        }
    }

    private struct Range: Encodable {
        /// nil: the loss hardly fell.
        var learning_rate: Double?
        var lowest: Double?
        var diverged: Bool
        var curve: [LearningRateRange.Point]
    }

    enum CodingKeys: String, CodingKey { case path, yaml, ranks, keys, statistics, labeled_order, range_test }

    /// One object: `path`, or `yaml` where nothing was written; `keys` with values and reasons; `statistics`; `range_test`.
    public func encode(to encoder: any Encoder) throws {
        var object = encoder.container(keyedBy: CodingKeys.self)
        try object.encode(path, forKey: .path)
        try object.encodeIfPresent(yaml, forKey: .yaml)
        try object.encode(facts.ranks, forKey: .ranks)
        try object.encode(proposal.proposals.map(Value.init), forKey: .keys)
        try object.encode(facts.training, forKey: .statistics)
        if case .list(let path, _) = facts.labels { try object.encode(path, forKey: .labeled_order) }
        guard let range else { return }
        var rate: Double?
        if case .rate(let found) = range.verdict { rate = found }
        try object.encode(
            Range(
                learning_rate: rate, lowest: range.lowest?.rate, diverged: range.hasDiverged, curve: range.points),
            forKey: .range_test)
    }

    /// A line per value, and the curve of the range test.
    public func text(path: String) -> String {
        let width = proposal.proposals.map(\.key.count).max() ?? 0
        var lines = ["\(path): \(proposal.proposals.count) values for '\(facts.store)'"]
        lines += proposal.proposals.map {
            "  \($0.key.padding(toLength: width, withPad: " ", startingAt: 0))  \($0.value)\n"
                + "  \(String(repeating: " ", count: width))    \($0.reason)"
        }
        if case .list(let list, _) = facts.labels { lines.append("labelled recordings: \(list)") }
        if let range { lines += Self.curve(range) }
        return (lines + ["next: launch/mpirun \(facts.ranks) kairos train \(Proposal.shellWord(path)) --check"]).joined(separator: "\n")
    }

    /// About twenty points of the smoothed loss.
    private static func curve(_ range: LearningRateRange) -> [String] {
        let every = max(1, range.points.count / 20), shown = stride(from: every - 1, to: range.points.count, by: every).map { range.points[$0] }
        let most = shown.map(\.smoothed).filter(\.isFinite).max() ?? 1
        return ["range test: learning rate and smoothed loss" + (range.hasDiverged ? "; it ends where the loss diverged" : "")]
            + shown.map {
                let bar = $0.smoothed.isFinite ? String(repeating: "#", count: Int((40 * $0.smoothed / max(most, 1e-30)).rounded())) : "not a number"
                return String(format: "  %.1e  %8.4f  ", $0.rate, $0.smoothed) + bar
            }
    }
}
