import Diagnostics
import FeatureStore
import TemporalAnnotations

/// The subset that a run learns from, and the one it is evaluated on.
public struct SubsetChoice: Equatable, Sendable {
    public var training: String
    public var trainingReason: String
    /// nil: no evaluation.
    public var evaluation: String?
    public var evaluationReason: String

    /// Names of subsets with the reasons for them.
    public init(training: String, trainingReason: String, evaluation: String?, evaluationReason: String) {
        self.training = training
        self.trainingReason = trainingReason
        self.evaluation = evaluation
        self.evaluationReason = evaluationReason
    }

    /// Chooses among the subsets of a store.
    ///
    /// To learn from: the one whose name begins with "train"; otherwise the one named validation, where another has actions too (as on THUMOS14);
    /// otherwise the one with most labelled recordings. To evaluate: of the others with segments the one named "test...", then "val...", then that of
    /// most recordings.
    ///
    /// - Parameters:
    ///   - subsets: the figures of each subset.
    ///   - training: the name that the user gave.
    ///   - evaluation: the name that the user gave.
    ///   - store: the store's path, for messages.
    /// - Throws: `Failure.badInput` when the training subset, or the whole store, has no actions; `.wrongUsage` for a subset that is not there.
    public init(_ subsets: [StoreStatistics], training: String?, evaluation: String?, store: String) throws {
        let labelled = subsets.filter { $0.labelledRecordings + $0.weaklyLabelledRecordings > 0 }
        guard !labelled.isEmpty else {
            throw Failure.badInput(
                "there is nothing to learn: no recording of the store has an action", at: .file(store),
                advice: "make the store with annotations (kairos import features --annotations)")
        }
        func named(_ name: String, _ option: String) throws -> StoreStatistics {
            if let found = subsets.first(where: { $0.subset == name }) { return found }
            let folded = subsets.filter { $0.subset?.lowercased() == name.lowercased() }
            if folded.count == 1 { return folded[0] }
            let names = subsets.compactMap(\.subset)
            throw Failure.wrongUsage(
                "the store has no subset '\(name)'", at: .file(store), .key(option),
                advice: "give one of " + names.map { "'\($0)'" }.joined(separator: ", "))
        }
        let learnt: StoreStatistics
        if let training {
            learnt = try named(training, "--training-subset")
            trainingReason = "as asked"
        } else {
            (learnt, trainingReason) = Self.training(among: labelled)
        }
        self.training = learnt.subset ?? ""
        guard learnt.labelledRecordings + learnt.weaklyLabelledRecordings > 0 else {
            throw Failure.badInput(
                "there is nothing to learn: none of the \(learnt.recordings) recordings of the subset '\(self.training)' has an action",
                at: .file(store), .key("--training-subset"),
                advice: "give one of " + labelled.compactMap(\.subset).map { "'\($0)'" }.joined(separator: ", "))
        }
        trainingReason += ": \(counted(learnt.recordings, "recording")), \(learnt.labelledRecordings) with actions"
        if let evaluation {
            let found = try named(evaluation, "--evaluation-subset")
            self.evaluation = found.subset
            evaluationReason = "as asked: \(counted(found.recordings, "recording")), \(found.labelledRecordings) with actions"
        } else {
            let others = labelled.filter { $0.subset != learnt.subset && $0.labelledRecordings > 0 && $0.weaklyLabelledRecordings == 0 }
            let chosen = Self.first(of: others, beginning: "test") ?? Self.first(of: others, beginning: "val") ?? Self.largest(others)
            self.evaluation = chosen?.subset
            evaluationReason =
                chosen.map { "\(counted($0.recordings, "recording")) that are not learnt from, \($0.labelledRecordings) with actions" }
                ?? "no other subset has recordings with actions: the run says nothing of how good it is"
        }
    }

    private static func training(among labelled: [StoreStatistics]) -> (StoreStatistics, reason: String) {
        if let found = first(of: labelled, beginning: "train") { return (found, "named for training") }
        if labelled.count > 1, let found = first(of: labelled, beginning: "val") {
            return (found, "learnt from where no subset is named for training")
        }
        let found = largest(labelled) ?? labelled[0]
        return (found, labelled.count > 1 ? "has most recordings with actions" : "the only subset with actions")
    }

    private static func first(of subsets: [StoreStatistics], beginning prefix: String) -> StoreStatistics? {
        largest(subsets.filter { $0.subset?.lowercased().hasPrefix(prefix) == true })
    }

    /// Of most recordings with actions; the first of equals.
    private static func largest(_ subsets: [StoreStatistics]) -> StoreStatistics? {
        func known(_ one: StoreStatistics) -> Int { one.labelledRecordings + one.weaklyLabelledRecordings }
        return subsets.reduce(nil as StoreStatistics?) { best, one in best.map { known($0) >= known(one) ? $0 : one } ?? one }
    }
}
