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

/// Weights of a file made into a checkpoint: the number of classes follows from their shapes, the names from whoever knows them.
final class WeightImportTests: XCTestCase {
    private var folder = ""
    private func path(_ name: String) -> String { folder + "/" + name }

    override func setUpWithError() throws {
        folder = NSTemporaryDirectory() + "kairos-weights-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }
    override func tearDown() { try? FileManager.default.removeItem(atPath: folder) }

    private static let names = ["run", "jump", "sit"]
    private static let rate = FeatureRate(
        secondsPerRow: .init(least: 0.5, median: 0.5, greatest: 0.5), secondsPerWindow: .init(least: 1, median: 1, greatest: 1))

    private func configuration(_ model: String = "actionformer", _ overrides: [String] = []) throws -> RunConfiguration {
        try RunConfiguration(
            yaml: """
                data: {store: \(path("s.h5")), virtual_shards: 1, batch_size: 1}
                model: \(TinyModels.sections[model] ?? "")
                training: {iterations: 2, threads: 1}
                """, file: "run.yaml", overrides: overrides)
    }

    private func writeStore(classes: [String], stride: Double = 15) throws {
        var features = MemoryFeatures(classes: classes)
        let action = ActionInstance(segment: Segment(start: 2, end: 6), label: 0)
        for (id, subset) in [("a", "Validation"), ("b", "Test")] {
            features.add(id, subset: Subset(rawValue: subset), rows: 30, stride: stride, window: 30, instances: classes.isEmpty ? [] : [action])
        }
        try FeatureStoreWriter().write(features, to: path("s.h5"))
    }

    private func writeWeights(_ model: String = "actionformer", _ metadata: WeightMetadata = WeightMetadata(), prefix: String = "") throws {
        let detector = try configuration(model).detector(inputDimension: 4, classes: 3)
        detector.initializeParameters(seed: 1)
        let arrays = ParameterArena(detector).published().map { SafetensorsFile.Array(name: prefix + $0.name, shape: $0.shape, values: $0.values) }
        try SafetensorsFile(arrays: arrays, metadata: metadata.texts).write(to: path("w.safetensors"))
    }

    private func take(
        _ model: String = "actionformer", _ overrides: [String] = [], _ set: (inout WeightImport.Options) -> Void = { _ in }
    ) throws -> (header: Checkpoint.Header, notes: [String]) {
        var options = WeightImport.Options()
        set(&options)
        let result = try WeightImport.run(
            source: path("w.safetensors"), configuration: try configuration(model, overrides), options: options, output: path("c.h5"))
        let header = try Checkpoint(path: path("c.h5")).header
        XCTAssertEqual(header.classes, result.classes)
        return (header, result.notes.map { $0.replacingOccurrences(of: folder, with: "FOLDER") })
    }

    private func refused(_ expected: String, code: Int32 = 3, _ body: () throws -> Void, line: UInt = #line) {
        XCTAssertThrowsError(try body(), line: line) { error in
            XCTAssertEqual("\(error)".replacingOccurrences(of: folder, with: "FOLDER"), expected, line: line)
            XCTAssertEqual((error as? Failure)?.exitCode, code, line: line)
        }
    }

    /// Files of the program say names and rate, whatever the store says.
    func testNamesOfTheWeightFile() throws {
        for model in TinyModels.sections.keys {
            try writeWeights(model, WeightMetadata(classes: Self.names, featureRate: Self.rate))
            for classes in [[], Self.names, ["sit", "jump", "run"], ["jump"]] {
                try writeStore(classes: classes)
                let taken = try take(model)
                XCTAssertEqual(taken.header.classes, Self.names)
                XCTAssertEqual(taken.header.featureRate, Self.rate)
                XCTAssertEqual(taken.notes, [], "\(classes)")
            }
        }
        try writeWeights("actionformer", WeightMetadata(classes: Self.names))
        try writeStore(classes: ["Jump", "run", "sit", "fly by night"])
        let taken = try take()
        XCTAssertNil(taken.header.featureRate)
        XCTAssertEqual(
            taken.notes,
            [
                "warning: 2 of the 4 classes of the store 'FOLDER/s.h5' cannot be detected: 'Jump' (did you mean 'jump'?), 'fly by night'; "
                    + "the weight file knows 'run', 'jump', 'sit'"
            ])
        // Others, on the user's word.
        let renamed = try take { $0.classes = ["run", "jump", "sit down"] }
        XCTAssertEqual(renamed.header.classes, ["run", "jump", "sit down"])
        XCTAssertEqual(renamed.notes, ["warning: the weight file names 1 of 3 classes otherwise: 'sit', now 'sit down'"])
    }

    /// Published weights say neither.
    func testWeightsWithoutNames() throws {
        for (model, prefix) in [("actionformer", ""), ("tridet", "module."), ("temporalmaxer", "")] {
            try writeWeights(model, prefix: prefix)
            try writeStore(classes: ["sit", "run", "jump"])
            let taken = try take(model)
            XCTAssertEqual(taken.header.classes, ["sit", "run", "jump"])
            XCTAssertEqual(taken.notes, ["the weight file names no classes: those of the store 'FOLDER/s.h5' are taken, in its order"])
            try writeStore(classes: [])
            let numbered = try take(model)
            XCTAssertEqual(numbered.header.classes, ["class 0", "class 1", "class 2"])
            XCTAssertEqual(
                numbered.notes,
                [
                    "warning: neither the weight file nor the store 'FOLDER/s.h5' names the 3 classes of the weights: they are called "
                        + "'class 0', 'class 1', 'class 2'; give their names with --classes or --classes-from"
                ])
            try writeStore(classes: ["sit"])
            refused(
                """
                error: the weights have 3 classes without names, the store has 1: 'sit'
                  where: file 'FOLDER/w.safetensors', file 'FOLDER/s.h5'
                  do: give the names of the weights' classes, in the order of their training, with --classes A,B,... or --classes-from ANNOTATIONS.json
                """
            ) { _ = try take(model) }
            let named = try take(model) { $0.classes = Self.names }
            XCTAssertEqual(named.header.classes, Self.names)
            XCTAssertEqual(named.notes, [])
        }
    }

    func testNamesOfAnAnnotationFile() throws {
        try writeWeights()
        try writeStore(classes: [])
        let videos = [
            VideoAnnotation(
                id: "a", subset: "Test", duration: 10, fps: 30,
                instances: Self.names.indices.map { ActionInstance(segment: Segment(start: 1, end: 2), label: $0) })
        ]
        try AnnotationSet(version: "", classes: ClassMap(names: Self.names), videos: videos).write(to: path("a.json"))
        XCTAssertEqual(try take { $0.classesFrom = path("a.json") }.header.classes, Self.names)
        try AnnotationSet(version: "", classes: ClassMap(names: ["run"]), videos: []).write(to: path("a.json"))
        refused(
            """
            error: 'FOLDER/a.json' gives 0 classes, the weights have 3
              where: file 'FOLDER/w.safetensors'
              do: give the names of all classes that the weights were trained on, in the order of the training
            """, code: 2
        ) { _ = try take { $0.classesFrom = path("a.json") } }
    }

    func testNamesThatAreNone() throws {
        try writeWeights()
        try writeStore(classes: [])
        func refused(_ classes: [String], _ expected: String, line: UInt = #line) {
            self.refused(expected, code: 2, { _ = try take { $0.classes = classes } }, line: line)
        }
        refused(["a", "b", "a"], "error: --classes has the name 'a' twice\n  do: give every class once")
        refused(
            ["a", "b"],
            "error: --classes gives 2 classes, the weights have 3\n  where: file 'FOLDER/w.safetensors'\n"
                + "  do: give the names of all classes that the weights were trained on, in the order of the training")
        XCTAssertFalse(FileManager.default.fileExists(atPath: path("c.h5")))
    }

    func testMetadataThatDoesNotFit() throws {
        try writeStore(classes: [])
        try writeWeights("actionformer", WeightMetadata(classes: ["run", "jump"]))
        refused(
            """
            error: the weight file's metadata name 2 classes, its weights have 3
              where: file 'FOLDER/w.safetensors'
              do: export the weights again, or give the names with --classes
            """
        ) { _ = try take() }
        for (key, text, wanted) in [
            ("kairos_classes", "[\"a\", 2, \"b\"]", "a JSON list of different names"),
            ("kairos_classes", "[\"a\", \"a\"]", "a JSON list of different names"),
            ("kairos_feature_rate", "{}", "the JSON of a rate"),
        ] {
            try SafetensorsFile(arrays: [], metadata: [key: text]).write(to: path("w.safetensors"))
            refused(
                """
                error: '\(key)' in the file's metadata is not \(wanted)
                  where: file 'FOLDER/w.safetensors'
                  do: export the weights again
                """
            ) { _ = try take() }
        }
        // Weights of another width are of another model, whatever their names.
        try writeWeights("actionformer", WeightMetadata(classes: Self.names))
        refused(
            """
            error: the tensor has shape [8, 4, 3], the model wants [16, 4, 3]
              where: file 'FOLDER/w.safetensors', parameter 'backbone.embd.0.conv.weight'
              do: use the configuration the weights were trained with
            """
        ) { _ = try take("actionformer", ["model.embd_dim=16", "model.fpn_dim=16", "model.head_dim=16"]) }
        refused(
            """
            error: class 4 does not exist: the weight file has 3 classes
              where: file 'FOLDER/w.safetensors', key 'training.head_empty_cls'
              do: give indices from 0 to 2
            """
        ) { _ = try take("actionformer", ["training.head_empty_cls=[4]"]) }
    }

    /// What goes out comes back.
    func testExportedMetadata() throws {
        try writeStore(classes: [])
        try writeWeights("actionformer", WeightMetadata(classes: ["a \"quoted\" name", "b", "ç"], featureRate: Self.rate))
        _ = try take()
        let metadata = try Checkpoint(path: path("c.h5")).exportedMetadata(.ema)
        XCTAssertEqual(Set(metadata.keys), ["format", "kairos_step", "kairos_weights", "kairos_program", "kairos_classes", "kairos_feature_rate"])
        XCTAssertEqual(metadata["kairos_classes"], #"["a \"quoted\" name","b","ç"]"#)
        XCTAssertEqual(metadata["kairos_weights"], "ema")
        let file = SafetensorsFile(arrays: [], metadata: metadata)
        try file.write(to: path("x.safetensors"))
        let read = try WeightMetadata(try SafetensorsFile(path: path("x.safetensors")), path: "x")
        XCTAssertEqual(read, WeightMetadata(classes: ["a \"quoted\" name", "b", "ç"], featureRate: Self.rate))
    }

    // MARK: Training on

    private func resume(_ overrides: [String] = []) throws -> TrainingRun {
        try FileManager.default.createDirectory(atPath: path("r/checkpoints"), withIntermediateDirectories: true)
        try? FileManager.default.removeItem(atPath: path("r/checkpoints/step-00000000.h5"))
        try FileManager.default.copyItem(atPath: path("c.h5"), toPath: path("r/checkpoints/step-00000000.h5"))
        return try TrainingRun(
            try configuration("actionformer", overrides), folder: path("r"), resume: true, communicator: try Communicator.world())
    }

    /// Labels are numbers in the store's order: imported weights whose classes have other numbers are not trained on, nor those of another rate.
    func testTrainingImportedWeightsOn() throws {
        try writeStore(classes: ["jump", "run", "sit"])
        try writeWeights("actionformer", WeightMetadata(classes: Self.names, featureRate: Self.rate))
        _ = try take()
        refused(
            """
            error: training cannot go on: the store's classes are not those of the checkpoint: class 0 is 'jump' in the store and 'run' in the checkpoint
              where: file 'FOLDER/r/checkpoints/step-00000000.h5', file 'FOLDER/s.h5'
              do: make the store with the same classes in the same order (import them with --classes)
            """
        ) { _ = try resume() }

        try writeStore(classes: Self.names, stride: 30)
        let taken = try take()
        XCTAssertEqual(
            taken.notes,
            [
                "warning: the rows of 2 of 2 videos are 1 s apart, the weights were trained on rows 0.5 s apart: "
                    + "detection on this store wants --resample, training on it an import with --rate-of-store"
            ])
        refused(
            """
            error: training cannot go on: the rows of 2 of 2 videos are 1 s apart, the weights of the checkpoint were trained on rows 0.5 s apart
              where: file 'FOLDER/r/checkpoints/step-00000000.h5', file 'FOLDER/s.h5', video 'a'
              do: make the store at that rate, or import the weights with --rate-of-store to train them on at this one
            """
        ) { _ = try resume() }
        let adopted = try take { $0.takesRateOfStore = true }
        XCTAssertEqual(adopted.notes, [])
        XCTAssertEqual(adopted.header.featureRate, try FeatureStore(path: path("s.h5")).rate)
        XCTAssertEqual(try resume().notes.last, "going on from step 0 of 2")
    }

    /// The checkpoint of the run's end keeps its metrics and its rate; the digest is that of the run without them.
    func testTheLastCheckpointHoldsTheMetrics() throws {
        try writeStore(classes: Self.names)
        func run(_ name: String, _ overrides: [String]) throws -> (digest: String, header: Checkpoint.Header) {
            let training = try TrainingRun(
                try configuration("actionformer", overrides), folder: path(name), resume: false, communicator: try Communicator.world())
            let outcome = try training.run()
            let checkpoint = try Checkpoint(path: outcome.checkpoint)
            XCTAssertEqual(checkpoint.digest, outcome.digest)
            return (outcome.digest, checkpoint.header)
        }
        let evaluated = try run("e", ["training.checkpoint_every=1"])
        XCTAssertEqual(evaluated.header.metrics + "\n", try String(contentsOfFile: path("e/metrics.json"), encoding: .utf8))
        XCTAssertTrue(evaluated.header.metrics.contains("\"average_mAP\""))
        XCTAssertEqual(evaluated.header.featureRate, try FeatureStore(path: path("s.h5")).rate)
        XCTAssertEqual(evaluated.header.programDigest, ProgramVersion.buildDigest)
        XCTAssertEqual(try Checkpoint(path: path("e/checkpoints/step-00000001.h5")).header.metrics, "")
        let silent = try run("s", ["data.evaluation_subset=null"])
        XCTAssertEqual(silent.header.metrics, "")
        XCTAssertEqual(silent.digest, evaluated.digest)
    }

    /// A store whose subsets have rows of different rates.
    func testEvaluationAtAnotherRateIsAWarning() throws {
        var features = MemoryFeatures(classes: ["run"])
        let action = ActionInstance(segment: Segment(start: 2, end: 6), label: 0)
        features.add("a", subset: "Validation", rows: 30, stride: 15, window: 30, instances: [action])
        features.add("b", subset: "Test", rows: 30, stride: 60, window: 30, instances: [action])
        try FeatureStoreWriter().write(features, to: path("s.h5"))
        let training = try TrainingRun(try configuration(), folder: path("r"), resume: false, communicator: try Communicator.world())
        XCTAssertTrue(
            training.notes.contains("warning: evaluation: the rows of 1 of 1 videos are 2 s apart, the run trains on rows 0.5 s apart"),
            "\(training.notes)")
    }
}
