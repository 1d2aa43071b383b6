import DetectionMetrics
import Diagnostics
import Foundation
import Reports
import RunRecords
import TemporalAnnotations
import XCTest

#if canImport(FoundationXML)
    import FoundationXML
#endif

/// Pages and figures of runs whose names are made to break them.
final class ReportPageTests: XCTestCase {
    private var folder = ""
    private let names = ["<script>alert(1)</script>", "it's \"quoted\" & more", String(repeating: "long name ", count: 60), "\u{202E}turned"]

    override func setUpWithError() throws {
        folder = NSTemporaryDirectory() + "kairos-report-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }
    override func tearDown() { try? FileManager.default.removeItem(atPath: folder) }

    /// A run's folder as a run leaves it.
    private func makeRun(_ name: String, classes: [String], recordings: Int, seed: Int = 0, rate: Double = 0.1, rounds: Int = 0) throws -> ReportedRun
    {
        let run = RunFolder("\(folder)/\(name)")
        try FileManager.default.createDirectory(atPath: run.pseudoLabels, withIntermediateDirectories: true)
        try run.write(configuration: "data:\n  evaluation_subset: Test\ntraining:\n  seed: \(seed)\n  learning_rate: \(rate)\nmethod:\n  name: apl\n")
        let map = ClassMap(names: classes)
        let videos = (0..<recordings).map { number in
            VideoAnnotation(
                id: VideoID(number == 0 ? "<img src=x onerror=alert(2)>" : "recording \(number) \"q\""), subset: "Test", duration: 60, fps: nil,
                instances: (0..<4).map {
                    let start = Double($0) * 15 + Double(number % 3)
                    return ActionInstance(segment: Segment(start: start, end: start + 5), label: (number + $0) % classes.count)
                })
        }
        let found = videos.map { video in
            (
                video.id,
                video.instances.enumerated().map { place, own in
                    Detection(
                        video: video.id, segment: Segment(start: own.segment.start + Double(place) * 0.8, end: own.segment.end), label: own.label,
                        score: 0.9 - Double(place) * 0.1)
                }
            )
        }
        let log = try RunLog(path: run.log, cutBackTo: 0)
        for step in [10, 20, 30] {
            try log.append(
                StepRecord(
                    step: step, epoch: 1, stage: step < 30 ? "burn-in" : names[0], time: nil,
                    loss: ["total": step == 20 ? .nan : 1 / Double(step), "<b>": 1],
                    learningRate: rate, gradientNorm: 1, lossNormalizer: 1, videosPerSecond: 1, secondsCompute: 1, secondsWaitingData: 0.1,
                    secondsWaitingMPI: 0.2))
        }
        for (step, score) in [(10, 0.25), (30, 0.125)] {
            try log.append(
                note: ValidationRecord(
                    step: step, stage: "burn-in", tiouThresholds: [0.3, 0.5], mAP: [score + 0.1, score - 0.1], averageMAP: score,
                    bestAverageMAP: 0.25, bestStep: 10))
        }
        for round in 0..<rounds {
            try log.append(
                note: GuardRecord(
                    step: 30, stage: names[1], averageMAP: 0.125 + 0.25 * Double(round), bestAverageMAP: 0.375, isKept: round > 0))
            let labels = PseudoLabelFate.allCases.enumerated().map { number, fate in
                PseudoLabel(
                    video: videos[1].id, segment: Segment(start: Double(number) * 10, end: Double(number) * 10 + 4), label: number % classes.count,
                    score: 0.5, classScore: 0.6, tIoU: 0.7, tND: 0.1, similarity: nil, fate: fate)
            }
            let quality = PseudoLabelQuality(labels: labels, truth: videos)
            try log.append(
                note: PseudoLabelRoundRecord(step: 30, stage: "round \(round + 1)", labels: labels, theta: 0.5, quality: quality, previous: nil))
            try PseudoLabelFile(
                round: round + 1, labels: labels, thresholds: PseudoLabelThresholds(theta: 0.5), quality: quality,
                reliability: PseudoLabelReliability(labels: labels, truth: videos)
            ).write(classes: map, to: run.pseudoLabels(round: round + 1))
        }
        try log.close()
        try run.write(truth: AnnotationSet(version: "", classes: map, videos: videos))
        try run.write(predictions: found, classes: map)
        let evaluation = Evaluation(videos: videos, classes: map, thresholds: [0.3, 0.5, 0.7])
        _ = try run.write(metrics: evaluation.evaluate(found.flatMap { $0.1 }))
        return try ReportedRun(path: run.path)
    }

    private func requireWellFormed(_ text: String, line: UInt = #line) {
        let parser = XMLParser(data: Data(text.utf8))
        XCTAssertTrue(parser.parse(), "\(parser.parserError.map { "\($0)" } ?? "") at line \(parser.lineNumber)", line: line)
    }
    private func count(_ part: String, in text: String) -> Int { text.components(separatedBy: part).count - 1 }

    func testNamesStayText() throws {
        let run = try makeRun("run <&> 'one'", classes: names, recordings: 5, rounds: 2)
        XCTAssertEqual(run.notes, [])
        let page = RunReport([run]).html()
        requireWellFormed(page)
        XCTAssertEqual(count("<script>", in: page), 1)
        XCTAssertEqual(count("<img", in: page), 0)
        XCTAssertEqual(count("<b>", in: page), 0)
        XCTAssertEqual(count("\u{202E}", in: page), 0)
        XCTAssertTrue(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && page.contains("&lt;img src=x onerror=alert(2)&gt;"))
        XCTAssertTrue(page.contains("it&#39;s &quot;quoted&quot; &amp; more"))
        // Nothing is asked of a network.
        for word in ["http:", "https:", "src=\"", "url(", "@import"] { XCTAssertFalse(page.contains(word), word) }
        XCTAssertTrue(page.contains("default-src &#39;none&#39;"))
        for title in [
            "Summary", "Training", "Stages and rounds", "Average precision", "Proposals", "Confusion of classes", "Error analysis", "Recordings",
            "Pseudo-labels",
        ] {
            XCTAssertTrue(page.contains(">\(title)</h2>"), title)
        }
    }

    /// Evaluations while the run trained, and what held-out recordings said of rounds.
    func testEvaluationsWhileTheRunTrained() throws {
        let run = try makeRun("a", classes: ["a"], recordings: 4, rounds: 2)
        let page = RunReport([run]).html()
        XCTAssertTrue(page.contains(">mAP while training<"))
        XCTAssertTrue(page.contains("Guard: average mAP on held-out labelled recordings, in per cent</caption>"))
        let cells = ["12.5", "37.5", "undone", "37.5", "37.5", "kept"]
        let table = try XCTUnwrap(page.components(separatedBy: "Guard: average mAP").last?.components(separatedBy: "</table>").first)
        let found = table.components(separatedBy: "<td").dropFirst().compactMap { $0.components(separatedBy: ">").dropFirst().first }
            .map { $0.components(separatedBy: "<")[0] }.filter { cells.contains($0) }
        XCTAssertEqual(found, cells)
        let figure = try RunFigure.validation.svg(of: run)
        for name in ["average", "tIoU 0.3", "tIoU 0.5"] { XCTAssertTrue(figure.contains(">\(name)<"), name) }
    }

    /// For those who do not see the page: drawings with titles, tables with captions, one first heading.
    func testAccessibility() throws {
        let page = RunReport([try makeRun("a", classes: names, recordings: 5, rounds: 1)]).html()
        let drawings = count("<figure tabindex=\"0\" aria-labelledby=\"figure-", in: page)
        XCTAssertGreaterThan(drawings, 15)
        XCTAssertEqual(count("<figure", in: page), drawings)
        XCTAssertEqual(count("role=\"img\" aria-labelledby=\"figure-", in: page), drawings)
        XCTAssertEqual(count("<div class=\"tools\" role=\"group\" aria-label=\"", in: page), count("data-kind=\"timeline\"", in: page))
        XCTAssertEqual(count("<pre tabindex=\"0\" role=\"region\" aria-label=\"The whole configuration\">", in: page), 1)
        for number in 1...drawings { XCTAssertEqual(count("id=\"figure-\(number)\"", in: page), 1) }
        XCTAssertEqual(count("<table", in: page), count("<caption>", in: page))
        XCTAssertEqual(count("<h1>", in: page), 1)
        XCTAssertTrue(page.contains("<html lang=\"en\">"))
    }

    func testFiguresAlone() throws {
        let run = try makeRun("a", classes: names, recordings: 5, rounds: 2)
        for figure in RunFigure.allCases where figure != .ranks {
            let svg = try figure.svg(of: run)
            requireWellFormed(svg)
            XCTAssertTrue(svg.hasPrefix("<svg viewBox=") && svg.contains("xmlns=\"http://www.w3.org/2000/svg\""), figure.rawValue)
        }
        requireWellFormed(try RunFigure.precisionRecall.svg(of: run, className: names[0]))
        for figure in [RunFigure.timeline, .proposals] { requireWellFormed(try figure.svg(of: run, recording: "recording 2 \"q\"")) }
        func message(_ body: () throws -> String) -> String {
            do { return try body() } catch { return "\(error)" }
        }
        XCTAssertEqual(
            message { try RunFigure.timeline.svg(of: run, recording: "recording 2 q") },
            "error: the run has no recording 'recording 2 q'; did you mean 'recording 2 \"q\"'?\n  where: key '--recording'\n"
                + "  do: give one such as '<img src=x onerror=alert(2)>'")
        XCTAssertEqual(
            message { try RunFigure.proposals.svg(of: run, recording: "recording 9") },
            "error: the run has no evaluated recording 'recording 9'; did you mean 'recording 1 \"q\"'?\n  where: key '--recording'\n"
                + "  do: give one such as '<img src=x onerror=alert(2)>'")
        XCTAssertEqual(
            message { try RunFigure.ranks.svg(of: run) },
            "error: the run has nothing to draw as 'ranks'\n  where: file '\(folder)/a'\n"
                + "  do: choose another figure, or a run that has a timeline (train --timeline)")
    }

    /// Of the four detections of a recording of the made runs, the first has a tIoU of 1, the others 0.84, 0.68 and 0.52.
    func testProposals() throws {
        let runs = try ["one", "two"].map { try makeRun($0, classes: ["a", "b"], recordings: 4) }
        let page = RunReport([runs[0]]).html()
        let table = try XCTUnwrap(page.components(separatedBy: "Average recall at so many").last?.components(separatedBy: "</table>").first)
        let cells = table.components(separatedBy: "<td").dropFirst().compactMap { $0.components(separatedBy: ">").dropFirst().first }
            .map { $0.components(separatedBy: "<")[0] }
        // At the last number (all four detections): thresholds 0.5, 0.55 to 0.65, 0.7 to 0.8 and 0.85 to 0.95 are met by 4, 3, 2 and 1 of 4.
        XCTAssertEqual(cells.dropLast().last, "55.0")
        let map = try RunFigure.proposals.svg(of: runs[0], recording: "recording 1 \"q\"")
        XCTAssertEqual(count("<rect class=\"cell\"", in: map), 4 + 1)
        XCTAssertEqual(count("<circle", in: map), 4)
        XCTAssertTrue(map.contains("<title>action, 1 to 6 s</title>") && map.contains(" s: score 0.9</title>"))
        let both = RunReport(runs).html()
        XCTAssertTrue(both.contains("ActivityNet computes it). A line per run."))
        XCTAssertEqual(count(">Proposals of recording 1 &quot;q&quot;</", in: both), count(">Proposals of recording 1 &quot;q&quot;</", in: page) * 2)
    }

    func testSeveralRuns() throws {
        let runs = [
            try makeRun("base", classes: ["a", "b"], recordings: 4), try makeRun("s0", classes: ["a", "b"], recordings: 4, seed: 0, rate: 0.2),
            try makeRun("s1", classes: ["a", "b"], recordings: 4, seed: 1, rate: 0.2),
        ]
        let comparison = RunComparison(runs)
        XCTAssertEqual(comparison.groups, [[0], [1, 2]])
        XCTAssertEqual(comparison.differences.map(\.key), ["training.seed", "training.learning_rate"])
        XCTAssertEqual(comparison.differences[1].values, ["0.1", "0.2", "0.2"])
        let page = RunReport(runs).html()
        requireWellFormed(page)
        XCTAssertTrue(page.contains("s0 and 1 more seed"))
        XCTAssertTrue(page.contains("Over seeds: mean ± standard deviation"))
        XCTAssertTrue(page.contains("<td>0.2</td>"))
    }

    /// A page of a big run stays bounded, and says what it leaves out.
    func testBigRuns() throws {
        let run = try makeRun("big", classes: (0..<60).map { "class \($0)" }, recordings: 400)
        let page = RunReport([run]).html()
        XCTAssertTrue(page.contains("The 12 classes with the most actions, of 60."))
        XCTAssertTrue(page.contains("8 of 400 evaluated recordings are drawn"))
        XCTAssertTrue(page.contains("30 classes with less confusion are not shown."))
        XCTAssertLessThan(page.utf8.count, 400_000)
    }

    func testARunThatHasOnlyBegun() throws {
        let path = folder + "/begun"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        XCTAssertThrowsError(try ReportedRun(path: path)) {
            XCTAssertEqual(
                "\($0)", "error: the run's configuration cannot be read\n  where: file '\(path)/config.yaml'\n  do: give the folder of a run")
        }
        try RunFolder(path).write(configuration: "method:\n  name: \"a\"\n")
        let run = try ReportedRun(path: path)
        XCTAssertEqual(
            run.notes,
            [
                "the run has no lines in its log: no curves",
                "the run has no metrics: it has not ended yet, or its evaluation had no ground truth",
                "the run has left no \(path)/truth.json: give the ground truth with --annotations to see errors and timelines",
            ])
        let page = RunReport([run]).html()
        requireWellFormed(page)
        XCTAssertTrue(page.contains("no lines in its log"))
        XCTAssertEqual(count("<figure", in: page), 0)
    }

    func testGivenAnnotationsWithoutTheSubset() throws {
        _ = try makeRun("a", classes: ["a"], recordings: 2)
        let other = AnnotationSet(
            version: "", classes: ClassMap(names: ["a"]), videos: [VideoAnnotation(id: "x", subset: "Train", duration: 1, fps: nil, instances: [])])
        try other.write(to: folder + "/other.json")
        XCTAssertThrowsError(try ReportedRun(path: folder + "/a", annotations: folder + "/other.json")) {
            XCTAssertEqual(
                "\($0)",
                "error: the annotations hold no video of subset 'Test'; they hold 'Train'\n  where: file '\(self.folder)/other.json'\n"
                    + "  do: choose one of the subsets there are")
        }
    }
}
