import ActionDetection
import Checkpoints
import Collectives
import Diagnostics
import FeatureStore
import Foundation
import NeuralNetworks
import RunRecords
import StandardRegistry
import TemporalAnnotations
import TestSupport
import Training
import TrainingMethods
import XCTest

/// Detection in folders of feature files.
final class FolderDetectionTests: FolderTestCase {
    private static let yaml = """
        data: {store: nowhere.h5}
        model:
          {backbone_arch: [1, 1, 1], n_mha_win_size: 5, n_head: 2, embd_dim: 8, fpn_dim: 8, head_dim: 8, regression_range: [[0, 4], [4, 10000]]}
        training: {iterations: 2, threads: 1, cls_prior_prob: 0.3}
        test: {max_seg_num: 300}
        """

    override func setUpWithError() throws {
        try super.setUpWithError()
        try FileManager.default.createDirectory(atPath: path("new"), withIntermediateDirectories: true)
        try writeCheckpoint(rate: Self.rate)
    }

    private static let rate = FeatureRate(
        secondsPerRow: .init(least: 0.5, median: 0.5, greatest: 0.5), secondsPerWindow: .init(least: 1, median: 1, greatest: 1), framesPerRow: 15,
        framesPerWindow: 30)

    private func writeCheckpoint(rate: FeatureRate?) throws {
        let configuration = try RunConfiguration(yaml: Self.yaml, file: "run.yaml", registry: .standard)
        let detector = try configuration.detector(inputDimension: 4, classes: 3)
        detector.initializeParameters(seed: 3)
        let state = TrainingState(arena: ParameterArena(detector), weightDecay: 0, emaDecay: 0.9, initialLossNormalizer: 1)
        let header = Checkpoint.Header(
            programVersion: "0.1.0", step: 5, optimizerStep: 5, seed: 0, lossNormalizer: 1, configuration: configuration.canonicalYAML,
            configurationDigest: configuration.digest, storeDigest: "elsewhere", classes: ["run", "jump", "a \"b\", c"], inputDimension: 4,
            featureRate: rate)
        try Checkpoint.write(state, header: header, to: path("c.h5"))
    }

    /// Recordings as a store and as files.
    private func write(_ rows: [String: Int]) throws {
        var features = MemoryFeatures()
        for (name, count) in rows.sorted(by: { $0.key < $1.key }) { features.add(name, rows: count, stride: 15, window: 30) }
        try FeatureStoreWriter().write(features, to: path("s.h5"))
        for (index, video) in features.videos.enumerated() {
            var values = [Float](repeating: 0, count: video.rows * 4)
            try features.readRows(ofVideo: index, into: &values)
            try numpyArray(values, columns: 4).write(to: URL(fileURLWithPath: path("new/\(video.annotation.id).npy")))
        }
    }

    private func open(_ change: (inout FolderDetection.Options) -> Void = { _ in }, _ overrides: [String] = []) throws -> FolderDetection {
        var options = FolderDetection.Options()
        options.folders = [path("new")]
        change(&options)
        return try FolderDetection(checkpoint: path("c.h5"), options: options, weights: .current, overrides: overrides, registry: .standard)
    }

    @discardableResult
    private func run(
        _ detection: FolderDetection, _ output: String = "p.json", restart: Bool = false, note: (String) -> Void = { _ in }
    ) throws -> FolderDetection.Outcome {
        let outcome = try detection.run(output: path(output), restart: restart, communicator: try Communicator.world(), note: note)
        return try XCTUnwrap(outcome)
    }

    private func file(_ name: String) throws -> String { try String(contentsOfFile: path(name), encoding: .utf8) }

    private let classes = ClassMap(names: ["run", "jump", "a \"b\", c"])

    // MARK: Detections

    /// Files and a store with the same rows give the same bits, in the same order.
    func testEqualsDetectionInAStore() throws {
        try write(["b": 40, "a \"1\", é": 1, "c": 33])
        let store = try TrainedDetector(checkpoint: path("c.h5"), store: path("s.h5"), weights: .current, registry: .standard)
        let found = try XCTUnwrap(store.detect(videos: [0, 1, 2], communicator: try Communicator.world()))
        XCTAssertFalse(found[1].detections.isEmpty)
        let detection = try open()
        XCTAssertEqual(
            detection.notes,
            [
                "the rows are taken to be 0.5 s apart, each of 1 s, as in the training; where they are not, give --fps, --feature-stride and --window"
            ])
        let outcome = try run(detection)
        XCTAssertEqual(try file("p.json"), String(decoding: try DetectionFile.json(found, classes: store.classes), as: UTF8.self))
        XCTAssertEqual(outcome.videos, 3)
        XCTAssertEqual(outcome.detections, found.reduce(0) { $0 + $1.detections.count })
        XCTAssertEqual([outcome.continued, outcome.inPieces, outcome.resampled], [0, 0, 0])
        XCTAssertFalse(FileManager.default.fileExists(atPath: path("p.json.progress")))
        // The same rate in frames.
        try run(try open { $0.fps = 30 }, "q.json")
        XCTAssertEqual(try file("q.json"), try file("p.json"))
        try run(try open { ($0.fps, $0.stride, $0.window) = (60, 30, 60) }, "r.json")
        XCTAssertEqual(try file("r.json"), try file("p.json"))
    }

    func testCSVAndSelection() throws {
        try write(["b": 40, "a \"1\", é": 30])
        try run(try open())
        try run(
            try open {
                $0.selection.topK = 3
                $0.selection.minScore = 0.05
            }, "p.csv")
        let expected = try DetectionFile.read(path("p.json"), classes: classes)
        var lines = ["video,label,start,end,score"]
        for video in [VideoID("a \"1\", é"), "b"] {
            for one in expected.filter({ $0.video == video && $0.score >= 0.05 }).prefix(3) {
                let names = [video == "b" ? "b" : "\"a \"\"1\"\", é\"", one.label == 2 ? "\"a \"\"b\"\", c\"" : classes.names[one.label]]
                lines.append((names + [one.segment.start, one.segment.end, one.score].map { "\($0)" }).joined(separator: ","))
            }
        }
        XCTAssertEqual(lines.count, 7)
        XCTAssertEqual(try file("p.csv"), lines.joined(separator: "\n") + "\n")
    }

    /// Pieces find what the whole finds, but for the last bits of products and of float32 positions, and what these decide.
    func testPiecesEqualTheWhole() throws {
        for (name, rows) in [("long", 3_000), ("short", 700)] {
            let values = (0..<rows * 4).map { (place: Int) -> Float in
                let mixed = (place * 7919 + place * place / 12 * 104_729) % 10_007
                return Float(mixed) / 10_007
            }
            try numpyArray(values, columns: 4).write(to: URL(fileURLWithPath: path("new/\(name).npy")))
        }
        var overrides = ["test.pre_nms_topk=100000", "test.max_seg_num=100000", "test.min_score=0.05"]
        func detections(_ change: (inout FolderDetection.Options) -> Void = { _ in }) throws -> (list: [Detection], outcome: FolderDetection.Outcome)
        {
            let outcome = try run(try open(change, overrides))
            return (try DetectionFile.read(path("p.json"), classes: classes), outcome)
        }
        /// How many of some detections others have too.
        func shared(_ some: [Detection], _ others: [Detection]) -> Int {
            let byLabel = Dictionary(grouping: others, by: \.label)
            return some.count { one in
                (byLabel[one.label] ?? []).contains { (other: Detection) -> Bool in
                    guard other.video == one.video, abs(other.score - one.score) < 1e-4 else { return false }
                    return abs(other.segment.start - one.segment.start) < 1e-3 && abs(other.segment.end - one.segment.end) < 1e-3
                }
            }
        }
        // Rows as they are, and at twice the training's distance, brought to it piece by piece.
        let rates: [(inout FolderDetection.Options) -> Void] = [
            { _ in }, { ($0.fps, $0.stride, $0.window, $0.resampling) = (30, 30, 30, true) },
        ]
        // Before suppression all are the same; Soft-NMS over scores that first weights hardly tell apart follows their last bits.
        for (method, share) in [("none", 0.999), ("soft", 0.95)] {
            overrides.append("test.nms_method=\(method)")
            for rate in rates {
                let whole = try detections(rate)
                let pieces = try detections {
                    rate(&$0)
                    $0.pieceRows = 1024
                }
                XCTAssertEqual(whole.outcome.inPieces, 0)
                XCTAssertEqual(pieces.outcome.inPieces, pieces.outcome.resampled > 0 ? 2 : 1)
                XCTAssertGreaterThan(whole.list.count, 500)
                let (one, other) = (Double(shared(whole.list, pieces.list)), Double(shared(pieces.list, whole.list)))
                XCTAssertGreaterThan(one, share * Double(whole.list.count), "\(method): of \(whole.list.count)")
                XCTAssertGreaterThan(other, share * Double(pieces.list.count), "\(method): of \(pieces.list.count)")
            }
        }
    }

    // MARK: Progress

    /// A detection that a fault ended goes on behind what it had done, to the same bytes; a file that changed since is detected again.
    func testContinuesBehindAFault() throws {
        let names = (0..<40).map { String(format: "v%02d", $0) }
        try write(Dictionary(uniqueKeysWithValues: names.map { ($0, 30) }))
        try run(try open(), "whole.json")
        let bad = path("new/v35.npy"), good = try Data(contentsOf: URL(fileURLWithPath: bad))
        try numpyArray([Float](repeating: 1, count: 119) + [.nan], columns: 4).write(to: URL(fileURLWithPath: bad))
        assertFailure(
            """
            error: row 29 of the features holds NaN
              where: file 'FOLDER/new/v35.npy', video 'v35'
              do: extract the features of this recording again, without NaN and infinity
            """
        ) { try run(try open()) }
        XCTAssertFalse(FileManager.default.fileExists(atPath: path("p.json")))
        // Cut off while a line was written.
        let progress = try XCTUnwrap(FileHandle(forWritingAtPath: path("p.json.progress")))
        try progress.seekToEnd()
        try progress.write(contentsOf: Data("{\"video\": \"v3".utf8))
        try progress.close()
        try good.write(to: URL(fileURLWithPath: bad))
        assertFailure(
            """
            error: an unfinished detection lies there that differs in: --top-k
              where: file 'FOLDER/p.json.progress'
              do: give what it was started with to continue it, or --restart to begin again
            """, kind: .wrongUsage
        ) { try run(try open { $0.selection.topK = 3 }) }
        // Of the recordings that are done, one has changed.
        let other = URL(fileURLWithPath: path("new/v03.npy")), before = try Data(contentsOf: other)
        try numpyArray([Float](repeating: 1, count: 80), columns: 4).write(to: other)
        try before.write(to: other)
        var said: [String] = []
        let outcome = try run(try open()) { said.append($0) }
        XCTAssertEqual(outcome.continued, 31)
        XCTAssertEqual(said, ["31 of 40 recordings were done before; the others follow"])
        XCTAssertEqual(try file("p.json"), try file("whole.json"))
        XCTAssertFalse(FileManager.default.fileExists(atPath: path("p.json.progress")))
    }

    func testForeignAndDamagedProgress() throws {
        try write(["a": 30])
        let place = URL(fileURLWithPath: path("p.json.progress"))
        try Data("{\"a\": 1}\n".utf8).write(to: place)
        assertFailure(
            """
            error: this is not the progress of a detection
              where: file 'FOLDER/p.json.progress'
              do: choose another --output, or remove the file
            """, kind: .wrongUsage
        ) { try run(try open()) }
        try Data("nonsense\n".utf8).write(to: place)
        assertFailure(
            """
            error: the progress of the detection is damaged
              where: file 'FOLDER/p.json.progress'
              do: begin again with --restart
            """
        ) { try run(try open()) }
        XCTAssertEqual(try run(try open(), restart: true).continued, 0)
        XCTAssertFalse(FileManager.default.fileExists(atPath: place.path))
    }

    // MARK: Rate

    func testRatesThatAreNotKnown() throws {
        try write(["a": 30])
        assertFailure(
            """
            error: --window was given without --fps
              do: give the frames per second too: --window counts frames
            """, kind: .wrongUsage
        ) { try open { $0.window = 16 } }
        assertFailure(
            """
            error: the rows of 1 of 1 videos are 0.6 s apart, the model was trained on rows 0.5 s apart
              where: file 'FOLDER/new', file 'FOLDER/c.h5', video 'a'
              do: use features of the training's extractor settings, or add --resample to interpolate the rows to 0.5 s apart
            """
        ) { try open { $0.fps = 25 } }
        try writeCheckpoint(rate: nil)
        assertFailure(
            """
            error: the checkpoint, written by kairos 0.1.0, does not record how far apart the rows of its training were
              where: file 'FOLDER/c.h5'
              do: give --fps, --feature-stride and --window
            """, kind: .wrongUsage
        ) { try open() }
        var rate = Self.rate
        rate.framesPerRow = nil
        try writeCheckpoint(rate: rate)
        assertFailure(
            """
            error: the checkpoint, written by kairos 0.1.0, does not record the frames between the rows of its training and under them, or they differed
              where: file 'FOLDER/c.h5'
              do: give --feature-stride and --window with --fps
            """, kind: .wrongUsage
        ) { try open { $0.fps = 30 } }
        rate.secondsPerRow.greatest = 0.6
        try writeCheckpoint(rate: rate)
        assertFailure(
            """
            error: the rows of the training were 0.5 to 0.6 s apart: which of these the new ones are is not known
              where: file 'FOLDER/c.h5'
              do: give the frames per second with --fps
            """, kind: .wrongUsage
        ) { try open() }
        rate.rowsPerVideo = 100
        try writeCheckpoint(rate: rate)
        assertFailure(
            """
            error: the model was trained on 100 rows per video, whatever its length: such rows do not tell times
              where: file 'FOLDER/c.h5'
              do: give features at a fixed rate with --fps, --feature-stride, --window and --resample, or import them with the videos' durations \
            (--annotations, --rows-span-video) and detect on the store
            """, kind: .wrongUsage
        ) { try open() }
        let outcome = try run(try open { ($0.fps, $0.stride, $0.window, $0.resampling) = (30, 15, 30, true) })
        XCTAssertEqual(outcome.resampled, 1)
    }

    func testOtherColumnsAreRefused() throws {
        try numpyArray([1, 2, 3, 4, 5, 6], columns: 3).write(to: URL(fileURLWithPath: path("new/a.npy")))
        assertFailure(
            """
            error: the rows have 3 columns, the model was trained on 4
              where: file 'FOLDER/new', file 'FOLDER/c.h5'
              do: use features of the network that the training's were extracted with; several folders are joined by --features A,B
            """
        ) { try open() }
    }
}
