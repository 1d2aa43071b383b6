import FeatureStore
import Foundation
import TemporalAnnotations
import TestSupport
import XCTest

/// `kairos probe` as a user does it.
final class ProbeCommandTests: CommandTestCase {
    /// A run of APL that has ended its pre-training: 4 steps.
    private func makePretrained() throws -> String {
        try makeStore(videos: 12)
        try write(
            """
            data: {store: FOLDER/store.h5, virtual_shards: 2, batch_size: 2, max_rows: 100, labeled_fraction: 0.5}
            \(Self.tinyModel())
            training: {iterations: 30, learning_rate: 0.01, threads: 1}
            method: {name: apl}
            \(Self.tinyStages)
            """, "run.yaml")
        let run = folder + "/r", trained = try kairos("train", folder + "/run.yaml", "--output", run, "--stop-after", "4")
        XCTAssertEqual(trained.code, 0, trained.errors)
        return run + "/checkpoints/step-00000004.h5"
    }

    func testProbe() throws {
        let checkpoint = try makePretrained(), probe = ["probe", "--checkpoint", checkpoint, "--store", folder + "/store.h5"]
        var one = try object(try start(executable, probe + ["--json"])), two = try object(try mpirun(2, probe + ["--json"]))
        XCTAssertGreaterThanOrEqual(try XCTUnwrap(one.removeValue(forKey: "seconds") as? Double), 0)
        two.removeValue(forKey: "seconds")
        XCTAssertEqual(one as NSDictionary, two as NSDictionary, "the same for any number of ranks")
        XCTAssertEqual(
            Set(one.keys),
            [
                "accuracy", "mean_class_accuracy", "action_accuracy", "majority_accuracy", "training", "evaluation", "classes", "columns",
                "representation", "iterations", "converged", "gradient",
            ])
        let training = try XCTUnwrap(one["training"] as? [String: Int]), evaluation = try XCTUnwrap(one["evaluation"] as? [String: Int])
        // 12 recordings: 8 to train on, half of them labelled, 4 to evaluate.
        XCTAssertEqual([training["recordings"], evaluation["recordings"]], [4, 4])
        XCTAssertLessThanOrEqual(try XCTUnwrap(training["frames"]), 4 * 64)
        XCTAssertGreaterThan(try XCTUnwrap(training["action_frames"]), 0)
        // Three levels of 8 channels; three classes and the background.
        XCTAssertEqual([one["columns"] as? Int, one["classes"] as? Int], [24, 4])
        XCTAssertEqual(one["representation"] as? String, "pyramid")
        XCTAssertEqual(one["converged"] as? Bool, true)
        for key in ["accuracy", "mean_class_accuracy", "action_accuracy", "majority_accuracy"] {
            XCTAssertTrue((0.0...1).contains(try XCTUnwrap(one[key] as? Double)), key)
        }

        // More recordings, fewer frames, and the features themselves.
        let other = try object(
            try start(executable, probe + ["--json", "--labels", "all", "--frames", "5", "--representation", "input", "--l2", "0.1"]))
        let more = try XCTUnwrap(other["training"] as? [String: Int])
        XCTAssertEqual([more["recordings"], more["frames"]], [8, 40])
        XCTAssertEqual(other["columns"] as? Int, 8)
        let text = try start(executable, probe)
        XCTAssertEqual(text.code, 0, text.errors)
        for line in ["linear probe on the pyramid: 24 columns, 4 classes with the background\n", "  mean class accuracy    ", "of 4 recordings, "] {
            XCTAssertTrue(text.output.contains(line), text.output)
        }
    }

    func testRefusals() throws {
        let checkpoint = try makePretrained(), probe = ["probe", "--checkpoint", checkpoint, "--store", folder + "/store.h5"]
        func refused(_ code: Int32, _ expected: String, _ options: String..., line: UInt = #line) throws {
            let ended = try start(executable, probe + options)
            XCTAssertEqual(ended.code, code, ended.errors, line: line)
            XCTAssertEqual(ended.output, "", line: line)
            XCTAssertTrue(ended.errors.hasSuffix(expected + "\n"), ended.errors, line: line)
        }
        try refused(
            2,
            """
            error: --frames is 0
              do: give a whole number above 0
            """, "--frames", "0")
        try refused(
            2,
            """
            error: --l2 is -1.0
              do: give a number above 0; without the term the weights have no end
            """, "--l2", "-1")
        let both = try start(executable, probe + ["--labels", "all", "--evaluation-subset", "Validation"])
        XCTAssertEqual(both.code, 2)
        XCTAssertNotNil(
            both.errors.range(
                of: """
                    ^error: 8 recordings are both in the training and in the evaluation subset
                      where: file 'FOLDER/store.h5', video '\\S+'
                      do: choose two subsets without a common recording
                    $
                    """, options: .regularExpression), both.errors)
        let names = "'Validation', 'Test'"
        try refused(
            2,
            """
            error: the annotations hold no video of subset 'Nowhere'; they hold \(names)
              where: file 'FOLDER/store.h5', key '--training-subset'
              do: choose one of the subsets there are
            """, "--training-subset", "Nowhere")
    }

    /// Recordings whose frames have one class, or none.
    func testRecordingsWithoutClassesToTellApart() throws {
        let checkpoint = try makePretrained()
        var features = MemoryFeatures(classes: ["synthetic"], dimension: 8)
        let action = ActionInstance(segment: Segment(start: 0, end: 1000), label: 0)
        for number in 1...2 { features.add("bare\(number)", subset: "Bare", rows: 9, stride: 15, window: 30) }
        features.add("full", subset: "Full", rows: 20, stride: 15, window: 30, instances: [action])
        features.videos.append(features.videos[0])
        features.videos[3].annotation = VideoAnnotation(
            id: "weak", subset: "Weak", duration: features.videos[0].annotation.duration, fps: 30, instances: [], weakLabels: [0])
        try FeatureStoreWriter().write(features, to: folder + "/few.h5")
        func refused(_ expected: String, _ training: String, _ evaluation: String, line: UInt = #line) throws {
            for ranks in [1, 2] {
                let ended = try mpirun(
                    ranks,
                    [
                        "probe", "--checkpoint", checkpoint, "--store", folder + "/few.h5", "--labels", "all", "--training-subset", training,
                        "--evaluation-subset", evaluation,
                    ])
                XCTAssertEqual(ended.code, 3, ended.errors, line: line)
                XCTAssertEqual(ended.output, "", line: line)
                XCTAssertTrue(ended.errors.contains(expected), ended.errors, line: line)
            }
        }
        try refused(
            "error: all 18 frames of the 2 training recordings are of background: there is nothing to tell apart\n", "Bare", "Full")
        try refused(
            "error: all 20 frames of the 1 training recordings are of class 'synthetic': there is nothing to tell apart\n", "Full", "Bare")
        try refused(
            "error: 1 of the 1 recordings have weak labels only (classes without segments): their frames have no class\n", "Weak", "Bare")
    }
}
