import Diagnostics
import FeatureStore
import TemporalAnnotations
import TrainingMethods

/// What proposals are made from: all of it is known before anything is trained.
public struct ProposalFacts: Equatable, Sendable {
    /// The recordings whose labels are used.
    public enum Labels: Equatable, Sendable {
        /// All of the training subset.
        case all
        /// The first ones of an order drawn from the seed.
        case fraction(Double)
        /// Those of a list, which is this share of the training subset.
        case list(path: String, fraction: Double)
    }

    /// The store's path.
    public var store: String
    /// Of the training subset.
    public var training: StoreStatistics
    public var subsets: SubsetChoice
    public var labels: Labels
    /// Recordings whose labels are used.
    public var labelled: Int
    /// Recordings of the smallest part that virtual shards must share: the labelled ones, or the others where the method learns from these too.
    public var smallestPart: Int
    /// Ranks that the run is for.
    public var ranks: Int

    /// `labelled` is what `labels` leaves of the training subset's recordings; `ranks` is at least 1; `smallestPart` nil: the labelled recordings.
    public init(
        store: String, training: StoreStatistics, subsets: SubsetChoice, labels: Labels, labelled: Int, smallestPart: Int? = nil, ranks: Int
    ) {
        self.store = store
        self.training = training
        self.subsets = subsets
        self.labels = labels
        self.labelled = labelled
        self.smallestPart = smallestPart ?? labelled
        self.ranks = ranks
    }

    /// Actions among the labelled recordings, in proportion.
    var labelledActions: Int {
        guard case .fraction(let fraction) = labels else { return training.actions }
        return max(1, Int((fraction * Double(training.actions)).rounded()))
    }

    /// The facts of a store's recordings.
    ///
    /// - Parameters:
    ///   - store: the store.
    ///   - subsets: which subsets are learnt from and evaluated.
    ///   - method: what the recordings are learnt by.
    ///   - fraction: of the training recordings whose labels are used, where the user said so.
    ///   - listPath: where a list of the labelled recordings would stand; nil: nowhere.
    ///   - ranks: that the user asked for; nil: two, or one where there is one recording.
    ///   - weakMethods: names of the methods that learn from classes alone, for messages.
    /// - Returns: the facts, and the names of the list that `labels` names.
    /// - Throws: `Failure.badInput` for recordings that the method cannot learn from, and too few of them for the ranks; `.wrongUsage` when a list is
    ///   needed and may stand nowhere.
    public static func of(
        _ store: FeatureStore, subsets: SubsetChoice, method: any MethodSettings.Type, fraction: Double?, listPath: String?, ranks: Int?,
        weakMethods: String
    ) throws -> (facts: ProposalFacts, list: [String]) {
        let videos = store.videos.filter { $0.annotation.subset.rawValue == subsets.training }
        let learnable = videos.filter { method.needsSegments ? !$0.annotation.instances.isEmpty : !$0.annotation.knownClasses.isEmpty }
        let weak = videos.count { $0.annotation.isWeaklyLabelled }
        guard !learnable.isEmpty else {
            throw Failure.badInput(
                "none of the \(videos.count) recordings of the subset '\(subsets.training)' has actions with segments, and the method "
                    + "'\(method.name)' learns from segments", at: .file(store.path), .key("--method"), advice: "give --method \(weakMethods)")
        }
        // Methods that label recordings themselves learn from the unlabelled ones too.
        let isSemiSupervised = method.needsSegments && method.learnsFromDetections
        var labels = Labels.all, labelled = method.needsSegments ? videos.count : learnable.count, list: [String] = []
        if let part = fraction ?? (isSemiSupervised && learnable.count == videos.count ? fewLabels : nil) {
            labels = .fraction(part)
            labelled = max(1, Int((part * Double(videos.count)).rounded()))
        } else if learnable.count < videos.count, method.needsSegments, isSemiSupervised || weak > 0 {
            guard let listPath else {
                throw Failure.wrongUsage(
                    "\(learnable.count) of the \(videos.count) recordings of the subset '\(subsets.training)' have segments, and a list must name them",
                    at: .file(store.path), advice: "give --output: the list is written beside the configuration")
            }
            labels = .list(path: listPath, fraction: Double(learnable.count) / Double(videos.count))
            labelled = learnable.count
            list = learnable.map(\.id.name)
        }
        let smallest = isSemiSupervised ? min(labelled, videos.count - labelled) : labelled
        let wanted = ranks ?? (smallest > 1 ? 2 : 1)
        guard TrainingSize.shards(ranks: wanted, recordings: max(smallest, 1)) != nil else {
            throw Failure.badInput(
                "\(counted(smallest, "recording")) cannot be shared out over \(wanted) ranks", at: .file(store.path), .key("--ranks"),
                advice: "give --ranks \(smallest) or fewer")
        }
        let facts = ProposalFacts(
            store: store.path, training: store.statistics(inSubset: subsets.training), subsets: subsets, labels: labels, labelled: labelled,
            smallestPart: max(smallest, 1), ranks: wanted)
        return (facts, list)
    }

    /// The part whose labels a semi-supervised run uses when all recordings have labels.
    static let fewLabels = 0.2
}
