import Collectives
import Diagnostics
import FeatureStore
import Training
import TrainingMethods

extension ConfigurationProposal {
    /// A run should need no more than this part of the memory that is left.
    static let memoryShare = 0.8
    /// Crops stay at least so many times as long as the longest action, and at least so long.
    static let actionsPerCrop = 2, leastRows = 256

    /// The proposed configuration, read as `kairos train` reads it.
    ///
    /// - Parameters:
    ///   - overrides: further values, "section.key=value".
    ///   - registry: the detectors and methods there are.
    /// - Throws: `Failure.wrongUsage` when a value is not allowed.
    public func configuration(_ overrides: [String] = [], registry: Registry) throws -> RunConfiguration {
        try RunConfiguration(yaml: "", file: "the proposed configuration", overrides: self.overrides + overrides, registry: registry)
    }

    /// Lowers `data.max_rows` until the run's ranks fit into the memory of this machine, as far as crops can help.
    ///
    /// - Parameters:
    ///   - ranks: on this machine.
    ///   - available: bytes that are left.
    ///   - longestRecording: in rows.
    ///   - longestAction: in rows.
    ///   - need: estimates the bytes of a rank with this proposal.
    public mutating func fit(
        ranks: Int, available: Int, longestRecording: Double, longestAction: Double, need: (ConfigurationProposal) throws -> Int
    ) rethrows {
        func total(_ one: ConfigurationProposal) throws -> Double { Double(ranks) * Double(try need(one)) }
        let limit = Self.memoryShare * Double(available), before = try total(self)
        guard before > limit else { return }
        let least = max(Self.leastRows, Self.actionsPerCrop * Int(longestAction.rounded(.up)))
        var rows = self["data.max_rows"].flatMap { Int($0.value) } ?? Int(longestRecording), best = self, needed = before
        while rows / 2 >= least, needed > limit {
            rows /= 2
            var next = best
            next.set(
                Proposal(
                    "data.max_rows", rows,
                    "longer recordings are cropped at random: \(ranks) rank\(ranks == 1 ? "" : "s") would need \(CheckedMemory.text(bytes: Int(before))) "
                        + "of the \(CheckedMemory.text(bytes: available)) that are left"))
            needed = try total(next)
            best = next
        }
        // Where crops do not help, as with the detection of whole recordings, they are not made.
        if needed <= limit || needed < 0.7 * before { self = best }
    }
}
