import DetectionMetrics
import TemporalAnnotations

/// Detections as proposals: whatever their class.
extension RunFigures {
    /// tIoU of ActivityNet's proposal task.
    static let proposalThresholds = (0..<10).map { 0.5 + 0.05 * Double($0) }
    /// The largest average number of proposals per recording (ActivityNet's).
    static let mostProposals = 100.0

    /// AR over AN as ActivityNet computes it; nil without truth or detections.
    var proposalRecall: ProposalRecall? {
        guard let videos = run.evaluated, let detections = run.detections, !detections.isEmpty else { return nil }
        return ProposalRecall(videos: videos, proposals: detections, largest: Self.mostProposals, thresholds: Self.proposalThresholds)
    }

    /// The mean over tIoU, and some of its parts.
    static func averageRecall(_ recall: ProposalRecall) -> Figure {
        func points(_ values: [Double]) -> [(x: Double, y: Double)] { zip(recall.averageNumbers, values).map { ($0, 100 * $1) } }
        let parts = [0, 4, 8].map { place in
            LineChart.Series(name: "tIoU \(Shown.number(proposalThresholds[place]))", points: points(recall.recall[place]))
        }
        return recallChart(
            [.init(name: "AR (area \(Shown.percent(recall.area)))", points: points(recall.averageRecall))] + parts, of: "")
    }

    /// - Parameters:
    ///   - series: recall in per cent over average numbers.
    ///   - subject: what else the description says.
    static func recallChart(_ series: [LineChart.Series], of subject: String) -> Figure {
        LineChart(
            title: "Recall of proposals",
            description: "Average recall, whatever the class, over the average number of detections per recording (AR@AN, tIoU 0.5:0.05:0.95, as "
                + "ActivityNet computes it).\(subject)",
            xName: "detections per recording (AN)", yName: "recall (%)", series: series, yRange: 0...100
        ).figure
    }

    /// Where a recording's detections begin and how long they are; nil without detections, or where the recording is not evaluated.
    ///
    /// - Parameter name: of the recording; nil: the first that has an action.
    func proposalMap(_ name: String?) -> Figure? {
        guard let videos = run.evaluated, let detections = run.detections,
            let video = name.map({ name in videos.first { $0.id.name == name } }) ?? videos.first(where: { !$0.instances.isEmpty })
        else { return nil }
        return ProposalMap(video: video, detections: detections.filter { $0.video == video.id }).figure
    }
}

/// The detections of one recording by where they begin and how long they are, each cell as full as its best score: what a boundary-matching network's
/// map has left after suppression (Lin et al., BMN, ICCV 2019, Fig. 2).
struct ProposalMap {
    var video: VideoAnnotation
    /// Of this recording.
    var detections: [Detection]

    private static let width = 560.0
    private static let height = 340.0
    private static let columns = 80
    private static let rows = 40

    var figure: Figure {
        let known = detections.filter { $0.segment.start.isFinite && $0.segment.end.isFinite && $0.score.isFinite && $0.segment.length > 0 }
        let lengths = known.map(\.segment.length) + video.instances.map(\.segment.length)
        let end = max(video.duration, known.map(\.segment.start).max() ?? 0, 1e-3), longest = max(lengths.max() ?? 0, 1e-3)
        let title = "Proposals of \(video.id.name)"
        let legend = Legend(
            [.init(name: "best score", style: "cell"), .init(name: "action", style: "action")], x: 12, top: 28, width: Self.width - 24)
        let xTicks = Ticks.round(0, end, about: 6), yTicks = Ticks.round(0, longest, about: 5)
        let frame = Frame(
            left: 14 + (yTicks.map { Shown.width(of: Shown.number($0), size: 11) }.max() ?? 0), right: Self.width - 24, top: 50 + legend.height,
            bottom: Self.height - 42, x: 0...end, y: 0...max(yTicks.last ?? longest, longest))
        var content = [Draw.name(title, x: 12, y: 18, width: Self.width - 24, style: "title", size: 14)] + legend.content
        content += frame.axes(xTicks: xTicks, yTicks: yTicks, xName: "start (s)", yName: "length (s)")
        content += cells(known, in: frame)
        content += video.instances.filter { $0.segment.start.isFinite && $0.segment.length > 0 && $0.segment.start <= end }.map { action in
            .tag(
                "circle",
                [
                    "class": "action", "cx": Shown.place(frame.placeX(max(action.segment.start, 0))),
                    "cy": Shown.place(frame.placeY(action.segment.length)), "r": "3",
                ],
                [.tag("title", text: "action, \(Shown.number(action.segment.start)) to \(Shown.number(action.segment.end)) s")])
        }
        if known.isEmpty {
            content.append(
                Draw.text("no detections", x: (frame.left + frame.right) / 2, y: (frame.top + frame.bottom) / 2, .middle, style: "tick"))
        }
        return Figure(
            title: title,
            description:
                "Detections of the recording by start and length, whatever their class, each cell filled by its best score; circles are actions.",
            width: Self.width, height: Self.height, content: content)
    }

    private func cells(_ detections: [Detection], in frame: Frame) -> [Markup] {
        let most = detections.map(\.score).max() ?? 0
        guard most > 0 else { return [] }
        func place(_ value: Double, _ range: ClosedRange<Double>, _ count: Int) -> Int {
            min(max(Int((value - range.lowerBound) / (range.upperBound - range.lowerBound) * Double(count)), 0), count - 1)
        }
        var best: [Int: Detection] = [:]
        for one in detections {
            let cell = place(one.segment.length, frame.y, Self.rows) * Self.columns + place(one.segment.start, frame.x, Self.columns)
            if one.score > best[cell]?.score ?? 0 { best[cell] = one }
        }
        let width = (frame.right - frame.left) / Double(Self.columns), height = (frame.bottom - frame.top) / Double(Self.rows)
        return best.sorted { $0.key < $1.key }.map { cell, one in
            Draw.box(
                frame.left + Double(cell % Self.columns) * width, frame.bottom - Double(cell / Self.columns + 1) * height, width, height,
                style: "cell",
                tip: "\(Shown.number(one.segment.start)) to \(Shown.number(one.segment.end)) s: score \(Shown.number(one.score))",
                opacity: Palette.greatestHeat * one.score / most)
        }
    }
}
