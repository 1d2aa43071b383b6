import DetectionMetrics
import Diagnostics
import Foundation
import RunRecords
import TemporalAnnotations
import XCTest

final class RunFolderTests: XCTestCase {
    private var folder = RunFolder("")

    override func setUpWithError() throws {
        folder = RunFolder(NSTemporaryDirectory() + "kairos-run-\(UUID().uuidString)")
        for path in folder.subfolders { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }
    }
    override func tearDown() { try? FileManager.default.removeItem(atPath: folder.path) }

    private func touch(_ path: String) throws { try Data().write(to: URL(fileURLWithPath: path)) }

    func testPathsAndNames() {
        let run = RunFolder("runs/a")
        XCTAssertEqual(
            [run.configuration, run.log, run.metrics, run.predictions, run.checkpoints, run.pseudoLabels(round: 2), run.timeline(rank: 10)],
            [
                "runs/a/config.yaml", "runs/a/log.jsonl", "runs/a/metrics.json", "runs/a/predictions.json", "runs/a/checkpoints",
                "runs/a/pseudo_labels/round-2.json", "runs/a/timeline/rank-10.json",
            ])
        XCTAssertEqual(run.checkpoints(keep: 2).file(step: 600), "runs/a/checkpoints/step-00000600.h5")
        XCTAssertEqual(
            RunFolder.names,
            ["config.yaml", "log.jsonl", "metrics.json", "predictions.json", "truth.json", "checkpoints", "pseudo_labels", "timeline", "tensorboard"])
    }

    func testWhatIsThere() throws {
        XCTAssertFalse(folder.hasMetrics || folder.hasPredictions)
        XCTAssertEqual(folder.rounds + folder.recordedRanks + folder.checkpoints(keep: 1).steps, [])
        for name in ["round-10.json", "round-2.json", "round-x.json", "round-.json", "round-3.json.part", "notes.json"] {
            try touch("\(folder.pseudoLabels)/\(name)")
        }
        for name in ["step-00000010.h5", "step-100000000.h5", "step-10.h5", "step-00000011.h5.damaged"] { try touch("\(folder.checkpoints)/\(name)") }
        try touch(folder.timeline(rank: 1))
        try touch(folder.metrics)
        XCTAssertEqual(folder.rounds, [2, 10])
        XCTAssertEqual(folder.recordedRanks, [1])
        XCTAssertEqual(folder.checkpoints(keep: 1).steps, [10, 100_000_000])
        XCTAssertTrue(folder.hasMetrics)
        XCTAssertEqual(RunFolder("nowhere/\(UUID().uuidString)").rounds, [])
    }

    func testConfigurationMetricsAndPredictionsReadBack() throws {
        try folder.write(configuration: "data: {store: s.h5}\n")
        XCTAssertEqual(try folder.readConfiguration(), "data: {store: s.h5}\n")
        let result = EvaluationResult(
            tiouThresholds: [0.3, 0.5], mAP: [1.0 / 3, 0.1], averageMAP: 0.2, apPerClass: ["a/b": [0.25, 0]], recallAt: ["1x": [1, 0.5]])
        let json = try folder.write(metrics: result)
        XCTAssertEqual(try folder.readMetrics(), result)
        XCTAssertEqual(try String(contentsOfFile: folder.metrics, encoding: .utf8), json + "\n")
        let classes = ClassMap(names: ["a/b", "c"])
        let found = [Detection(video: "v", segment: Segment(start: 0.1, end: 1.0 / 3), label: 1, score: 0.7)]
        try folder.write(predictions: [("u", []), ("v", found)], classes: classes)
        XCTAssertEqual(try folder.readPredictions(classes: classes), found)
    }

    func testAFolderWithoutARunIsSaid() {
        let none = RunFolder("nowhere")
        XCTAssertThrowsError(try none.readConfiguration()) {
            XCTAssertEqual(
                "\($0)", "error: the run's configuration cannot be read\n  where: file 'nowhere/config.yaml'\n  do: give the folder of a run")
        }
        XCTAssertThrowsError(try none.readLog()) {
            XCTAssertEqual("\($0)", "error: the log cannot be read\n  where: file 'nowhere/log.jsonl'\n  do: check the path")
        }
        XCTAssertThrowsError(try none.readMetrics()) {
            XCTAssertEqual(
                "\($0)",
                "error: there is no such file\n  where: file 'nowhere/metrics.json'\n  do: give the folder of a run that has ended and was evaluated")
        }
    }

    // MARK: Timelines

    func testATimelineReadsBack() throws {
        var time: UInt64 = 1_000
        let timeline = Timeline(rank: 3, host: "node\"1", clock: { time })
        timeline.beginStep(1)
        timeline.during(.forward) {
            time += 2_000
            timeline.during(.activity(.readingFeatures)) { time += 500 }
        }
        let begin = time
        time += 4_000
        timeline.transferred(bucket: 2, round: "pieces", from: begin)
        timeline.endStep()
        try timeline.traceJSON().write(to: URL(fileURLWithPath: folder.timeline(rank: 3)))
        let trace = try folder.readTimeline(rank: 3)
        XCTAssertEqual(trace.rank, 3)
        XCTAssertEqual(trace.title, "rank 3 on node\"1")
        XCTAssertEqual(trace.events.map(\.name).first, "forward")
        XCTAssertEqual(trace.events.map(\.category), ["compute", "data"])
        XCTAssertEqual(trace.events.map(\.step), [1, 1])
        for (event, expected) in zip(trace.events, [(0.0, 2.5e-6), (2e-6, 0.5e-6)]) {
            XCTAssertEqual(event.begin, expected.0, accuracy: 1e-12)
            XCTAssertEqual(event.duration, expected.1, accuracy: 1e-12)
        }
        let transfer = try XCTUnwrap(trace.transfers.first)
        XCTAssertEqual(trace.transfers.count, 1)
        XCTAssertEqual(transfer.name, "bucket 2: pieces")
        XCTAssertEqual(transfer.step, 1)
        XCTAssertEqual(transfer.begin, 2.5e-6, accuracy: 1e-12)
        XCTAssertEqual(transfer.duration, 4e-6, accuracy: 1e-12)
    }

    func testWhatIsNoTimelineIsSaid() throws {
        for (text, what, line) in [
            ("\n{}", "the file is JSON, but has no list 'traceEvents'", 2),
            ("\n{\"traceEvents\": []}", "no event 'process_name' says which rank was recorded", 2),
            ("{\"traceEvents\": [\n{\"ph\": \"X\"}]}", "'name' of an event is missing or no string", 2),
            ("{\"traceEvents\": [\n\n{\"ph\": \"e\", \"id\": \"1\", \"name\": \"x\"}]}", "a transfer ends that has not begun", 3),
        ] {
            try Data(text.utf8).write(to: URL(fileURLWithPath: folder.timeline(rank: 0)))
            XCTAssertThrowsError(try folder.readTimeline(rank: 0), text) {
                XCTAssertEqual(
                    "\($0)",
                    "error: \(what)\n  where: file '\(folder.timeline(rank: 0))', line \(line)\n"
                        + "  do: give a file from the run's folder timeline, as it was written")
            }
        }
    }
}
