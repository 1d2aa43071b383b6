import DetectionAnalysis
import DetectionMetrics
import RunRecords
import TemporalAnnotations

/// What was learnt.
extension RunReport {
    func precisionSection(_ numbers: inout FigureNumbers) -> PageSection? {
        let runs = comparison.runs
        guard runs.contains(where: { $0.metrics != nil }) else { return nil }
        var content: [Markup] = []
        let series = zip(comparison.names, runs).enumerated().compactMap { number, own in
            own.1.metrics.map { metrics in
                LineChart.Series(
                    name: own.0, points: zip(metrics.tiouThresholds, metrics.mAP).map { ($0, 100 * $1) }, color: runs.count > 1 ? number : nil,
                    hasDots: true)
            }
        }
        let mean = LineChart(
            title: "mAP", description: "Mean average precision over the tIoU from which a detection is right.", xName: "tIoU", yName: "mAP (%)",
            series: series, yRange: 0...100
        ).figure
        let overviews = figures.count == 1 ? [figures[0].figure(.precisionRecall)].compactMap { $0 } : []
        content.append(.grid(([mean] + overviews).map { numbers.place($0) }))
        for (number, run) in zip(runs.indices, runs).prefix(limits.detailedRuns) {
            guard let metrics = run.metrics else { continue }
            content.append(Self.table(metrics, run: comparison.names[number], order: run.classes.names, isAlone: runs.count == 1))
        }
        content += leftOut
        let most = limits.classes
        let curves = perRun { own in
            let labels = own.largestClasses(most)
            return labels.isEmpty
                ? [] : [.grid(labels.compactMap { own.precisionRecall(className: own.run.classes.names[$0]) }.map { numbers.place($0) })]
        }
        if let curves {
            let hidden = figures.map { $0.largestClasses(.max).count }.max() ?? 0
            content.append(.heading("Precision and recall per class"))
            if hidden > most { content.append(.paragraph("The \(most) classes with the most actions, of \(hidden).", style: "quiet")) }
            content.append(curves)
        }
        return PageSection(id: "precision", title: "Average precision", content: content)
    }

    private static func table(_ metrics: EvaluationResult, run: String, order: [String], isAlone: Bool) -> Markup {
        let known = order.filter { metrics.apPerClass[$0] != nil }, listed = Set(known)
        let names = known + metrics.apPerClass.keys.filter { !listed.contains($0) }.sorted()
        func row(_ name: String, _ values: [Double]) -> [Markup] {
            let mean = values.isEmpty ? nil : values.reduce(0, +) / Double(values.count)
            return [.text(name)] + (values + [mean].compactMap { $0 }).map { .text(Shown.percent($0)) }
        }
        var rows = names.map { row(Shown.name($0), metrics.apPerClass[$0] ?? []) }
        rows.append(row("mAP", metrics.mAP))
        rows += metrics.recallAt.keys.sorted().map { row("recall at \($0)", metrics.recallAt[$0] ?? []) }
        return Table(
            caption: "Average precision per class and tIoU" + (isAlone ? "" : " of \(Shown.name(run))")
                + ", mAP, and recall among 1 or 5 times as many detections as actions, in per cent"
                + (metrics.classSource.map { "; classes from: \(Shown.name($0))" } ?? ""),
            head: ["class"] + metrics.tiouThresholds.map { "tIoU \(Shown.number($0))" } + ["average"], rows: rows
        ).markup
    }

    /// Recall whatever the class, and where the detections of some recordings lie.
    func proposalSection(_ numbers: inout FigureNumbers) -> PageSection? {
        let recalls = zip(comparison.names, figures).compactMap { name, own in own.proposalRecall.map { (name, $0) } }
        guard !recalls.isEmpty else { return nil }
        let isAlone = comparison.runs.count == 1
        let series = recalls.enumerated().map { number, own in
            LineChart.Series(
                name: own.0, points: zip(own.1.averageNumbers, own.1.averageRecall).map { ($0, 100 * $1) }, color: isAlone ? nil : number)
        }
        let curves = isAlone ? RunFigures.averageRecall(recalls[0].1) : RunFigures.recallChart(series, of: " A line per run.")
        let shown = [0, 4, 9, 49, 99]
        let table = Table(
            caption: "Average recall at so many detections per recording in the mean, and the area under the curve, in per cent",
            head: ["run"] + shown.map { "AR@\($0 + 1)" } + ["area"],
            rows: recalls.map { name, recall in
                [.text(Shown.name(name))] + (shown.map { recall.averageRecall[$0] } + [recall.area]).map { .text(Shown.percent($0)) }
            }
        ).markup
        let maps = perRun { own in
            let recordings = Self.spread((own.run.evaluated ?? []).filter { !$0.instances.isEmpty }, min(limits.recordings, 2))
            return [.grid(recordings.compactMap { own.proposalMap($0.id.name) }.map { numbers.place($0) })]
        }
        return PageSection(id: "proposals", title: "Proposals", content: [numbers.place(curves), table] + leftOut + [maps].compactMap { $0 })
    }

    func confusionSection(_ numbers: inout FigureNumbers) -> PageSection? {
        guard let content = perRun({ own in [own.figure(.confusion)].compactMap { $0 }.map { numbers.place($0) } }) else { return nil }
        return PageSection(id: "confusion", title: "Confusion of classes", content: leftOut + [content])
    }

    func errorSection(_ numbers: inout FigureNumbers) -> PageSection? {
        let kinds: [RunFigure] = [.falsePositives, .errorImpact, .sensitivity, .falseNegatives]
        let isAlone = figures.count == 1
        let content = perRun { own in
            let drawn = kinds.compactMap { own.figure($0) }.map { numbers.place($0) }
            guard drawn.count == 4 else { return [] }
            return isAlone ? [.grid(Array(drawn[..<2])), drawn[2], drawn[3]] : drawn
        }
        guard let content else { return nil }
        let text =
            "The errors of DETAD (Alwassel et al., arXiv 1807.10706). Double detection: the action has a better detection. Wrong label: the place is "
            + "right, the class is not. Localization: the class is right, the overlap too small (from 0.1). Confusion: neither is. Background: no action is "
            + "there."
        return PageSection(id: "errors", title: "Error analysis", content: [.paragraph(text)] + leftOut + [content])
    }

    func recordingsSection(_ numbers: inout FigureNumbers) -> PageSection? {
        var total = 0
        let content = perRun { own in
            guard let videos = own.run.evaluated, let detections = own.run.detections else { return [] }
            total = max(total, videos.count)
            let best = Dictionary(grouping: BestDetections.choose(detections, videos: videos), by: \.video)
            return Self.spread(videos, limits.recordings).map { video in
                var figure = own.detectionTimeline(video, best: best[video.id] ?? [])
                figure.hasCaption = false
                return numbers.place(figure)
            }
        }
        guard let content else { return nil }
        let text =
            "Actions, and of each class the best detections in all recordings, as many as it has actions. Right: tIoU of at least "
            + "\(RunFigures.tIoU) with an action of its class that no better one claims."
            + (total > limits.recordings ? " \(limits.recordings) of \(total) evaluated recordings are drawn, evenly spread over the data set." : "")
        return PageSection(
            id: "recordings", title: "Recordings", content: [.paragraph(text)] + leftOut + [content])
    }

    /// At most `most` of the values, evenly spread, in their order.
    private static func spread<Value>(_ values: [Value], _ most: Int) -> [Value] {
        guard values.count > most, most > 0 else { return most > 0 ? values : [] }
        return (0..<most).map { values[$0 * values.count / most] }
    }

    func labelsSection(_ numbers: inout FigureNumbers) -> PageSection? {
        var total = 0
        let content = perRun { own -> [Markup] in
            guard !own.run.rounds.isEmpty || !own.run.roundRecords.isEmpty else { return [] }
            let overview = [own.figure(.quality), own.figure(.fates)] + Self.spread(own.run.rounds, 6).map { own.reliability($0) }
            var parts = [Markup.grid(overview.compactMap { $0 }.map { numbers.place($0) })]
            // Recordings with labels come before others.
            let labelled = Set((own.run.rounds.last?.labels ?? []).filter(\.fate.isLabel).map(\.video))
            let videos = own.labelledRecordings
            total = max(total, videos.count)
            let shown = Self.spread(videos.filter { labelled.contains($0.id) }, limits.recordings)
            parts += shown.map { numbers.place(own.labelTimeline($0)) }
            return parts
        }
        guard let content else { return nil }
        let text =
            "Fates: positive, chosen by the score; promoted, chosen since it is like the labelled actions of its class; removed, chosen by the score but "
            + "unlike them; rejected, below the threshold."
            + (total > limits.recordings ? " Timelines of at most \(limits.recordings) of \(total) recordings." : "")
        return PageSection(id: "pseudo-labels", title: "Pseudo-labels", content: [.paragraph(text)] + leftOut + [content])
    }

    func timeSection(_ numbers: inout FigureNumbers) -> PageSection? {
        let runs = zip(comparison.names, comparison.runs)
        let rows = runs.compactMap { name, run -> [Markup]? in
            guard !run.steps.isEmpty else { return nil }
            let sums = run.steps.reduce(into: [0.0, 0, 0]) { sums, step in
                sums[0] += step.secondsCompute
                sums[1] += step.secondsWaitingData
                sums[2] += step.secondsWaitingMPI
            }
            let whole = sums.reduce(0, +), hidden = run.steps.compactMap(\.communicationHidden).last
            return [
                .text(Shown.name(name)), .text(Shown.duration(whole)), .text(whole > 0 ? Shown.number(1000 * whole / Double(max(run.step, 1))) : "–"),
            ]
                + sums.map { .text(Shown.percent(whole > 0 ? $0 / whole : nil)) } + [.text(Shown.percent(hidden))]
        }
        guard !rows.isEmpty else { return nil }
        let table = Table(
            caption:
                "Time on rank 0: all steps, a step in the mean, and the shares of the time in per cent; the last column is the part of the communication "
                + "that is hidden behind computing, in the last line of the log of a run with --timeline",
            head: ["run", "time", "ms per step", "computing", "waiting for data", "waiting for ranks", "hidden"], rows: rows
        ).markup
        let content = perRun { own in
            let drawn = [own.figure(.time), own.figure(.ranks)].compactMap { $0 }
            return drawn.isEmpty ? [] : [.grid(drawn.map { numbers.place($0) })]
        }
        let missing: [Markup] =
            figures.allSatisfy { $0.run.traces.isEmpty }
            ? [.paragraph("train --timeline records what every rank does; its figure would stand here.", style: "quiet")] : []
        return PageSection(id: "time", title: "Time and communication", content: [table] + leftOut + [content].compactMap { $0 } + missing)
    }
}
