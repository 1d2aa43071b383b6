import Diagnostics
import Sampling
import TrainingMethods

/// How long a run takes on ranks that one does not have yet: a sum of terms, each measured on one rank, counted, or given.
///
/// Weak scaling: every rank has as many recordings as one rank of the configuration's batch would have, however many ranks there are, drawn from the
/// lengths that are known.
public struct ScalingPlan: Sendable {
    /// Seconds of the run by what they go into; all terms of a run on one rank alone but `computing` and `optimizer` are 0.
    public struct Terms: Equatable, Sendable {
        /// Forward and backward of the rank's average rows, and detection on them between stages.
        public var computing = 0.0
        /// Waiting for the rank with the most rows.
        public var waiting = 0.0
        public var optimizer = 0.0
        /// The rank's part in the contrast, with its messages.
        public var contrast = 0.0
        /// Sums of gradients that computing does not hide.
        public var reduction = 0.0
        /// Losses, counts and stop requests.
        public var agreement = 0.0
        /// Predictions on their way to rank 0, the choice there, and labels on their way back.
        public var labels = 0.0
        public var checkpoints = 0.0

        public init() {}

        public var total: Double { named.reduce(0) { $0 + $1.seconds } }

        /// In the order of `CodingKeys` of the command's output.
        public var named: [(name: String, seconds: Double)] {
            [
                ("computing", computing), ("waiting", waiting), ("optimizer", optimizer), ("contrast", contrast), ("reduction", reduction),
                ("agreement", agreement), ("labels", labels), ("checkpoints", checkpoints),
            ]
        }

        static func + (one: Terms, other: Terms) -> Terms { one.combined(other, 1) }
        static func * (terms: Terms, factor: Double) -> Terms { Terms().combined(terms, factor) }

        private func combined(_ other: Terms, _ factor: Double) -> Terms {
            var sum = self
            for path in [\Terms.computing, \.waiting, \.optimizer, \.contrast, \.reduction, \.agreement, \.labels, \.checkpoints] {
                sum[keyPath: path] += factor * other[keyPath: path]
            }
            return sum
        }
    }

    /// A stage of the run.
    public struct StageTime: Equatable, Sendable {
        public var name: String
        public var iterations: Int
        public var secondsPerStep: Double
        /// Of detection, choice and broadcast of labels before its first step; 0: it needs none.
        public var labelling: Double
        /// Messages per step and rank for the gradients.
        public var messages: Int

        var secondsOfSteps: Double { secondsPerStep * Double(iterations) }
    }

    /// Ranks and recordings of each.
    public struct Row: Equatable, Sendable {
        public var ranks: Int
        public var recordingsPerRank: Int
        /// Of the longest stage.
        public var secondsPerStep: Double
        /// Once through the recordings of that stage.
        public var secondsPerEpoch: Double
        /// The time of a rank alone with its average share of the work, over that of the ranks together.
        public var efficiency: Double
        public var terms: Terms
        /// In their order.
        public var stages: [StageTime]
        /// `training.reduction_group` with the least exposed time.
        public var group: Int
        /// Messages per step and rank for the gradients.
        public var messages: Int
        /// Whether the recordings suffice for a step.
        public var isPossible: Bool
    }

    let stages: [StageOutline]
    let lengths: [Int]
    let counts: RecordingCounts
    let costs: WorkCosts
    let cluster: PlannedCluster
    /// Of the configuration.
    let batch: Int
    let window: Int?
    let checkpointEvery: Int
    let seed: UInt64

    /// - Parameters:
    ///   - stages: of the method; at least one.
    ///   - lengths: rows of the training recordings, as they are trained on.
    ///   - counts: how many of the recordings are labelled.
    ///   - costs: of a rank's work.
    ///   - cluster: what the run is planned for.
    ///   - batch: `data.batch_size` of the configuration, which `stages` speak of.
    ///   - window: `data.balance_window`; nil: what a run of the configuration takes.
    ///   - checkpointEvery: iterations between checkpoints.
    ///   - seed: of the drawn steps.
    public init(
        stages: [StageOutline], lengths: [Int], counts: RecordingCounts, costs: WorkCosts, cluster: PlannedCluster, batch: Int, window: Int?,
        checkpointEvery: Int, seed: UInt64
    ) {
        precondition(!stages.isEmpty && !lengths.isEmpty && batch > 0)
        self.stages = stages
        self.lengths = lengths
        self.counts = counts
        self.costs = costs
        self.cluster = cluster
        self.batch = batch
        self.window = window
        self.checkpointEvery = checkpointEvery
        self.seed = seed
    }

    /// The prediction for a number of ranks.
    ///
    /// - Parameters:
    ///   - ranks: all of them.
    ///   - perRank: recordings of the first kind per rank and step; those of other kinds as the configuration relates them.
    /// - Throws: `Failure` where the sampler finds too few recordings.
    public func row(ranks: Int, perRank: Int) throws -> Row {
        var terms = Terms(), alone = 0.0, times: [StageTime] = [], longest = 0, group = 0
        for stage in stages {
            let (step, own, reduction) = try self.step(of: stage, ranks: ranks, perRank: perRank)
            terms = terms + step * Double(stage.iterations)
            alone += own * Double(stage.iterations)
            var time = StageTime(
                name: stage.name, iterations: stage.iterations, secondsPerStep: step.total, labelling: 0, messages: reduction.time.messages)
            if let recordings = stage.labels {
                let labelling = labelling(recordings, ranks: ranks, perRank: perRank)
                terms = terms + labelling
                time.labelling = labelling.total
                let own = self.labelling(recordings, ranks: 1, perRank: perRank)
                alone += own.computing + own.labels
            }
            times.append(time)
            if time.secondsOfSteps > times[longest].secondsOfSteps { longest = times.count - 1 }
            group = reduction.group
        }
        let written = Double(stages.reduce(0) { $0 + $1.iterations } / checkpointEvery) * costs.checkpointSeconds
        terms.checkpoints += written
        alone += written
        let share = stages[longest].shares.last ?? .init(.labeled, perStep: batch), perStep = share.perStep * perRank * ranks
        let steps = Double(counts.count(share.recordings) * batch) / Double(perStep)
        return Row(
            ranks: ranks, recordingsPerRank: perRank, secondsPerStep: times[longest].secondsPerStep,
            secondsPerEpoch: times[longest].secondsPerStep * steps,
            efficiency: min(1, alone / terms.total), terms: terms, stages: times, group: group, messages: times.last?.messages ?? 0,
            isPossible: stages.allSatisfy { $0.shares.allSatisfy { counts.count($0.recordings) * batch >= $0.perStep * perRank * ranks } })
    }

    /// Of the possible ones, the numbers of ranks and recordings with the shortest epoch that keep an efficiency.
    public static func best(_ rows: [Row], leastEfficiency: Double) -> Row? {
        rows.filter { $0.isPossible && $0.efficiency >= leastEfficiency }.min {
            ($0.secondsPerEpoch, $0.ranks) < ($1.secondsPerEpoch, $1.ranks)
        }
    }

    // MARK: Terms

    /// Steps that are drawn to see how long ranks wait.
    private static let drawnSteps = 48
    /// Collective calls of few bytes in a step: counts of targets, losses, and one to spare.
    private static let collectives = 3.0

    /// Seconds of a step by terms, those of a rank alone, and its gradients.
    private func step(
        of stage: StageOutline, ranks: Int, perRank: Int
    ) throws -> (terms: Terms, alone: Double, reduction: (group: Int, time: ReductionTime)) {
        let rows = try rowsPerStep(stage, ranks: ranks, perRank: perRank)
        var terms = Terms()
        terms.computing = rows.mean * costs.perRow
        terms.waiting = (rows.fullest - rows.mean) * costs.perRow
        terms.optimizer = costs.perStep
        if stage.contrasts {
            let link = cluster.link(ranks: ranks)
            terms.contrast = costs.contrast
            if ranks > 1 { terms.contrast += costs.contrastMessages * link.alpha + costs.contrastBytes * link.beta }
        }
        let reduction = ReductionTime.best(
            ranks: ranks, cluster: cluster, costs: costs, backward: terms.computing * WorkCosts.backward)
        terms.reduction = reduction.time.exposed
        terms.agreement = Self.collectives * cluster.collective(ranks: ranks)
        return (terms, terms.computing + terms.optimizer + (stage.contrasts ? costs.contrastAlone : 0), reduction)
    }

    /// Rows of the average and of the fullest rank in a step, means over drawn steps.
    private func rowsPerStep(_ stage: StageOutline, ranks: Int, perRank: Int) throws -> (mean: Double, fullest: Double) {
        var loads = [[Int]](repeating: [Int](repeating: 0, count: ranks), count: Self.drawnSteps)
        for (number, share) in stage.shares.enumerated() {
            let each = max(1, share.perStep * perRank / batch)
            // More ranks have more recordings: an epoch has as many steps as in the configuration.
            let window = window ?? TrainingSampler.window(steps: counts.epoch(share.recordings, perStep: share.perStep))
            // As many recordings as all drawn steps and windows see, so that nothing comes twice more often than it does in the data.
            let copies = max(1, (ranks * each * window + lengths.count - 1) / lengths.count)
            let all = (0..<copies * lengths.count).map { (index: $0, rows: lengths[$0 % lengths.count]) }
            let sampler = try TrainingSampler(
                videos: all, shardCount: ranks, batchSize: ranks * each, seed: seed &+ UInt64(number), window: window)
            for step in loads.indices {
                for rank in 0..<ranks { loads[step][rank] += sampler.videos(step: step, shard: rank).reduce(0) { $0 + all[$1].rows } }
            }
        }
        let steps = Double(loads.count)
        return (
            loads.reduce(0) { $0 + Double($1.reduce(0, +)) / Double(ranks) } / steps, loads.reduce(0) { $0 + Double($1.max() ?? 0) } / steps
        )
    }

    /// Detection on recordings that are not trained on, each rank its part; gathering, choosing and sending the labels.
    private func labelling(_ recordings: StageOutline.Recordings, ranks: Int, perRank: Int) -> Terms {
        let count = max(1, counts.count(recordings) * ranks * perRank / batch)
        let rows = (0..<count).map { lengths[$0 % lengths.count] }
        let places = RecordingShares.places(rows: rows, ranks: ranks)
        let loads = places.map { $0.reduce(0) { $0 + rows[$1] } }
        let mean = Double(rows.reduce(0, +)) / Double(ranks), link = cluster.link(ranks: ranks)
        var terms = Terms()
        terms.computing = mean * costs.detectionPerRow
        terms.waiting = (Double(loads.max() ?? 0) - mean) * costs.detectionPerRow
        let predictions = Double(count * costs.predictionsPerRecording), bytes = predictions * Double(costs.bytesPerPrediction)
        terms.labels = predictions * costs.selection
        if ranks > 1 {
            // Rank 0 takes a message of every other rank; the labels go down a tree, each host's link passing them on to two others.
            terms.labels += Double(ranks - 1) * link.alpha + bytes * link.beta + cluster.collective(ranks: ranks) / 2 + 2 * bytes * link.beta
        }
        return terms
    }
}
