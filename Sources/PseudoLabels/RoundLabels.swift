import Detectors
import FeatureStore
import RunRecords
import TemporalAnnotations
import TrainingMethods
import TrainingReview

/// The pseudo-labels of a round.
public struct RoundLabels: Equatable, Sendable {
    /// Counted from 1; 0: none yet.
    public var round = 0
    /// By position of the recording in the store.
    public var instances: [Int: [ActionInstance]] = [:]
    /// How much each of them counts, of recordings where not all count 1.
    public var weights: [Int: [Float]] = [:]
    /// Stretches of which nothing is known, in seconds, by position of the recording in the store.
    public var ignored: [Int: [Segment]] = [:]
    /// Running counts that the round's losses are divided by, one for each of the detector's normalisers; empty: none yet.
    public var normalizers: [Double] = []
    /// Known where the store holds the truth; on rank 0 alone.
    public var quality: PseudoLabelQuality?

    /// A round whose labels are still to be added.
    public init(round: Int = 0, normalizers: [Double] = [], quality: PseudoLabelQuality? = nil) {
        self.round = round
        self.normalizers = normalizers
        self.quality = quality
    }

    /// - Parameters:
    ///   - labels: those of recordings that the store lacks are left out.
    ///   - store: the store of the recordings.
    public mutating func add(_ labels: [PseudoLabel], store: FeatureStore) {
        for label in labels {
            guard let index = store.index(of: label.video) else { continue }
            instances[index, default: []].append(ActionInstance(segment: label.segment, label: label.label))
        }
    }

    /// Takes predictions that are no labels as stretches of which nothing is known.
    ///
    /// - Parameters:
    ///   - uncertain: those of recordings that the store lacks are left out.
    ///   - store: the store of the recordings.
    public mutating func ignore(_ uncertain: [PseudoLabel], store: FeatureStore) {
        for label in uncertain {
            guard let index = store.index(of: label.video) else { continue }
            ignored[index, default: []].append(label.segment)
        }
    }

    /// Takes predictions that are no labels as labels that count as much as their scores say, best first: those that overlap a label of their
    /// recording, or a better one, by more than `overlap` (tIoU) are left out.
    ///
    /// - Parameters:
    ///   - uncertain: those of recordings that the store lacks are left out.
    ///   - overlap: 0 to 1.
    ///   - store: the store of the recordings.
    public mutating func weigh(_ uncertain: [PseudoLabel], overlap: Double, store: FeatureStore) {
        let order = uncertain.indices.sorted { (-uncertain[$0].score, $0) < (-uncertain[$1].score, $1) }
        for label in order.map({ uncertain[$0] }) {
            guard let index = store.index(of: label.video) else { continue }
            let others = instances[index, default: []]
            guard !others.contains(where: { $0.segment.tIoU(label.segment) > overlap }) else { continue }
            weights[index, default: others.map { _ in 1 }].append(Float(label.score))
            instances[index, default: []].append(ActionInstance(segment: label.segment, label: label.label))
        }
    }

    /// How many of the labels can be learnt in training.
    public func learnable(_ configuration: RunConfiguration, store: FeatureStore, detector: any Detector) -> LearnableActions {
        LearnableActions(
            instances.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }, configuration: configuration, store: store, detector: detector)
    }

    // MARK: In checkpoints

    /// Round, first normaliser, whether the quality is known, and its four numbers.
    public var numbers: [Double] {
        [
            Double(round), normalizers.first ?? 0, quality == nil ? 0 : 1, quality?.classAccuracy ?? 0, quality?.averageTIoU ?? 0,
            quality?.positiveAccuracy ?? 0,
            Double(quality?.count ?? 0),
        ]
    }
    /// Numbers that `numbers` holds.
    public static let numberCount = 7

    /// Position of the recording in the store, start, end (seconds), class of each label.
    public var rows: [Double] {
        instances.sorted { $0.key < $1.key }.flatMap { index, instances in
            instances.flatMap { [Double(index), $0.segment.start, $0.segment.end, Double($0.label)] }
        }
    }

    /// Weights in the order of `rows`; empty where all are 1.
    public var rowWeights: [Float] {
        guard !weights.isEmpty else { return [] }
        return instances.sorted { $0.key < $1.key }.flatMap { index, instances in weights[index] ?? instances.map { _ in 1 } }
    }

    /// Position of the recording in the store, start, end (seconds) of each ignored stretch.
    public var ignoredRows: [Double] {
        ignored.sorted { $0.key < $1.key }.flatMap { index, segments in segments.flatMap { [Double(index), $0.start, $0.end] } }
    }

    /// Takes up what `rowWeights` and `ignoredRows` gave, after `add(rows:store:)`.
    ///
    /// - Returns: false when they do not fit the labels, or the recordings of the store.
    public mutating func add(rowWeights: [Float], ignoredRows: [Double], store: FeatureStore) -> Bool {
        guard rowWeights.isEmpty || rowWeights.count == instances.values.reduce(0, { $0 + $1.count }), ignoredRows.count % 3 == 0 else {
            return false
        }
        var place = 0
        for (index, instances) in instances.sorted(by: { $0.key < $1.key }) where !rowWeights.isEmpty {
            let own = Array(rowWeights[place..<place + instances.count])
            if own.contains(where: { $0 != 1 }) { weights[index] = own }
            place += instances.count
        }
        for at in stride(from: 0, to: ignoredRows.count, by: 3) {
            guard let index = Int(exactly: ignoredRows[at]), store.videos.indices.contains(index) else { return false }
            ignored[index, default: []].append(Segment(start: ignoredRows[at + 1], end: ignoredRows[at + 2]))
        }
        return true
    }

    /// nil when the numbers are not those of a round's labels.
    public init?(numbers: some Collection<Double>) {
        let numbers = Array(numbers)
        guard numbers.count == Self.numberCount, let number = Int(exactly: numbers[0]), let count = Int(exactly: numbers[6]) else { return nil }
        self.init(round: number, normalizers: [numbers[1]])
        guard numbers[2] == 1 else { return }
        quality = PseudoLabelQuality(classAccuracy: numbers[3], averageTIoU: numbers[4], positiveAccuracy: numbers[5], count: count)
    }

    /// False when the rows are not labels on the recordings of the store.
    public mutating func add(rows: [Double], store: FeatureStore) -> Bool {
        guard rows.count % 4 == 0 else { return false }
        for at in stride(from: 0, to: rows.count, by: 4) {
            guard let index = Int(exactly: rows[at]), store.videos.indices.contains(index), let label = Int(exactly: rows[at + 3]),
                store.classes.names.indices.contains(label)
            else { return false }
            instances[index, default: []].append(ActionInstance(segment: Segment(start: rows[at + 1], end: rows[at + 2]), label: label))
        }
        return true
    }
}
