import AdaptivePseudoLabels
import Detectors
import Diagnostics
import PyramidDetectors
import StandardRegistry
import TrainingMethods
import XCTest

/// Values, overrides, canonical form and lengths.
final class RunConfigurationTests: RunConfigurationTestCase {
    func testDefaultsAndValues() throws {
        let run = try read(
            """
            # a comment
            data:
              store: "my store.h5"
              max_rows: ~
              crop_ratio: [0.9, 1.0]
            model:
              backbone_arch: [2, 2, 1]
              n_mha_win_size: [9, 7]
              regression_range: [[0, 4], [4, 10000]]
              fpn_type: fpn
            training:
              epochs: 3
              learning_rate: 1e-4
              clip_gradient_norm: null
            """)
        XCTAssertEqual(run.data.store, "my store.h5")
        XCTAssertNil(run.data.maxRows)
        XCTAssertEqual(run.data.cropRatio, [0.9, 1])
        let model = try XCTUnwrap(run.model as? ActionFormerConfiguration)
        XCTAssertEqual(model.windows, [9, 7])
        XCTAssertEqual(model.neck, .fpn)
        XCTAssertEqual(run.training.epochs, 3)
        XCTAssertNil(run.training.iterations)
        XCTAssertEqual(run.training.learningRate, 1e-4)
        XCTAssertNil(run.training.clipGradientNorm)
        XCTAssertEqual(run.training.dropPath, 0.1)
        XCTAssertEqual(run.test.tiouThresholds, [0.3, 0.4, 0.5, 0.6, 0.7])
    }

    func testOverrides() throws {
        let run = try read(
            minimal, ["training.iterations=20", "data.crop_ratio=[0.5, 1]", "model.n_head=8", "training.iterations=30", "data.evaluation_subset="])
        XCTAssertEqual(run.training.iterations, 30)
        XCTAssertEqual(run.data.cropRatio, [0.5, 1])
        XCTAssertEqual((run.model as? ActionFormerConfiguration)?.heads, 8)
        XCTAssertNil(run.data.evaluationSubset)
        XCTAssertEqual(try read(minimal, ["training.iterations=null", "training.epochs=2"]).training.epochs, 2)
    }

    /// What a run was begun with stays where the program did not know a key yet.
    func testConfigurationsOfEarlierVersions() throws {
        let apl = minimal + "method:\n  name: apl\napl:\n  round_iterations: 5\n"
        func earlier(_ text: String, _ overrides: [String] = []) throws -> RunConfiguration {
            try RunConfiguration(checkpoint: text, file: "step.h5", overrides: overrides, registry: .standard)
        }
        let run = try earlier(apl), now = try read(apl)
        XCTAssertEqual(run.data.balanceWindow, 1)
        XCTAssertEqual(run.training.convolution, .direct)
        XCTAssertEqual(run.pseudoLabels.uncertain, .background)
        XCTAssertNil(now.data.balanceWindow)
        XCTAssertEqual(now.training.convolution, .winograd)
        XCTAssertEqual(now.pseudoLabels.uncertain, .soft)
        XCTAssertEqual(try earlier(now.canonicalYAML), now)
        XCTAssertEqual(try earlier(apl, ["training.convolution=winograd"]).training.convolution, .winograd)
        XCTAssertEqual(try earlier(minimal).method.name, "supervised")
    }

    func testCanonicalFormReadsBackAndItsDigestIsStable() throws {
        var run = try read(minimal, ["training.learning_rate=1e-5", "data.store=\"a: b \\\"c\\\"\"", "data.labeled_order=no"])
        let canonical = run.canonicalYAML
        XCTAssertTrue(canonical.contains("  learning_rate: 1.0e-05\n"), canonical)
        XCTAssertTrue(canonical.contains("  store: \"a: b \\\"c\\\"\"\n"), canonical)
        XCTAssertTrue(canonical.contains("  labeled_order: \"no\"\n"), canonical)
        let again = try read(canonical)
        XCTAssertEqual(again, run)
        XCTAssertEqual(again.canonicalYAML, canonical)
        XCTAssertEqual(again.digest, run.digest)
        // Order and layout of the file do not matter.
        XCTAssertEqual(
            try read("training: {iterations: 10}\n\ndata: {store: 's.h5'}\n").digest, try read(minimal).digest)
        run.training.seed = 1
        XCTAssertNotEqual(run.digest, again.digest)
    }

    func testKeysOfPartsThatAreOff() throws {
        let apl = "data: {store: s.h5, virtual_shards: 2, batch_size: 2}\ntraining: {iterations: 5}\nmethod: {name: apl}\n"
        for keys in ["unlabeled_batch_size: 3", "round_iterations: 2, round_epochs: 2", ""] {
            XCTAssertNoThrow(try read(apl + "apl: {rounds: 0\(keys.isEmpty ? "" : ", " + keys)}\n"), keys)
        }
        refused(
            apl + "apl: {rounds: 1, round_iterations: 2, unlabeled_batch_size: 3}\n",
            """
            error: unlabeled_batch_size 3 is not a multiple of virtual_shards 2
              where: file 'run.yaml', key 'apl.unlabeled_batch_size', line 4
              do: every virtual shard takes the same number of recordings per iteration: choose a multiple, or fewer shards
            """)
        let fustal = "data: {store: s.h5, virtual_shards: 2, batch_size: 3}\ntraining: {iterations: 5, epochs: 5}\nmethod: {name: fustal}\n"
        XCTAssertNoThrow(try read(fustal + "fustal: {student: false, distill_after_epochs: 1, distill_after_iterations: 1}\n"))
        refused(
            fustal,
            """
            error: batch_size 3 is not a multiple of virtual_shards 2
              where: file 'run.yaml', key 'data.batch_size', line 1
              do: every virtual shard takes the same number of recordings per iteration: choose a multiple, or fewer shards
            """)
    }

    func testFilesThatAreNotConfigurations() {
        refused(
            "- a\n- b\n",
            """
            error: the configuration is not a mapping of sections: found a list of 2
              where: file 'run.yaml'
              do: write sections such as 'data:' and 'training:' with their keys indented below them
            """)
        refused(
            "data:\n  store: a\n  store: b\n",
            """
            error: a section names a key twice: store
              where: file 'run.yaml', line 2
              do: keep one of the two
            """)
        refused(
            minimal, ["seed"],
            """
            error: 'seed' does not set a key
              where: key '--set'
              do: write --set SECTION.KEY=VALUE, for example --set training.iterations=100
            """)
        XCTAssertThrowsError(try read("data:\n\tstore: a\n")) { error in
            XCTAssertTrue("\(error)".hasPrefix("error: the file is not YAML: "), "\(error)")
            XCTAssertTrue("\(error)".contains("line 2"), "\(error)")
        }
        XCTAssertThrowsError(try RunConfiguration(path: "/nowhere/run.yaml")) { error in
            XCTAssertEqual(
                "\(error)",
                """
                error: the configuration file cannot be read
                  where: file '/nowhere/run.yaml'
                  do: check the path; configs/ holds examples
                """)
            XCTAssertEqual((error as? Failure)?.exitCode, 3)
        }
    }

    func testModelDoesNotFitTheStore() throws {
        let run = try read(minimal, ["model.input_dimension=2048", "training.head_empty_cls=[7]"])
        XCTAssertThrowsError(try run.detector(inputDimension: 150, classes: 12)) { error in
            XCTAssertEqual(
                "\(error)",
                """
                error: the store's features have 150 columns, the configuration says 2048
                  where: file 's.h5', key 'model.input_dimension'
                  do: use the store that the configuration was written for, or leave model.input_dimension out
                """)
        }
        XCTAssertThrowsError(try run.detector(inputDimension: 2048, classes: 5)) { error in
            XCTAssertEqual(
                "\(error)",
                """
                error: class 7 does not exist: the store has 5 classes
                  where: file 's.h5', key 'training.head_empty_cls'
                  do: give indices from 0 to 4
                """)
        }
        let turned = try read(minimal, ["training.rotation_degrees=15"])
        XCTAssertNoThrow(try turned.detector(inputDimension: 150, classes: 12))
        XCTAssertThrowsError(try turned.detector(inputDimension: 41, classes: 5)) { error in
            XCTAssertEqual(
                "\(error)",
                """
                error: the store's features have 41 columns, rotation turns vectors of three numbers
                  where: file 's.h5', key 'training.rotation_degrees'
                  do: set the key to null where the features are not x, y, z, x, y, z, ...
                """)
        }
        let model = try XCTUnwrap(try run.detector(inputDimension: 2048, classes: 12) as? ActionFormer).configuration
        XCTAssertEqual(model.windows, Array(repeating: -1, count: 6))
        XCTAssertEqual(model.regressionRanges.last, 64...10000)
        XCTAssertEqual(model.detection.preNMSTopK, 5000)
    }

    func testLengthInEpochsAndIterations() throws {
        let epochs = try read("data: {store: s.h5}\ntraining: {epochs: 50, warmup_epochs: 5}\n")
        XCTAssertEqual(epochs.iterations(perEpoch: 100), 5000)
        XCTAssertEqual(epochs.learningRateSchedule(iterationsPerEpoch: 100).rate(at: 499), 1e-4, accuracy: 1e-12)
        XCTAssertEqual(epochs.learningRateSchedule(iterationsPerEpoch: 100).rate(at: 2750), 0.5e-4 + 0.5e-8, accuracy: 1e-11)
        let steps = try read("data: {store: s.h5}\ntraining: {iterations: 600, warmup_iterations: 30}\n")
        XCTAssertEqual(steps.iterations(perEpoch: 7), 600)
        XCTAssertEqual(steps.learningRateSchedule(iterationsPerEpoch: 7).rate(at: 500), 7.41328915512785e-06, accuracy: 1e-15)
    }
}
