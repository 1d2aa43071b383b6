import DetectionAnalysis
import DetectionMetrics
import RunRecords
import TemporalAnnotations

/// Makes the figures of one run; what they share is computed once.
struct RunFigures: Sendable {
    let run: ReportedRun
    /// Of its detections; nil without truth.
    let errors: ErrorAnalysis?

    /// tIoU of what is shown for one threshold.
    static let tIoU = 0.5
    /// Classes drawn together at most.
    static let mostClasses = 30

    init(_ run: ReportedRun) {
        self.run = run
        errors = run.evaluated.flatMap { videos in
            run.detections.flatMap {
                ErrorAnalysis(videos: videos, detections: $0, classes: run.classes.count, thresholds: run.thresholds)
            }
        }
    }

    /// nil when the run lacks what it shows.
    func figure(_ kind: RunFigure, recording: String? = nil, className: String? = nil) -> Figure? {
        switch kind {
        case .loss: loss
        case .learningRate: curve("Learning rate", "learning rate") { $0.learningRate }
        case .validation: validation
        case .meanPrecision: meanPrecision
        case .precisionRecall: className.map { precisionRecall(className: $0) } ?? precisionRecallOfClasses
        case .averageRecall: proposalRecall.map(Self.averageRecall)
        case .proposals: proposalMap(recording)
        case .confusion: confusion
        case .falsePositives: falsePositives
        case .errorImpact: errorImpact
        case .sensitivity: sensitivity
        case .falseNegatives: falseNegatives
        case .timeline: timeline(recording)
        case .quality: quality
        case .fates: fates
        case .reliability: run.rounds.last.flatMap { reliability($0) }
        case .time: time
        case .ranks: ranks
        }
    }

    // MARK: Training

    private var loss: Figure? {
        let names = Set(run.steps.flatMap(\.loss.keys)).sorted { ($0 == "total" ? "" : $0) < ($1 == "total" ? "" : $1) }
        guard !names.isEmpty else { return nil }
        return LineChart(
            title: "Loss", description: "Terms of the loss, means over the steps between two lines of the log.", xName: "step", yName: "loss",
            series: names.map { name in .init(name: name, points: run.steps.compactMap { step in step.loss[name].map { (Double(step.step), $0) } }) }
        ).figure
    }

    private func curve(_ title: String, _ name: String, _ value: (StepRecord) -> Double) -> Figure? {
        guard !run.steps.isEmpty else { return nil }
        return LineChart(
            title: title, description: "\(title) over the steps of the run.", xName: "step", yName: name,
            series: [.init(name: name, points: run.steps.map { (Double($0.step), value($0)) })]
        ).figure
    }

    private var validation: Figure? {
        guard let first = run.validations.first else { return nil }
        let thresholds = first.tiouThresholds.indices.map { place in
            LineChart.Series(
                name: "tIoU \(Shown.number(first.tiouThresholds[place]))",
                points: run.validations.filter { $0.mAP.indices.contains(place) }.map { (Double($0.step), 100 * $0.mAP[place]) })
        }
        return LineChart(
            title: "mAP while training", description: "Mean average precision of the evaluations while the run trained.", xName: "step",
            yName: "mAP (%)",
            series: [.init(name: "average", points: run.validations.map { (Double($0.step), 100 * $0.averageMAP) }, hasDots: true)]
                + thresholds
        ).figure
    }

    // MARK: Metrics

    private var meanPrecision: Figure? {
        guard let metrics = run.metrics, !metrics.mAP.isEmpty else { return nil }
        return LineChart(
            title: "mAP", description: "Mean average precision over the tIoU from which a detection is right.", xName: "tIoU", yName: "mAP (%)",
            series: [.init(name: "mAP", points: zip(metrics.tiouThresholds, metrics.mAP).map { ($0, 100 * $1) }, hasDots: true)],
            yRange: 0...100
        ).figure
    }

    /// The classes that have actions: those with the most first, at most `most`.
    func largestClasses(_ most: Int) -> [Int] {
        guard let videos = run.evaluated else { return [] }
        let counts = Dictionary(TrueInstances(videos).all.map { ($0.label, 1) }, uniquingKeysWith: +)
        return Array(counts.sorted { (-$0.value, $0.key) < (-$1.value, $1.key) }.map(\.key).prefix(most))
    }

    private func curves(_ label: Int, _ thresholds: [Double]) -> [PrecisionRecall] {
        guard let videos = run.evaluated, let detections = run.detections else { return [] }
        let own = detections.filter { $0.label == label }, truth = TrueInstances(videos).ofClass(label)
        let count = truth.positions.values.reduce(0) { $0 + $1.count }
        guard count > 0 else { return [] }
        return ClassMatching(own, truth: truth.segments, thresholds: thresholds).claims
            .map { PrecisionRecall($0.map { $0 != nil }, instances: count).interpolated }
    }

    /// Without the end at recall 1 and precision 0 where a curve does not come so far.
    private func points(_ curve: PrecisionRecall) -> [(x: Double, y: Double)] {
        var points: [(x: Double, y: Double)] = []
        for (recall, precision) in zip(curve.recall, curve.precision).dropLast() {
            // A step: the precision falls where the next detection that is right stands. Between its ends nothing is to be seen.
            guard let last = points.last else {
                points.append((recall, precision))
                continue
            }
            if last.x != recall, last.y != precision { points.append((last.x, precision)) }
            let before = points.count > 1 ? points[points.count - 2] : nil
            if before?.x == recall && last.x == recall || before?.y == precision && last.y == precision { points.removeLast() }
            points.append((recall, precision))
        }
        return points
    }

    /// Of one class, a line per tIoU.
    func precisionRecall(className: String) -> Figure? {
        guard let label = run.classes.index(of: className) else { return nil }
        let thresholds = run.thresholds, curves = curves(label, thresholds)
        guard !curves.isEmpty else { return nil }
        let shown =
            thresholds.count > 8 ? stride(from: 0, to: thresholds.count, by: (thresholds.count + 7) / 8).map { $0 } : Array(thresholds.indices)
        return LineChart(
            title: Shown.name(className), description: "Interpolated precision over recall for the class, a line per tIoU.", xName: "recall",
            yName: "precision",
            series: shown.map { place in
                let area = run.metrics?.apPerClass[className].flatMap { $0.indices.contains(place) ? $0[place] : nil }
                return .init(
                    name: "\(Shown.number(thresholds[place]))" + (area.map { " (AP \(Shown.percent($0)))" } ?? ""), points: points(curves[place]),
                    color: place)
            }, xRange: 0...1, yRange: 0...1
        ).figure
    }

    private var precisionRecallOfClasses: Figure? {
        let labels = largestClasses(8)
        guard !labels.isEmpty, run.detections != nil else { return nil }
        return LineChart(
            title: "Precision and recall at tIoU \(Self.tIoU)",
            description:
                "Interpolated precision over recall at tIoU \(Self.tIoU), a line per class; of more than 8 classes those with the most actions.",
            xName: "recall", yName: "precision",
            series: labels.map { .init(name: run.classes.names[$0], points: curves($0, [Self.tIoU]).first.map(points) ?? []) }, xRange: 0...1,
            yRange: 0...1
        ).figure
    }

    private var confusion: Figure? {
        guard let videos = run.evaluated, let detections = run.detections else { return nil }
        let whole = ConfusionMatrix(videos: videos, detections: detections, tIoU: Self.tIoU), matrix = whole.limited(to: Self.mostClasses)
        guard !matrix.labels.isEmpty else { return nil }
        let names = matrix.labels.map { run.classes.names[$0] }
        let left = whole.labels.count - matrix.labels.count
        return HeatMap(
            title: "Confusion of classes",
            description: "Of each class the best detections, as many as it has actions, claim the free action of any class that they overlap most "
                + "(tIoU at least \(Self.tIoU)). A cell is filled by its share of the row."
                + (left > 0 ? " \(left) classes with less confusion are not shown." : ""),
            rowName: "class of the action", columnName: "class of the detection", rows: names + ["no action"], columns: names + ["missed"],
            counts: matrix.counts
        ).figure
    }
}
