import DetectionAnalysis
import RunRecords
import TemporalAnnotations

/// Timelines of recordings, and the figures of pseudo-labels.
extension RunFigures {
    // MARK: Timelines

    /// Of the recording of a name among those evaluated or with pseudo-labels; nil: of the first one.
    func timeline(_ name: String?) -> Figure? {
        if let video = run.evaluated?.first(where: { name == nil || $0.id.name == name }) { return detectionTimeline(video) }
        return labelledRecordings.first { name == nil || $0.id.name == name }.map { labelTimeline($0) }
    }

    func detectionTimeline(_ video: VideoAnnotation) -> Figure {
        let all = BestDetections.choose(run.detections ?? [], videos: run.evaluated ?? []).filter { $0.video == video.id }
        return detectionTimeline(video, best: all)
    }

    /// - Parameter best: the recording's detections that are drawn, best first.
    func detectionTimeline(_ video: VideoAnnotation, best: [Detection]) -> Figure {
        let areRight = BestDetections.areRight(best, video.instances, tIoU: Self.tIoU)
        let marks = zip(best, areRight).map { detection, isRight in
            RecordingTimeline.Mark(
                label: detection.label, segment: detection.segment, style: isRight ? "bar s3" : "hollow s2",
                tip: "\(words(detection.label, detection.segment))\nscore \(Shown.number(detection.score)), \(isRight ? "right" : "wrong")")
        }
        let right = areRight.count { $0 }
        return RecordingTimeline(
            title: Shown.name(video.id.name),
            description: "Actions, and the detections that are among the best of their class in all recordings, as many as the class has actions. "
                + "Right: tIoU of at least \(Self.tIoU) with an action of its class that no better one claims.",
            duration: video.duration, classes: run.classes.names, truth: truthMarks(video), lanes: [marks],
            legend: [
                .init(name: "action (\(video.instances.count))", style: "bar quietly"), .init(name: "detection, right (\(right))", style: "bar s3"),
                .init(name: "detection, wrong (\(best.count - right))", style: "hollow s2"),
            ]
        ).figure
    }

    private func truthMarks(_ video: VideoAnnotation?) -> [RecordingTimeline.Mark] {
        (video?.instances ?? []).map {
            RecordingTimeline.Mark(label: $0.label, segment: $0.segment, style: "bar quietly", tip: "\(words($0.label, $0.segment))\nannotated")
        }
    }

    private func words(_ label: Int, _ segment: Segment) -> String {
        let name = run.classes.names.indices.contains(label) ? run.classes.names[label] : "?"
        return "\(Shown.name(name)), \(Shown.number(segment.start)) to \(Shown.number(segment.end)) s"
    }

    /// Recordings of the last round with what is known of them.
    var labelledRecordings: [VideoAnnotation] {
        (run.rounds.last?.videos ?? []).map { id in
            run.truth[id] ?? VideoAnnotation(id: id, subset: "", duration: 0, fps: nil, instances: [])
        }
    }

    static let fateStyles: [(fate: PseudoLabelFate, style: String)] = [
        (.positive, "s3"), (.promoted, "s1"), (.removed, "s6"), (.rejected, "quietly"),
    ]
    /// Rejected predictions drawn of one recording, the best ones.
    private static let mostRejected = 40

    func labelTimeline(_ video: VideoAnnotation) -> Figure {
        let own = (run.rounds.last?.labels ?? []).filter { $0.video == video.id }
        var lanes: [[RecordingTimeline.Mark]] = [[], []], counts: [PseudoLabelFate: Int] = [:], rejected = 0
        for label in own.sorted(by: { $0.score > $1.score }) {
            counts[label.fate, default: 0] += 1
            if label.fate == .rejected { rejected += 1 }
            if label.fate == .rejected, rejected > Self.mostRejected { continue }
            let style = Self.fateStyles.first { $0.fate == label.fate }?.style ?? "quietly"
            let claims = [("P_cls", label.classScore), ("P_tiou", label.tIoU), ("P_tnd", label.tND), ("similarity", label.similarity)]
                .compactMap { name, value in value.map { "\(name) \(Shown.number($0))" } }
            lanes[label.fate.isLabel ? 0 : 1].append(
                .init(
                    label: label.label, segment: label.segment, style: (label.fate.isLabel ? "bar " : "hollow ") + style,
                    tip: "\(words(label.label, label.segment))\n\(label.fate.rawValue), score \(Shown.number(label.score))\n"
                        + claims.joined(separator: ", ")))
        }
        let known = run.truth[video.id]
        return RecordingTimeline(
            title: Shown.name(video.id.name),
            description: "Pseudo-labels of round \(run.rounds.last?.round ?? 0): those that are learnt from above, the others below"
                + (rejected > Self.mostRejected ? " (of \(rejected) rejected ones the best \(Self.mostRejected))" : "") + "."
                + (known == nil ? " The actions of this recording are not known." : ""),
            duration: video.duration, classes: run.classes.names, truth: truthMarks(known), lanes: lanes,
            legend: [.init(name: known == nil ? "action (unknown)" : "action (\(video.instances.count))", style: "bar quietly")]
                + Self.fateStyles.map { fate, style in
                    .init(name: "\(fate.rawValue) (\(counts[fate] ?? 0))", style: (fate.isLabel ? "bar " : "hollow ") + style)
                }
        ).figure
    }

    // MARK: Quality

    var quality: Figure? {
        let measured = run.rounds.compactMap { round in round.quality.map { (Double(round.round), $0) } }
        guard !measured.isEmpty else { return nil }
        func series(_ name: String, _ value: (PseudoLabelQuality) -> Double?) -> LineChart.Series {
            .init(name: name, points: measured.compactMap { round, quality in value(quality).map { (round, 100 * $0) } }, hasDots: true)
        }
        return LineChart(
            title: "Quality of pseudo-labels", description: "Of the labels that are learnt from, by round, where the truth is known.", xName: "round",
            yName: "%",
            series: [
                series("class accuracy") { $0.classAccuracy }, series("average tIoU") { $0.averageTIoU },
                series("positive accuracy") { $0.positiveAccuracy }, series("recall") { $0.recall },
            ].filter { !$0.points.isEmpty }, yRange: 0...100
        ).wholeSteps.figure
    }

    var fates: Figure? {
        guard !run.roundRecords.isEmpty else { return nil }
        let bars = run.roundRecords.map {
            BarChart.Bar(name: $0.stage, parts: [$0.positive, $0.promoted, $0.removed, $0.rejected].map(Double.init))
        }
        return BarChart(
            title: "Fates of predictions", description: "Predictions on recordings without labels by what became of them, for each round.",
            yName: "predictions", groups: [.init(name: "", bars: bars)], parts: Self.fateStyles.map { ($0.fate.rawValue, $0.style) }
        ).figure
    }

    func reliability(_ round: PseudoLabelFile) -> Figure? {
        guard let curves = round.reliability else { return nil }
        let kinds = [("score", curves.score), ("P_cls", curves.classScore), ("P_tiou", curves.tIoU), ("P_tnd", curves.tND)]
        let series = kinds.enumerated().compactMap { number, kind -> LineChart.Series? in
            let bins = kind.1.filter { $0.count > 0 }
            guard !bins.isEmpty else { return nil }
            let error = PseudoLabelReliability.calibrationError(kind.1).map { ", error \(Shown.number($0))" } ?? ""
            return .init(name: kind.0 + error, points: bins.map { ($0.claimed, $0.observed) }, color: number, hasDots: true)
        }
        guard !series.isEmpty else { return nil }
        return LineChart(
            title: "Reliability, round \(round.round)",
            description:
                "What predictions claim and what is so, in tenths of the claim; on the dashed line they agree. Error: expected calibration error."
                + (curves.similarityAUC.map { " Area under the curve of the similarity: \(Shown.number($0))." } ?? ""),
            xName: "claimed", yName: "observed", series: series, xRange: 0...1, yRange: 0...1, height: 360, hasDiagonal: true
        ).figure
    }

    // MARK: Time

    /// Milliseconds of a step, rank 0.
    var time: Figure? {
        var before = 0, points: [(step: Double, record: StepRecord, steps: Double)] = []
        for record in run.steps {
            if record.step > before { points.append((Double(record.step), record, Double(record.step - before))) }
            before = record.step
        }
        guard !points.isEmpty else { return nil }
        func series(_ name: String, _ value: (StepRecord) -> Double) -> LineChart.Series {
            .init(name: name, points: points.map { ($0.step, 1000 * value($0.record) / $0.steps) })
        }
        return LineChart(
            title: "Time of a step", description: "Milliseconds of a step on rank 0: computing, waiting for features, waiting for other ranks.",
            xName: "step", yName: "ms per step",
            series: [
                series("computing") { $0.secondsCompute }, series("waiting for data") { $0.secondsWaitingData },
                series("waiting for ranks (MPI)") { $0.secondsWaitingMPI },
            ]
        ).figure
    }

    var ranks: Figure? {
        let shares = run.traces.compactMap { trace in RankShares(trace).map { (trace.rank, $0) } }
        guard !shares.isEmpty else { return nil }
        let styles = ["s1", "s8", "s3", "s7", "s2", "s6", "quietly"]
        return BarChart(
            title: "Time of the ranks", description: "What each rank did in the recorded steps, as shares of its time.", yName: "share (%)",
            groups: [.init(name: "", bars: shares.map { rank, own in .init(name: "rank \(rank)", parts: own.shares.map { 100 * $0 }) })],
            parts: Array(zip(RankShares.parts, styles)), highest: 100
        ).figure
    }
}

extension LineChart {
    /// With room at both ends when all values stand at one place.
    fileprivate var wholeSteps: LineChart {
        var chart = self
        let values = series.flatMap { $0.points.map(\.x) }
        chart.hasWholeX = true
        if let low = values.min(), let high = values.max() { chart.xRange = (low - 0.5)...(high + 0.5) }
        return chart
    }
}
