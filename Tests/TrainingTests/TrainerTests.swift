import Checkpoints
import Diagnostics
import FeatureStore
import Foundation
import Kernels
import NeuralNetworks
import RandomStreams
import RunRecords
import Sampling
import TemporalAnnotations
import TrainingMethods
import XCTest

/// Whole runs, and what they leave.
final class TrainerTests: ToyRunTestCase {
    func testCheckpointsAreRolling() throws {
        _ = try run("rolling", ["training.keep=2", "training.checkpoint_every=3"]).run()
        XCTAssertEqual(CheckpointFolder(path: folder + "/rolling/checkpoints", keep: 2).steps, [9, 12])
        XCTAssertEqual(try FileManager.default.contentsOfDirectory(atPath: folder + "/rolling/checkpoints").count, 2)
    }

    /// Two steps against a computation by hand: recordings of the sampler, normaliser, sum over shards, clipping, decay, AdamW.
    func testTwoStepsByHand() throws {
        let overrides = [
            "training.iterations=2", "training.warmup_iterations=null", "training.schedule=constant", "training.clip_gradient_norm=0.01",
            "training.seed=6",
        ]
        var detector: ToyDetector?
        var initial: [Float] = []
        let training = try run("hand", overrides) { store in
            let toy = ToyDetector(columns: store.dimension)
            detector = toy
            return toy
        }
        initial = Array(try XCTUnwrap(detector).weight.values)
        _ = try training.run(stopAfter: 2)

        let store = try FeatureStore(path: self.store)
        let labeled = store.videos.indices.filter { store.videos[$0].annotation.subset == "Validation" }
        let sampler = try TrainingSampler(videos: labeled.map { ($0, store.videos[$0].rows) }, shardCount: 2, batchSize: 4, seed: 6)
        var weights = initial.map(Double.init)
        var m = [Double](repeating: 0, count: 5), v = m
        var normalizer = 100.0
        for step in 0..<2 {
            let shards = (0..<2).map { sampler.videos(step: step, shard: $0) }
            normalizer = 0.9 * normalizer + 0.1 * Double(shards.joined().reduce(0) { $0 + store.videos[$1].annotation.instances.count })
            var gradient = [Double](repeating: 0, count: 5)
            for (shard, videos) in shards.enumerated() {
                var random = RandomStream(seed: 6, "forward", shard, step)
                for video in videos {
                    let rows = 0..<store.videos[video].rows
                    var values = [Float](repeating: 0, count: rows.count * 5)
                    try store.read(rows, ofVideo: video).copy(to: &values)
                    let means = (0..<5).map { c in rows.reduce(0.0) { $0 + Double(values[$1 * 5 + c]) } / Double(rows.count) }
                    let goal = 1 + 0.1 * Double(random.uniform())
                    let score = zip(means, weights).reduce(0) { $0 + $1.0 * $1.1 }
                    for c in 0..<5 { gradient[c] += (score - goal) * means[c] / normalizer }
                }
            }
            let norm = gradient.reduce(0) { $0 + $1 * $1 }.squareRoot()
            let factor = min(1, 0.01 / (norm + 1e-6))
            for c in 0..<5 {
                let g = gradient[c] * factor
                weights[c] *= 1 - 0.01 * 0.1
                m[c] = 0.9 * m[c] + 0.1 * g
                v[c] = 0.999 * v[c] + 0.001 * g * g
                let t = Double(step + 1)
                weights[c] -= 0.01 * (m[c] / (1 - pow(0.9, t))) / ((v[c] / (1 - pow(0.999, t))).squareRoot() + 1e-8)
            }
        }
        // The run owns the weights.
        let trained = try withExtendedLifetime(training) { Array(try XCTUnwrap(detector).weight.values) }
        for c in 0..<5 {
            XCTAssertEqual(Double(trained[c]), weights[c], accuracy: 1e-5)
            XCTAssertGreaterThan(abs(trained[c] - initial[c]), 1e-3)
        }
        let checkpoint = try Checkpoint(path: folder + "/hand/checkpoints/step-00000002.h5")
        XCTAssertEqual(checkpoint.header.lossNormalizer, normalizer, accuracy: 1e-12)
    }

    func testLossThatIsNoNumberStopsTheRun() throws {
        let training = try run("nan") { store in
            let toy = ToyDetector(columns: store.dimension)
            // Step 7 is the first wrong one, in both shards.
            toy.healthyCalls = 12
            return toy
        }
        let store = try FeatureStore(path: self.store)
        let labeled = store.videos.indices.filter { store.videos[$0].annotation.subset == "Validation" }
        let sampler = try TrainingSampler(videos: labeled.map { ($0, store.videos[$0].rows) }, shardCount: 2, batchSize: 4, seed: 0)
        let names = (0..<2).flatMap { sampler.videos(step: 6, shard: $0) }.map { "video '\(store.videos[$0].id)'" }.joined(separator: ", ")
        refused(
            """
            error: the regression loss is nan
              where: step 7, \(names)
              do: lower training.learning_rate, lengthen the warm-up, or check the features of these recordings; the checkpoints of earlier steps are kept
            """
        ) { _ = try training.run() }
        XCTAssertEqual(CheckpointFolder(path: folder + "/nan/checkpoints", keep: 2).steps, [5])
    }

    func testChoiceOfMatrixProducts() throws {
        XCTAssertEqual(ProductChoice.faster([.onednn: 100, .openblas: 90, .byShape: 100]), .byShape)
        XCTAssertEqual(ProductChoice.faster([.onednn: 90, .openblas: 109, .byShape: 100]), .byShape)
        XCTAssertEqual(ProductChoice.faster([.onednn: 110, .openblas: 111, .byShape: 100]), .openblas)
        XCTAssertEqual(ProductChoice.faster([.onednn: 112, .openblas: 111, .byShape: 100]), .onednn)
        let speeds = MatrixMultiply.measuredSpeeds()
        XCTAssertEqual(Set(speeds.keys), Set(MatrixMultiplyBackend.allCases))
        XCTAssertTrue(speeds.values.allSatisfy { $0 > 1e8 && $0 < 1e13 }, "\(speeds)")
        try ProductChoice.requirePrecision(.float32, present: [])
        try ProductChoice.requirePrecision(.bfloat16, present: ["avx2", "avx512_bf16"])
        refused(
            """
            error: this processor does not multiply in bfloat16: it lacks avx512_bf16
              where: key 'training.precision'
              do: set training.precision to float32, or use a newer processor
            """
        ) { try ProductChoice.requirePrecision(.bfloat16, present: ["avx2", "avx512f"]) }
    }

    func testWhatTheRunIsEvaluatedOnIsReadBeforeTheTraining() throws {
        refused(
            """
            error: the annotations hold no video of subset 'Tset'; they hold 'Validation', 'Test'
              where: file 'FOLDER/store.h5', key 'data.evaluation_subset'
              do: did you mean 'Test'?
            """
        ) { _ = try run("early", ["data.evaluation_subset=Tset"]) }
        XCTAssertThrowsError(try run("early", ["data.annotations=\(folder)/none.json"])) { error in
            XCTAssertEqual((error as? Failure)?.kind, .badInput)
            XCTAssertTrue("\(error)".contains("/none.json'"), "\(error)")
        }
        try Data("{".utf8).write(to: URL(fileURLWithPath: folder + "/broken.json"))
        XCTAssertThrowsError(try run("early", ["data.annotations=\(folder)/broken.json"])) { error in
            XCTAssertEqual((error as? Failure)?.kind, .badInput)
            XCTAssertTrue("\(error)".contains("/broken.json'"), "\(error)")
        }
        let annotations = try SyntheticFeatures.annotations(videos: 9, classes: 2, seed: 4)
        let videos = annotations.videos.filter { $0.subset == "Validation" }
        try AnnotationSet(version: "", classes: annotations.classes, videos: videos).write(to: folder + "/partial.json")
        refused(
            """
            error: the annotations hold no video of subset 'Test'; they hold 'Validation'
              where: file 'FOLDER/partial.json', key 'data.evaluation_subset'
              do: choose one of the subsets there are
            """
        ) { _ = try run("early", ["data.annotations=\(folder)/partial.json"]) }
        XCTAssertFalse(FileManager.default.fileExists(atPath: folder + "/early"))
    }

    func testUnknownSubset() {
        refused(
            """
            error: the annotations hold no video of subset 'Trainning'; they hold 'Validation', 'Test'
              where: file 'FOLDER/store.h5', key 'data.training_subset'
              do: choose one of the subsets there are
            """
        ) { _ = try run("subset", ["data.training_subset=Trainning"]) }
    }

    func testFolderThatCannotBeMade() throws {
        try Data("x".utf8).write(to: URL(fileURLWithPath: folder + "/taken"))
        refused(
            """
            error: the folder cannot be made: Not a directory
              where: file 'FOLDER/taken/run'
              do: choose another --output or change the permissions above it
            """
        ) { _ = try run("taken/run") }
    }

    /// Found before the first step, not when the result is to be written.
    func testPlacesOfTheRunsFilesAreLookedAtFirst() throws {
        for name in ["config.yaml", "log.jsonl", "metrics.json", "predictions.json"] {
            try FileManager.default.createDirectory(atPath: "\(folder)/\(name)-run/\(name)", withIntermediateDirectories: true)
            refused(
                """
                error: the output is a folder
                  where: file 'FOLDER/\(name)-run/\(name)'
                  do: name a file: outputs are written beside their place and put there when whole
                """
            ) { _ = try run("\(name)-run") }
        }
        for name in ["checkpoints", "pseudo_labels", "timeline"] {
            try FileManager.default.createDirectory(atPath: "\(folder)/\(name)-run", withIntermediateDirectories: true)
            try Data("x".utf8).write(to: URL(fileURLWithPath: "\(folder)/\(name)-run/\(name)"))
            refused(
                """
                error: a file stands where the run's folder is to be
                  where: file 'FOLDER/\(name)-run/\(name)'
                  do: remove it, or choose another --output
                """
            ) { _ = try run("\(name)-run") }
        }
    }
}
