/// What a stage of a method asks of the ranks, as far as the configuration and the number of recordings say: for plans of clusters that one does not
/// have yet.
public struct StageOutline: Equatable, Sendable {
    /// Recordings that a stage walks through.
    public enum Recordings: Equatable, Sendable { case labeled, unlabeled, all }

    /// Recordings of a kind in every step.
    public struct Share: Equatable, Sendable {
        public var recordings: Recordings
        /// Of the step's recordings over all ranks.
        public var perStep: Int

        public init(_ recordings: Recordings, perStep: Int) {
            self.recordings = recordings
            self.perStep = perStep
        }
    }

    public var name: String
    public var iterations: Int
    /// What passes through the detector forward and backward.
    public var shares: [Share]
    /// Whether frames are contrasted over the global mini-batch.
    public var contrasts: Bool
    /// What is detected on, gathered on rank 0, chosen from and sent to all before the stage; nil: nothing.
    public var labels: Recordings?

    public init(_ name: String, iterations: Int, shares: [Share], contrasts: Bool = false, labels: Recordings? = nil) {
        self.name = name
        self.iterations = iterations
        self.shares = shares
        self.contrasts = contrasts
        self.labels = labels
    }
}

/// How many recordings a run has.
public struct RecordingCounts: Equatable, Sendable {
    public var labeled: Int
    public var unlabeled: Int

    /// - Parameters:
    ///   - training: recordings of the training subset.
    ///   - fraction: `data.labeled_fraction`.
    public init(training: Int, fraction: Double) {
        labeled = min(training, max(1, Int((fraction * Double(training)).rounded())))
        unlabeled = training - labeled
    }

    /// Of a kind.
    public func count(_ recordings: StageOutline.Recordings) -> Int {
        switch recordings {
        case .labeled: labeled
        case .unlabeled: unlabeled
        case .all: labeled + unlabeled
        }
    }

    /// Steps in which about all recordings of a kind are seen once.
    public func epoch(_ recordings: StageOutline.Recordings, perStep: Int) -> Int { max(1, count(recordings) / perStep) }
}
