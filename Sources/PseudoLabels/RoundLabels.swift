import Detectors
import FeatureStore
import RunRecords
import TemporalAnnotations
import TrainingMethods

/// The pseudo-labels of a round.
public struct RoundLabels: Equatable, Sendable {
    /// Counted from 1; 0: none yet.
    public var round = 0
    /// By position of the recording in the store.
    public var instances: [Int: [ActionInstance]] = [:]
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
