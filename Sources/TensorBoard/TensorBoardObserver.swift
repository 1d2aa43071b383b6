import DetectionMetrics
import Foundation
import RunRecords

/// Writes `tensorboard/`: losses, learning rate, norm of the gradient, mAP, quality of pseudo-labels, histograms of detection scores, and the
/// configuration. A run that goes on keeps the events up to the step that it continues from, so no value is there twice.
public final class TensorBoardObserver: RunObserver {
    private var file: EventFile?
    /// Steps done.
    private var step = 0
    private let now: () -> Double

    /// - Parameter now: for tests; seconds since 1970.
    public init(now: @escaping () -> Double = RecordTime.now) { self.now = now }

    public func runBegins(_ run: RunStart) throws {
        step = run.step
        let text = try run.folder.readConfiguration()
        file = try EventFolder(path: run.folder.tensorBoard).begin(at: run.step, time: now())
        try write([SummaryValue(tag: BoardTag.configuration, content: .text("```yaml\n\(text)```\n"))], step: step)
    }

    public func stepEnds(_ step: StepEnd) throws { self.step = step.step }

    public func recorded(_ record: StepRecord) throws {
        let losses = record.loss.sorted { $0.key < $1.key }.map { Self.scalar(.loss, $0.key, $0.value) }
        let training = [
            Self.scalar(.training, "learning_rate", record.learningRate), Self.scalar(.training, "gradient_norm", record.gradientNorm),
        ]
        try write(losses + training, step: record.step, time: record.time)
    }

    public func recorded(_ record: any MethodRecord) throws {
        switch record {
        case let record as ValidationRecord:
            let values = Self.precision(.validation, record.tiouThresholds, record.mAP, record.averageMAP)
            try write(values, step: record.step, time: record.time)
        case let record as GuardRecord:
            try write([Self.scalar(.heldOut, "average_mAP", record.averageMAP)], step: record.step, time: record.time)
        case let record as PseudoLabelRoundRecord:
            try write(Self.round(record), step: record.step, time: record.time)
        default: break
        }
    }

    public func detected(_ scores: DetectionScores) throws {
        let tag = BoardTag.name(scores.isAtEnd ? .evaluation : .validation, BoardTag.scores)
        try write([SummaryValue(tag: tag, content: .histogram(ScoreHistogram(scores.scores)))], step: scores.step)
    }

    public func evaluated(_ result: EvaluationResult) throws {
        try write(Self.precision(.evaluation, result.tiouThresholds, result.mAP, result.averageMAP), step: step)
    }

    public func runEnds(_ end: RunEnd) throws { try file?.close() }

    private func write(_ values: [SummaryValue], step: Int, time: Double? = nil) throws {
        try file?.append(BoardEvent(time: time ?? now(), step: step, content: .summary(values)))
    }

    // MARK: Values

    private static func scalar(_ section: BoardTag.Section, _ name: String, _ value: Double) -> SummaryValue {
        SummaryValue(tag: BoardTag.name(section, name), content: .scalar(Float(value)))
    }

    private static func precision(_ section: BoardTag.Section, _ thresholds: [Double], _ mAP: [Double], _ average: Double) -> [SummaryValue] {
        [scalar(section, "average_mAP", average)] + zip(thresholds, mAP).map { scalar(section, "mAP@\(String(format: "%g", $0))", $1) }
    }

    private static func round(_ record: PseudoLabelRoundRecord) -> [SummaryValue] {
        let values: [(String, Double?)] = [
            ("recordings", Double(record.recordings)), ("positive", Double(record.positive)), ("removed", Double(record.removed)),
            ("promoted", Double(record.promoted)), ("rejected", Double(record.rejected)), ("theta", record.theta),
            ("expected_precision", record.expectedPrecision), ("expected_recall", record.expectedRecall),
            ("class_accuracy", record.quality?.classAccuracy), ("average_tIoU", record.quality?.averageTIoU),
            ("positive_accuracy", record.quality?.positiveAccuracy), ("recall", record.quality?.recall),
        ]
        return values.compactMap { name, value in value.map { scalar(.pseudoLabels, name, $0) } }
    }
}
