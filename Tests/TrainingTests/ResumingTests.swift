import Checkpoints
import Diagnostics
import FeatureStore
import Foundation
import Kernels
import RunRecords
import Sampling
import XCTest

/// Runs that go on, and folders that hold another run.
final class ResumingTests: ToyRunTestCase {
    func testResumedEqualsUninterrupted() throws {
        let whole = try run("whole").run()
        XCTAssertEqual(whole.step, 12)
        XCTAssertTrue(whole.checkpoint.hasSuffix("/checkpoints/step-00000012.h5"))
        for stop in [1, 5, 7] {
            let first = try run("part\(stop)").run(stopAfter: stop)
            XCTAssertEqual(first.step, stop)
            XCTAssertNil(first.evaluation)
            XCTAssertNotEqual(first.digest, whole.digest)
            let second = try run("part\(stop)", resume: true)
            XCTAssertEqual(second.notes.last, "going on from step \(stop) of 12")
            XCTAssertEqual(try second.run().digest, whole.digest, "stopped after \(stop)")
        }
    }

    func testLogIsCutBackOnResume() throws {
        _ = try run("log").run(stopAfter: 9)
        let path = folder + "/log/log.jsonl"
        XCTAssertEqual(try RunLog.read(path).map(\.step), [2, 4, 6, 8, 9])
        // As if the run had been killed between the checkpoint of step 5 and that of step 9, in the middle of writing a line.
        try FileManager.default.removeItem(atPath: folder + "/log/checkpoints/step-00000009.h5")
        let handle = try XCTUnwrap(FileHandle(forWritingAtPath: path))
        try handle.seekToEnd()
        try handle.write(contentsOf: Data("{\"step\": 10, \"lo".utf8))
        try handle.close()
        _ = try run("log", resume: true).run()
        let records = try RunLog.read(path)
        XCTAssertEqual(records.map(\.step), [2, 4, 6, 8, 10, 12])
        let last = try XCTUnwrap(records.last)
        XCTAssertEqual(last.learningRate, try configuration().learningRateSchedule(iterationsPerEpoch: 1).rate(at: 11))
        XCTAssertEqual(Set(last.loss.keys), ["classification", "regression", "total"])
        XCTAssertGreaterThan(last.gradientNorm, 0)
        XCTAssertGreaterThan(last.videosPerSecond, 0)
        XCTAssertGreaterThanOrEqual(last.secondsWaitingData, 0)
    }

    func testFolderOfAnotherRun() throws {
        _ = try run("twice").run(stopAfter: 1)
        refused(
            """
            error: the folder holds checkpoints of a run, the newest at step 1
              where: file 'FOLDER/twice'
              do: add --resume to go on with it, or choose another --output
            """
        ) { _ = try run("twice") }
        refused(
            """
            error: the run was begun with training.learning_rate = 0.01, now it is 0.02
              where: file 'FOLDER/twice/checkpoints/step-00000001.h5', key 'training.learning_rate'
              do: resume with the configuration of the run (FOLDER/twice/config.yaml), or choose another --output
            """
        ) { _ = try run("twice", ["training.learning_rate=0.02"], resume: true) }
        // What does not change a bit may change.
        _ = try run("twice", ["training.log_every=1", "test.max_seg_num=5", "training.checkpoint_every=2"], resume: true)
    }

    /// The library of matrix products decides bits: it is chosen once for a run.
    func testLibraryOfMatrixProductsOfAnotherRun() throws {
        let first = try run("library", ["training.gemm=openblas"])
        XCTAssertEqual(first.notes.last, "matrix products in float32 by openblas")
        _ = try first.run(stopAfter: 1)
        let path = folder + "/library/checkpoints/step-00000001.h5"
        XCTAssertEqual(try Checkpoint(path: path).header.gemm, "openblas")
        let libraries = try Checkpoint(path: path).header.libraries
        XCTAssertEqual(libraries, MatrixMultiply.libraries)
        XCTAssertNotNil(libraries.wholeMatch(of: /oneDNN \d+\.\d+\.\d+ \((AVX-512|AVX2|AVX|SSE4.1)\), OpenBLAS \d+\.\d+\S* \(\w+\)/), libraries)
        refused(
            """
            error: the run multiplies with openblas, but training.gemm is now onednn
              where: file 'FOLDER/library/checkpoints/step-00000001.h5', key 'training.gemm'
              do: set it to openblas or auto, or choose another --output
            """
        ) { _ = try run("library", ["training.gemm=onednn"], resume: true) }
        ComputeContext.current.backend = .onednn
        let resumed = try run("library", ["training.gemm=auto"], resume: true)
        XCTAssertEqual(
            Array(resumed.notes.suffix(2)), ["matrix products in float32 by openblas, as the run began", "going on from step 1 of 12"])
        XCTAssertEqual(ComputeContext.current.backend, .openblas)
        _ = try run("measured", ["training.gemm=auto"]).run(stopAfter: 1)
        let measured = try Checkpoint(path: folder + "/measured/checkpoints/step-00000001.h5").header.gemm
        XCTAssertNotNil(MatrixMultiplyBackend(rawValue: measured), measured)
        XCTAssertEqual(ComputeContext.current.backend.rawValue, measured)
    }

    func testStoreOfAnotherRun() throws {
        _ = try run("store").run(stopAfter: 1)
        let before = try FeatureStore(path: store).digest
        let annotations = try SyntheticFeatures.annotations(videos: 9, classes: 2, seed: 5)
        try FeatureStoreWriter().write(try SyntheticFeatures(annotations: annotations, dimension: 5, stride: 15, window: 30, seed: 5), to: store)
        let after = try FeatureStore(path: store).digest
        refused(
            """
            error: the run was trained on another feature store: digest \(before.prefix(12))..., this one has \(after.prefix(12))...
              where: file 'FOLDER/store/checkpoints/step-00000001.h5', file 'FOLDER/store.h5'
              do: resume with the store of the run
            """
        ) { _ = try run("store", resume: true) }
    }

    /// What counts is which recordings are labelled, not where the list lies.
    func testLabeledRecordingsOfAnotherRun() throws {
        let names = try FeatureStore(path: store).videos.filter { $0.annotation.subset == "Validation" }.map(\.id.name)
        XCTAssertEqual(names.count, 6)
        func write(_ file: String, _ names: [String]) throws -> [String] {
            try JSONEncoder().encode(names).write(to: URL(fileURLWithPath: "\(folder)/\(file)"))
            return ["data.labeled_fraction=0.5", "data.labeled_order=\(folder)/\(file)"]
        }
        let first = try write("first.json", names)
        _ = try run("labels", first).run(stopAfter: 1)
        let moved = try run("labels", try write("moved.json", names), resume: true)
        XCTAssertEqual(moved.notes.last, "going on from step 1 of 12")
        _ = try write("first.json", names.reversed())
        let before = LabeledSubset.digest(Array(names.prefix(3))), after = LabeledSubset.digest(names.reversed().prefix(3).map { $0 })
        XCTAssertNotEqual(before, after)
        refused(
            """
            error: the run was begun with other labelled recordings: the digest of their names is \(before.prefix(12))..., now it is \(after.prefix(12))...
              where: file 'FOLDER/labels/checkpoints/step-00000001.h5', key 'data.labeled_order'
              do: resume with the run's list of labelled recordings, or choose another --output
            """
        ) { _ = try run("labels", first, resume: true) }
    }

    /// Halves the file.
    private func truncate(_ path: String) throws {
        let handle = try XCTUnwrap(FileHandle(forWritingAtPath: path))
        try handle.truncate(atOffset: try handle.seekToEnd() / 2)
        try handle.close()
    }

    func testDamagedNewestCheckpointIsPassedOver() throws {
        let whole = try run("whole").run()
        for keep in [1, 2] {
            let name = "damaged\(keep)", checkpoints = CheckpointFolder(path: "\(folder)/damaged\(keep)/checkpoints", keep: 2)
            _ = try run(name).run(stopAfter: 7)
            XCTAssertEqual(checkpoints.steps, [5, 7])
            let newest = checkpoints.file(step: 7)
            try truncate(newest)
            var reason = ""
            XCTAssertThrowsError(try Checkpoint(path: newest)) { reason = ($0 as? Failure)?.what ?? "" }
            XCTAssertFalse(reason.isEmpty)
            let resumed = try run(name, ["training.keep=\(keep)", "training.checkpoint_every=1"], resume: true)
            XCTAssertEqual(
                Array(resumed.notes.suffix(2)),
                ["going on from step 5 of 12", "warning: passed over the checkpoint '\(newest)', now '\(newest).damaged': \(reason)"])
            XCTAssertEqual(checkpoints.steps, [5])
            XCTAssertEqual(try resumed.run().digest, whole.digest)
            XCTAssertEqual(checkpoints.steps, keep == 1 ? [12] : [11, 12])
        }
    }

    func testOnlyDamagedCheckpointsAreRefused() throws {
        _ = try run("lost").run(stopAfter: 7)
        let checkpoints = CheckpointFolder(path: folder + "/lost/checkpoints", keep: 2)
        for step in checkpoints.steps { try truncate(checkpoints.file(step: step)) }
        var expected = ""
        XCTAssertThrowsError(try Checkpoint(path: checkpoints.file(step: 7))) { expected = "\($0)".replacingOccurrences(of: folder, with: "FOLDER") }
        XCTAssertTrue(expected.contains("step-00000007.h5"), expected)
        refused(expected) { _ = try run("lost", resume: true) }
        XCTAssertEqual(checkpoints.steps, [5, 7])
    }

    func testResumeWithoutCheckpointStartsAfresh() throws {
        let training = try run("fresh", resume: true)
        XCTAssertEqual(training.notes.last, "no checkpoint in '\(folder)/fresh/checkpoints': starting afresh")
        XCTAssertEqual(try training.run().digest, try run("other").run().digest)
    }
}
