import Autograd
import Collectives
import Detectors
import Diagnostics
import FeatureStore
import Foundation
import RandomStreams
import Sampling
import StandardRegistry
import TemporalAnnotations
import TestSupport
import Training
import TrainingMethods
import TrainingReview
import XCTest

/// Actions that can never be positive are counted before the first step; a run that can learn none is refused.
final class LearnableActionsTests: XCTestCase {
    private var folder = ""

    override func setUpWithError() throws {
        folder = NSTemporaryDirectory() + "/kairos-learnable-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }
    override func tearDown() { try? FileManager.default.removeItem(atPath: folder) }

    private func configuration(_ overrides: [String]) throws -> RunConfiguration {
        try RunConfiguration(
            yaml: """
                data: {store: "\(folder)/s.h5", virtual_shards: 1, batch_size: 1, evaluation_subset: null}
                model: {backbone_arch: [1, 0, 2], embd_dim: 16, fpn_dim: 16, head_dim: 8, regression_range: [[0, 4], [4, 8], [8, 10000]]}
                training: {iterations: 5, threads: 1}
                """, file: "run.yaml", overrides: overrides)
    }

    private func run(_ recordings: MadeRecordings, _ overrides: [String] = []) throws -> TrainingRun {
        _ = try recordings.store(folder + "/s.h5")
        return try TrainingRun(
            try configuration(overrides), folder: "\(folder)/run", resume: false, communicator: try Communicator.world())
    }

    private func refused(_ recordings: MadeRecordings, _ overrides: [String], _ expected: String, line: UInt = #line) {
        XCTAssertThrowsError(try run(recordings, overrides), line: line) { error in
            XCTAssertEqual((error as? Failure)?.exitCode, 3, line: line)
            XCTAssertEqual("\(error)".replacingOccurrences(of: folder, with: "FOLDER"), expected, line: line)
        }
        XCTAssertFalse(FileManager.default.fileExists(atPath: folder + "/run"), "nothing is left", line: line)
    }

    private func warnings(_ recordings: MadeRecordings, _ overrides: [String] = []) throws -> [String] {
        try? FileManager.default.removeItem(atPath: folder + "/run")
        return try run(recordings, overrides).notes.filter { $0.contains("can never be positive") || $0.contains("reaches") }
    }

    /// One recording of rows half a second apart, of which row i stands at 0.5 + i / 2 s.
    private func one(_ actions: [(start: Double, end: Double, label: Int)], rows: Int = 120) -> MadeRecordings {
        var made = MadeRecordings()
        made.add("v", duration: 0.5 * Double(rows) + 0.5, rows: rows, actions: actions)
        return made
    }

    func testWindowLongerThanTheRecordings() {
        var made = MadeRecordings()
        for i in 0..<3 {
            made.add("c\(i)", duration: 1.6, rows: 8, fps: 5, stride: 1, window: 64, actions: [(0.2, 1.1, 0), (1.2, 1.5, 1)])
        }
        refused(
            made, [],
            """
            error: there is nothing to learn: none of the 6 labelled actions can ever be positive: they lie where no row stands, for example 'run' \
            at [0.2, 1.1] s of 'c0': its 8 rows stand at 6.4 to 7.8 s
              where: file 'FOLDER/s.h5', video 'c0'
              do: import the features again with the stride, window and fps that they were extracted with
            """)
    }

    func testActionsShorterThanARow() {
        refused(
            one([(2.1, 2.4, 0), (7.1, 7.4, 1)]), [],
            """
            error: there is nothing to learn: none of the 2 labelled actions can ever be positive: they lie between two rows, for example 'run' at \
            [2.1, 2.4] s of 'v': it is 0.3 s long, rows stand 0.5 s apart
              where: file 'FOLDER/s.h5', video 'v'
              do: use features of a smaller stride
            """)
    }

    func testCropsDropLongActions() {
        let long = one([(10, 40, 0)])
        refused(
            long, ["data.max_rows=16"],
            """
            error: there is nothing to learn: none of the 1 labelled actions can ever be positive: it is dropped by every crop, 'run' at [10, 40] \
            s of 'v': it is 60 rows long, a crop of 16 rows sees at most 18 of them, less than 0.5 of the action
              where: file 'FOLDER/s.h5', key 'data.max_rows', video 'v'
              do: raise data.max_rows, or lower data.trunc_thresh
            """)
        refused(
            long, ["data.crop_ratio=[0.1, 0.2]"],
            """
            error: there is nothing to learn: none of the 1 labelled actions can ever be positive: it is dropped by every crop, 'run' at [10, 40] \
            s of 'v': it is 60 rows long, a crop of 24 rows sees at most 26 of them, less than 0.5 of the action
              where: file 'FOLDER/s.h5', key 'data.crop_ratio', video 'v'
              do: raise data.crop_ratio, or lower data.trunc_thresh
            """)
        for settings in [["data.max_rows=16", "data.trunc_thresh=0.3"], ["data.max_rows=28"], ["data.crop_ratio=[0.1, 0.3]"], []] {
            XCTAssertNoThrow(XCTAssertEqual(try warnings(long, settings), [], "\(settings)"))
        }
    }

    func testCropsThatKeepAnActionButNoPoint() {
        // Cut to at most 22 rows, of which the ends lie 11 rows and more from every point.
        refused(
            one([(10, 25, 0)]), ["data.max_rows=20", "model.regression_range=[[14, 30], [14, 30], [14, 30]]", "training.center_sample_radius=0.5"],
            """
            error: there is nothing to learn: none of the 1 labelled actions can ever be positive: it has no positive point in any crop, 'run' at \
            [10, 25] s of 'v': it is 30 rows long, crops have at most 20 rows
              where: file 'FOLDER/s.h5', key 'data.max_rows', video 'v'
              do: raise data.max_rows
            """)
    }

    func testRegressionRanges() {
        let middle = one([(10.2, 15.2, 0)])
        refused(
            middle, ["model.regression_range=[[0, 4], [16, 32], [32, 10000]]"],
            """
            error: there is nothing to learn: none of the 1 labelled actions can ever be positive: it has a length that no pyramid level is \
            responsible for, 'run' at [10.2, 15.2] s of 'v': it is 10 rows long, so its points lie 5 to 10 rows from its farther end
              where: file 'FOLDER/s.h5', key 'model.regression_range', video 'v'
              do: widen model.regression_range until a level covers such lengths
            """)
        let single = ["model.backbone_arch=[1, 0, 0]", "model.regression_range=[[0, 4]]"]
        for settings in [single, single + ["model.name=tridet", "model.num_bins=30"]] {
            refused(
                middle, settings,
                """
                error: there is nothing to learn: none of the 1 labelled actions can ever be positive: it has a length that no pyramid level is \
                responsible for, 'run' at [10.2, 15.2] s of 'v': it is 10 rows long, so its points lie 5 to 10 rows from its farther end
                  where: file 'FOLDER/s.h5', key 'model.regression_range', video 'v'
                  do: widen model.regression_range until a level covers such lengths
                """)
        }
    }

    func testLevelsTooCoarse() {
        // 3.1 rows between the third level's points at rows 4 and 8.
        refused(
            one([(2.6, 4.15, 0)]), ["model.regression_range=[[1000, 2000], [1000, 2000], [0, 1000]]", "training.center_sample=none"],
            """
            error: there is nothing to learn: none of the 1 labelled actions can ever be positive: it has no point of the levels responsible for \
            its length, 'run' at [2.6, 4.15] s of 'v': it is 3.1 rows long, the points of these levels stand 4 rows apart or more
              where: file 'FOLDER/s.h5', key 'model.regression_range', video 'v'
              do: let finer levels cover such lengths in model.regression_range
            """)
    }

    func testCentreSampling() {
        refused(
            one([(2.2, 4, 1)]), ["training.center_sample_radius=0.05"],
            """
            error: there is nothing to learn: none of the 1 labelled actions can ever be positive: it has no point near enough its centre, 'jump' \
            at [2.2, 4] s of 'v': it is 3.6 rows long, points stand 1 rows apart and count up to 0.05 of that from the centre
              where: file 'FOLDER/s.h5', key 'training.center_sample_radius', video 'v'
              do: raise training.center_sample_radius, or set training.center_sample to none
            """)
    }

    func testBins() throws {
        let triDet = ["model.name=tridet", "model.regression_range=[[0, 10000], [9000, 10000], [9000, 10000]]"]
        refused(
            one([(10, 30, 0)]), triDet + ["model.num_bins=4"],
            """
            error: there is nothing to learn: none of the 1 labelled actions can ever be positive: it has ends that no point in it reaches, 'run' \
            at [10, 30] s of 'v': it is 40 rows long, with 4 bins the tIoU of a prediction is at most 0.2
              where: file 'FOLDER/s.h5', key 'model.num_bins', video 'v'
              do: raise model.num_bins, or set model.use_trident_head to false
            """)
        XCTAssertEqual(
            try warnings(one([(10, 30, 0), (35, 37, 1)]), triDet + ["model.num_bins=12"]),
            [
                "warning: 1 of the 2 labelled actions has ends that no point in it reaches, 'run' at [10, 30] s of 'v': it is 40 rows long, "
                    + "with 12 bins "
                    + "the tIoU of a prediction is at most 0.6; raise model.num_bins, or set model.use_trident_head to false"
            ])
        XCTAssertEqual(try warnings(one([(10, 30, 0)]), triDet + ["model.num_bins=20"]), [])
        XCTAssertEqual(try warnings(one([(10, 30, 0)]), triDet + ["model.num_bins=1", "model.use_trident_head=false"]), [])
    }

    /// A crop begins at a whole row: of the two around an action's middle either may be the one that keeps enough of it.
    func testCropsOnEitherSideOfTheMiddleAreTried() throws {
        for start in [2.0, 2.1, 2.2, 2.3, 2.4, 20.1, 20.4, 57.4] {
            XCTAssertEqual(try warnings(one([(start, start + 3, 0)]), ["data.max_rows=4", "data.trunc_thresh=0.9"]), [], "\(start)")
        }
        XCTAssertEqual(
            try warnings(one([(2, 5, 0), (2.4, 5.4, 1)]), ["data.max_rows=4", "data.trunc_thresh=0.98"]),
            [
                "warning: 1 of the 2 labelled actions can never be positive: it is dropped by every crop, 'jump' at [2.4, 5.4] s of 'v': it is 6 "
                    + "rows long, a crop of 4 rows sees at most 5.8 of them, less than 0.98 of the action; raise data.max_rows, or lower "
                    + "data.trunc_thresh"
            ])
    }

    /// A line for each reason, the most frequent one first.
    func testSomeCannotBeLearnt() throws {
        let some = one([(2.1, 2.4, 0), (3.1, 3.3, 1), (5, 8, 0), (10, 40, 1), (50, 56, 0), (51.6, 54.2, 1)])
        XCTAssertEqual(
            try warnings(some, ["data.max_rows=20"]),
            [
                "warning: 2 of the 6 labelled actions can never be positive: they lie between two rows, for example 'run' at [2.1, 2.4] s "
                    + "of 'v': it is 0.3 s "
                    + "long, rows stand 0.5 s apart; use features of a smaller stride",
                "warning: 1 of the 6 labelled actions can never be positive: it is dropped by every crop, 'jump' at [10, 40] s of 'v': it "
                    + "is 60 rows long, "
                    + "a crop of 20 rows sees at most 22 of them, less than 0.5 of the action; raise data.max_rows, or lower data.trunc_thresh",
            ])
        // The longer of two about one centre has no point of its own on the one level that is responsible.
        XCTAssertEqual(
            try warnings(one([(50, 56, 0), (51.6, 54.2, 1)]), ["model.regression_range=[[0, 10000], [9000, 10000], [9000, 10000]]"]),
            [
                "warning: 1 of the 2 labelled actions can never be positive: it shares all its points with shorter actions, 'run' at [50, "
                    + "56] s of 'v': it is "
                    + "12 rows long; look whether actions are annotated twice"
            ])
    }

    /// Rows of one recording stand closer than those of the other.
    func testFramesPerSecondOfEachRecording() throws {
        var made = MadeRecordings()
        made.add("fast", duration: 20, rows: 100, fps: 75, actions: [(2.1, 2.55, 0)])
        made.add("slow", duration: 20, rows: 39, fps: 30, actions: [(2.1, 2.4, 0), (5.1, 5.3, 0)])
        XCTAssertEqual(
            try warnings(made),
            [
                "warning: 2 of the 3 labelled actions can never be positive: they lie between two rows, for example 'run' at [2.1, 2.4] s "
                    + "of 'slow': it is "
                    + "0.3 s long, rows stand 0.5 s apart; use features of a smaller stride"
            ])
    }

    /// The labelled recordings have nothing to learn, the others would.
    func testLabeledFraction() throws {
        var made = MadeRecordings()
        made.add("a", duration: 20, rows: 39, actions: [(2.1, 2.4, 0)])
        made.add("b", duration: 20, rows: 39, actions: [(2, 6, 0)])
        try Data("[\"a\", \"b\"]".utf8).write(to: URL(fileURLWithPath: folder + "/order.json"))
        refused(
            made, ["data.labeled_fraction=0.5", "data.labeled_order=\(folder)/order.json"],
            """
            error: there is nothing to learn: none of the 1 labelled actions can ever be positive: it lies between two rows, 'run' at [2.1, 2.4] s \
            of 'a': it is 0.3 s long, rows stand 0.5 s apart
              where: file 'FOLDER/s.h5', video 'a'
              do: use features of a smaller stride, or label more recordings (data.labeled_fraction)
            """)
    }

    /// No crop that training draws has a positive point of an action that was said to have none, and actions said to be learnable get one.
    func testCropsAsTheyAreDrawn() throws {
        var random = RandomStream(seed: 8, "crops")
        for trial in 0..<24 {
            let rows = 30 + random.uniformIndex(below: 60)
            let actions = (0..<5).map { label -> (start: Double, end: Double, label: Int) in
                let start = Double(random.uniform()) * Double(rows) / 2, length = Double(random.uniform()) * [1, 6, 30][label % 3]
                return (start, min(start + length + 0.01, 0.5 * Double(rows) + 0.5), label)
            }
            var made = MadeRecordings(classes: ["a", "b", "c", "d", "e"])
            made.add("v", duration: 0.5 * Double(rows) + 0.5, rows: rows, actions: actions)
            let store = try made.store(folder + "/s.h5")
            let ranges = ["[[0, 4], [4, 8], [8, 10000]]", "[[0, 3], [5, 9], [20, 30]]"][trial % 2]
            let configuration = try configuration(
                [
                    "model.regression_range=\(ranges)", ["data.max_rows=18", "data.crop_ratio=[0.3, 0.9]", "data.max_rows=25"][trial % 3],
                    "training.center_sample_radius=0.4",
                ])
            let detector = try XCTUnwrap(
                try configuration.detector(inputDimension: 4, classes: 5) as any Detector as? any PyramidDetector & AnnotationAssigned)
            let found = LearnableActions(
                [(0, store.videos[0].annotation.instances)], configuration: configuration, store: store, detector: detector)
            let data = configuration.data
            let cropping = Cropping(maximumRows: data.maxRows, keptPart: data.truncThresh, ratio: data.cropRatio)
            var seen = Set<Int>()
            for _ in 0..<3000 {
                let video = cropping.crop(0, of: store, instances: store.videos[0].annotation.instances, random: &random)
                let features = PackedSequence(
                    Tensor(rows: video.rows.count, columns: 4, requiresGradient: false), offsets: [0, video.rows.count])
                let targets = detector.assignTargets(
                    PackedBatch(
                        features: features, videos: [VideoContext(id: "v", grid: store.videos[0].grid, duration: 1)], instances: [video.instances]))
                for point in targets.positives { seen.formUnion((0..<5).filter { targets.classes[point * 5 + $0] == 1 }) }
            }
            XCTAssertEqual(found.learnable, seen.count, "trial \(trial)")
        }
    }
}
