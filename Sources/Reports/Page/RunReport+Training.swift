import DetectionMetrics
import RunRecords

/// What was asked for and how the training went.
extension RunReport {
    func summary() -> PageSection {
        let runs = comparison.runs
        let thresholds = runs.compactMap(\.metrics?.tiouThresholds).first ?? []
        let base = runs.first?.metrics
        let rows = runs.enumerated().map { number, run -> [Markup] in
            // Thresholds of runs may differ: a cell stands for its threshold.
            let values = thresholds.map { threshold in Self.precision(run.metrics, threshold) }
            let cells = zip(thresholds, values).map { threshold, value in
                number == 0 ? Markup.text(Shown.percent(value)) : .value(value, comparedWith: Self.precision(base, threshold))
            }
            let average = run.metrics?.averageMAP
            return [
                .text(Shown.name(comparison.names[number])), .text(run.method), .text(run.value("training.seed") ?? "–"), .text("\(run.step)"),
            ] + cells + [number == 0 ? .text(Shown.percent(average)) : .value(average, comparedWith: base?.averageMAP)]
        }
        let head = ["run", "method", "seed", "steps"] + thresholds.map { "tIoU \(Shown.number($0))" } + ["average"]
        let caption = "Mean average precision per tIoU, in per cent" + (runs.count > 1 ? "; in brackets the difference from the first run" : "")
        var content = [Table(caption: caption, head: head, rows: rows).markup]
        if let spread = spreadTable(thresholds) { content.append(spread) }
        let notes = runs.enumerated().flatMap { number, run in
            run.notes.map { (runs.count > 1 ? "\(Shown.name(comparison.names[number])): " : "") + $0 }
        }
        if !notes.isEmpty { content.append(.tag("ul", ["class": "quiet"], notes.map { .tag("li", text: $0) })) }
        return PageSection(id: "summary", title: "Summary", content: content)
    }

    private static func precision(_ metrics: EvaluationResult?, _ threshold: Double) -> Double? {
        guard let metrics, let place = metrics.tiouThresholds.firstIndex(where: { abs($0 - threshold) < 1e-9 }),
            metrics.mAP.indices.contains(place)
        else { return nil }
        return metrics.mAP[place]
    }

    private func spreadTable(_ thresholds: [Double]) -> Markup? {
        guard comparison.groups.contains(where: { $0.count > 1 }) else { return nil }
        func cell(_ values: [Double]) -> Markup {
            guard let spread = Spread(values) else { return .text("–") }
            let deviation = spread.deviation.map { " ± \(Shown.percent($0))" } ?? ""
            let range = spread.count > 1 ? " (\(Shown.percent(spread.least)) to \(Shown.percent(spread.greatest)))" : ""
            return .text(Shown.percent(spread.mean) + deviation + range)
        }
        let rows = comparison.groups.map { group -> [Markup] in
            let metrics = group.map { comparison.runs[$0].metrics }
            let seeds = group.map { comparison.runs[$0].value("training.seed") ?? "–" }.joined(separator: ", ")
            return [.text(comparison.groupName(group)), .text(seeds)]
                + thresholds.map { threshold in cell(metrics.compactMap { Self.precision($0, threshold) }) }
                + [cell(metrics.compactMap { $0?.averageMAP })]
        }
        return Table(
            caption:
                "Over seeds: mean ± standard deviation of the sample (lowest to highest) of mAP in per cent, over runs that differ in the seed alone",
            head: ["runs", "seeds"] + thresholds.map { "tIoU \(Shown.number($0))" } + ["average"], rows: rows
        ).markup
    }

    func configurationSection() -> PageSection {
        var content: [Markup] = []
        if comparison.runs.count > 1 {
            let names = comparison.names.map(Shown.name)
            let rows = comparison.differences.map { key, values in [Markup.text(key)] + values.map { .text($0 ?? "(absent)") } }
            content.append(
                rows.isEmpty
                    ? .paragraph("The configurations of the runs are the same.")
                    : Table(caption: "Keys whose values differ", head: ["key"] + names, rows: rows, hasWords: true).markup)
        }
        // Runs of equal configuration are many in a comparison of seeds: each text stands once.
        for (number, run) in zip(comparison.runs.indices, comparison.runs) where number < limits.detailedRuns {
            let title = "The whole configuration" + (comparison.runs.count > 1 ? " of \(Shown.name(comparison.names[number]))" : "")
            let text = Markup.tag("pre", ["tabindex": "0", "role": "region", "aria-label": title], text: run.yaml)
            content.append(.tag("details", [], [.tag("summary", text: title), text]))
        }
        return PageSection(id: "configuration", title: "Configuration", content: content)
    }

    func trainingSection(_ numbers: inout FigureNumbers) -> PageSection? {
        let runs = comparison.runs
        guard runs.contains(where: { !$0.steps.isEmpty }) else { return nil }
        func chart(_ title: String, _ name: String, _ description: String, _ value: (StepRecord) -> Double?) -> Figure? {
            let series = zip(comparison.names, runs).enumerated().compactMap { number, own -> LineChart.Series? in
                let points = own.1.steps.compactMap { step in value(step).map { (Double(step.step), $0) } }
                return points.isEmpty ? nil : .init(name: own.0, points: points, color: runs.count > 1 ? number : nil)
            }
            guard !series.isEmpty else { return nil }
            return LineChart(title: title, description: description, xName: "step", yName: name, series: series).figure
        }
        let terms = Set(runs.flatMap { $0.steps.flatMap(\.loss.keys) }).sorted { ($0 == "total" ? "" : $0) < ($1 == "total" ? "" : $1) }
        var charts = terms.map { term in
            chart("Loss: \(term)", "loss", "Mean over the steps between two lines of the log.") { $0.loss[term] }
        }
        charts.append(chart("Learning rate", "learning rate", "At each line of the log.") { $0.learningRate })
        charts.append(chart("Gradient norm", "norm", "Before clipping, mean over the steps between two lines of the log.") { $0.gradientNorm })
        charts.append(validation)
        return PageSection(
            id: "training", title: "Training", content: [.grid(charts.compactMap { $0 }.map { numbers.place($0) })])
    }

    /// Average mAP of the evaluations while the runs trained.
    private var validation: Figure? {
        let runs = comparison.runs
        let series = zip(comparison.names, runs).enumerated().compactMap { number, own -> LineChart.Series? in
            let points = own.1.validations.map { (Double($0.step), 100 * $0.averageMAP) }
            return points.isEmpty ? nil : .init(name: own.0, points: points, color: runs.count > 1 ? number : nil, hasDots: true)
        }
        guard !series.isEmpty else { return nil }
        let description = "Average mAP of the evaluations while the run trained (training.evaluate_every)."
        return LineChart(title: "mAP while training", description: description, xName: "step", yName: "average mAP (%)", series: series).figure
    }

    /// What the held-out recordings said of each round, where rounds are guarded.
    private var judgements: Markup? {
        let rows = zip(comparison.names, comparison.runs).flatMap { name, run in
            run.judgements.map { record -> [Markup] in
                [
                    .text(Shown.name(name)), .text(Shown.name(record.stage)), .text(Shown.percent(record.averageMAP)),
                    .text(Shown.percent(record.bestAverageMAP)), .text(record.isKept ? "kept" : "undone"),
                ]
            }
        }
        guard !rows.isEmpty else { return nil }
        return Table(
            caption: "Guard: average mAP on held-out labelled recordings, in per cent", head: ["run", "stage", "average mAP", "best", "weights"],
            rows: rows
        ).markup
    }

    func stagesSection() -> PageSection? {
        let runs = zip(comparison.names, comparison.runs)
        let rows = runs.flatMap { name, run in
            StageSpan.spans(run.steps).map { span -> [Markup] in
                [
                    .text(Shown.name(name)), .text(Shown.name(span.name)), .text("\(span.steps.lowerBound)–\(span.steps.upperBound)"),
                    .text(Shown.duration(span.seconds)), .text(span.loss.map { Shown.number($0) } ?? "–"),
                ]
            }
        }
        guard !rows.isEmpty else { return nil }
        var content = [
            Table(
                caption: "Stages: steps, time of computing and waiting on rank 0, total loss in the last line of the log",
                head: ["run", "stage", "steps", "time", "loss"], rows: rows
            ).markup
        ]
        let rounds = runs.flatMap { name, run in
            run.roundRecords.map { record -> [Markup] in
                let quality = record.quality
                return [.text(Shown.name(name)), .text(Shown.name(record.stage)), .text("\(record.recordings)")]
                    + [record.positive, record.promoted, record.removed, record.rejected].map { .text("\($0)") }
                    + [.text(record.theta.map { Shown.number($0) } ?? "–")]
                    + [
                        quality?.classAccuracy, quality?.averageTIoU, quality?.positiveAccuracy, quality?.recall, record.expectedPrecision,
                        record.expectedRecall,
                    ].map { .text(Shown.percent($0)) }
            }
        }
        if !rounds.isEmpty {
            content.append(
                Table(
                    caption:
                        "Rounds of pseudo-labels: recordings with labels, predictions by fate, threshold of the score, quality in per cent (where the "
                        + "truth is known), and the precision and recall that the labels let expect",
                    head: [
                        "run", "round", "recordings", "positive", "promoted", "removed", "rejected", "theta", "class accuracy", "average tIoU",
                        "positive accuracy", "recall", "expected precision", "expected recall",
                    ], rows: rounds
                ).markup)
        }
        if let judgements { content.append(judgements) }
        return PageSection(id: "stages", title: "Stages and rounds", content: content)
    }
}
