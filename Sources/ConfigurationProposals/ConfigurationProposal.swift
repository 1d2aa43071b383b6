import Configuration
import Detectors
import FeatureStore
import Foundation
import TrainingMethods

/// A configuration for a store's recordings, each value with its reason.
///
/// It names no detector and no method: values are proposed for all keys that are known here, and those are kept that the detector and the method
/// have. A detector or a method without such keys keeps its own defaults.
public struct ConfigurationProposal: Equatable, Sendable {
    /// In the order of the file: section by section.
    public private(set) var proposals: [Proposal]

    /// - Parameters:
    ///   - facts: what the recordings are.
    ///   - detector: settings of the detector to train.
    ///   - method: settings of the method to train with.
    public init(_ facts: ProposalFacts, detector: any DetectorSettings.Type, method: any MethodSettings.Type) {
        let maker = ProposalMaker(facts, detector: detector, method: method)
        let model = Set(detector.defaultLines.map { "model.\($0.key)" }), own = Set(method.defaultLines.map(\.key))
        proposals =
            maker.data + [Proposal("model.name", detector.name, "as asked, or the default")] + maker.model.filter { model.contains($0.key) }
            + maker.training + maker.test + [Proposal("method.name", method.name, "as asked, or the default: \(Self.plain(method.summary))")]
            + maker.method.filter { own.contains($0.key) }
    }

    /// The value of a key; nil: none is proposed.
    public subscript(key: String) -> Proposal? { proposals.first { $0.key == key } }

    /// Replaces a value, or adds it at the end of its section.
    public mutating func set(_ proposal: Proposal) {
        if let place = proposals.firstIndex(where: { $0.key == proposal.key }) {
            proposals[place] = proposal
        } else {
            let section = Self.section(proposal.key)
            let place = proposals.lastIndex { Self.section($0.key) == section }.map { $0 + 1 } ?? proposals.count
            proposals.insert(proposal, at: place)
        }
    }

    /// `--set`-like assignments, "section.key=value".
    public var overrides: [String] { proposals.map { "\($0.key)=\($0.value)" } }

    /// The file: the head as comments, then the sections with the reason beside each value.
    ///
    /// - Parameter head: lines that begin the file.
    public func yaml(head: [String]) -> String {
        var text = head.map { ("# " + Self.oneLine($0)).trimmingCharacters(in: .whitespaces) + "\n" }.joined(), section = ""
        for one in proposals {
            if Self.section(one.key) != section {
                section = Self.section(one.key)
                text += "\(section):\n"
            }
            text += "  \(one.key.dropFirst(section.count + 1)): \(one.value) # \(Self.oneLine(one.reason))\n"
        }
        return text
    }

    private static func section(_ key: String) -> String { String(key.prefix { $0 != "." }) }

    /// Names may hold what ends a line of YAML or is forbidden in it.
    private static func oneLine(_ text: String) -> String {
        text.unicodeScalars.map { Proposal.isUnprintable($0) ? " " : String($0) }.joined()
    }

    /// Without the marks of Markdown.
    private static func plain(_ text: String) -> String { text.replacing("`", with: "") }
}
