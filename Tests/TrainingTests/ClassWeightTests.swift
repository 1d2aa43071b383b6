import Collectives
import FeatureStore
import Foundation
import RunRecords
import StandardRegistry
import TemporalAnnotations
import Training
import TrainingMethods
import XCTest

/// `training.class_weights` and `training.accumulate`: in every detector's losses, refused where they mean nothing.
final class ClassWeightTests: RunConfigurationTestCase {
    private var folder = ""

    override func setUpWithError() throws {
        folder = NSTemporaryDirectory() + "kairos-classes-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        var annotations = try SyntheticFeatures.annotations(videos: 24, classes: 3, seed: 4)
        annotations.classes = ClassMap(names: ["run", "jump", "sit's"])
        try FeatureStoreWriter().write(
            try SyntheticFeatures(annotations: annotations, dimension: 5, stride: 15, window: 30, seed: 4), to: folder + "/s.h5")
    }
    override func tearDown() { try? FileManager.default.removeItem(atPath: folder) }

    private func run(_ name: String, _ model: String = "actionformer", _ overrides: [String] = [], resume: Bool = false) throws -> TrainingRun {
        let configuration = try RunConfiguration(
            yaml: """
                data: {store: "\(folder)/s.h5", virtual_shards: 2, batch_size: 8, max_rows: 64, evaluation_subset: null}
                model: \(TinyModels.sections[model] ?? "")
                training: {iterations: 3, learning_rate: 0.01, threads: 1, log_every: 1, droppath: 0.0}
                """, file: "run.yaml", overrides: overrides)
        return try TrainingRun(
            configuration, folder: "\(folder)/\(name)", resume: resume, communicator: try Communicator.world(), observers: [LogObserver()])
    }

    private func losses(_ name: String) throws -> [[String: Double]] { try RunLog.read("\(folder)/\(name)/log.jsonl").map(\.loss) }

    /// Weights of 1 change no bit; twice the weight of every class is twice the classification loss of the first step, and nothing else.
    func testEveryDetectorWeighsItsClasses() throws {
        for model in TinyModels.sections.keys.sorted() {
            let plain = try run("\(model)-plain", model).run()
            let ones = try run("\(model)-ones", model, ["training.class_weights={run: 1, \"sit's\": 1.0}"]).run()
            XCTAssertEqual(ones.digest, plain.digest, model)
            _ = try run("\(model)-twos", model, ["training.class_weights={run: 2, jump: 2, \"sit's\": 2}"]).run()
            let once = try losses("\(model)-plain")[0], twice = try losses("\(model)-twos")[0]
            XCTAssertEqual(try XCTUnwrap(twice["classification"]), 2 * (try XCTUnwrap(once["classification"])), accuracy: 1e-9, model)
            XCTAssertEqual(twice["regression"], once["regression"], model)
            let balanced = try run("\(model)-balanced", model, ["training.class_weights=balanced"])
            XCTAssertTrue(balanced.notes.contains { $0.hasPrefix("class weights: 'run' ") && $0.contains("'sit's' ") }, "\(balanced.notes)")
            XCTAssertNotEqual(try balanced.run().digest, plain.digest, model)
        }
    }

    func testWeights() throws {
        let names = ["a", "b", "c", "d"]
        XCTAssertEqual(try ClassWeighting.balanced.weights(names, counts: [6, 2, 0, 1], store: "s.h5"), [0.5, 1.5, 1, 3])
        XCTAssertEqual(try ClassWeighting.balanced.weights(names, counts: [0, 0, 0, 0], store: "s.h5"), [1, 1, 1, 1])
        let run = try read(minimal, ["training.class_weights={c: 3, a: 0}"])
        XCTAssertEqual(try run.training.tuning.classWeights?.weights(names, counts: [], store: "s.h5"), [0, 1, 3, 1])
        XCTAssertTrue(run.canonicalYAML.contains("  class_weights: {c: 3.0, a: 0.0}\n"))
        XCTAssertEqual(try read(run.canonicalYAML), run)
        XCTAssertTrue(try read(minimal, ["training.class_weights=balanced"]).canonicalYAML.contains("  class_weights: balanced\n"))
        // Actions of the labelled recordings, counted by hand; where a method learns from classes, the recordings that have them.
        let store = try FeatureStore(path: folder + "/s.h5")
        var counts = [Int](repeating: 0, count: 3), recordings = counts
        for index in [0, 1, 2] {
            for instance in store.videos[index].annotation.instances { counts[instance.label] += 1 }
            for label in Set(store.videos[index].annotation.instances.map(\.label)) { recordings[label] += 1 }
        }
        for (method, expected) in [("supervised", counts), ("fustal", recordings)] {
            let balanced = try read(minimal, ["training.class_weights=balanced", "method.name=\(method)"])
            let total = Double(expected.reduce(0, +)), present = Double(expected.count { $0 > 0 })
            XCTAssertEqual(
                try balanced.classWeights(store, labeled: [0, 1, 2]), expected.map { $0 == 0 ? 1 : Float(total / (present * Double($0))) }, method)
        }
    }

    func testRefusals() throws {
        XCTAssertThrowsError(try run("a", "actionformer", ["training.class_weights={sits: 2}"])) {
            XCTAssertEqual(
                "\($0)".replacingOccurrences(of: folder, with: "FOLDER"),
                """
                error: the store has no class 'sits'; did you mean 'sit's'?
                  where: file 'FOLDER/s.h5', key 'training.class_weights'
                  do: name classes of the store: run, jump, sit's
                """)
        }
        XCTAssertFalse(FileManager.default.fileExists(atPath: folder + "/a"))
        refused(
            minimal, ["training.class_weights=balance"],
            """
            error: expected balanced or a mapping of class names to weights or null, each from 0 to 1000, found the text 'balance'
              where: key '--set training.class_weights'
              do: correct the value, or leave the key out for its default null
            """)
        refused(
            minimal, ["training.learning_rate_factors={\"a*\": 0}"],
            """
            error: expected a mapping of names to numbers, at most 64, each above 0 and at most 1000, found a section with the keys a*
              where: key '--set training.learning_rate_factors'
              do: correct the value, or leave the key out for its default {}
            """)
    }

    func testRefusedAccumulation() throws {
        refused(
            minimal, ["training.accumulate=2", "data.batch_size=2"],
            """
            error: accumulate is 2, but a virtual shard has 1 of the step's 2 recordings
              where: key '--set training.accumulate'
              do: give at most data.batch_size / data.virtual_shards
            """)
        refused(
            minimal, ["training.accumulate=2", "data.batch_size=8", "training.mixup_alpha=0.5"],
            """
            error: accumulate is 2, but MixUp mixes recordings of a step
              where: key '--set training.accumulate'
              do: set one of the two to its default
            """)
        refused(
            minimal, ["training.accumulate=2", "data.batch_size=8", "method.name=apl"],
            """
            error: accumulate is 2, but the method 'apl' sees the recordings of a step together
              where: key '--set training.accumulate'
              do: set it to 1; more data.virtual_shards hold fewer recordings each
            """)
        refused(
            minimal, ["training.frozen=[\"backbone.*\"]", "method.name=fustal", "fustal.student=false"],
            """
            error: frozen is set, but this run trains no detector
              where: key '--set training.frozen'
              do: remove the key, or train a detector
            """)
        XCTAssertThrowsError(try run("b", "temporalmaxer", ["training.accumulate=2"])) {
            XCTAssertEqual(
                "\($0)",
                """
                error: accumulate is 2, but the detector's targets depend on the outputs for all recordings of a step
                  where: key 'training.accumulate'
                  do: set it to 1; more data.virtual_shards and ranks hold fewer recordings each
                """)
        }
    }

    /// A step in parts has the losses and gradients of the step in one, up to rounding; the parts need not be even, and a resumed run ends in the same bits.
    func testAccumulation() throws {
        for model in ["actionformer", "tridet"] {
            let whole = try run("\(model)-1", model).run()
            for parts in [2, 3, 4] {
                let name = "\(model)-\(parts)", set = ["training.accumulate=\(parts)"]
                let outcome = try run(name, model, set).run()
                let one = try losses("\(model)-1")[0], several = try losses(name)[0]
                for (key, value) in one { XCTAssertEqual(try XCTUnwrap(several[key]), value, accuracy: 1e-5 * abs(value), "\(name) \(key)") }
                let norms = try ["\(model)-1", name].map { try RunLog.read("\(folder)/\($0)/log.jsonl")[0].gradientNorm }
                XCTAssertEqual(norms[1], norms[0], accuracy: 1e-5 * norms[0], name)
                XCTAssertNotEqual(outcome.digest, whole.digest, "sums of other parts are rounded otherwise")
                _ = try run(name + "-stopped", model, set).run(stopAfter: 1)
                XCTAssertEqual(try run(name + "-stopped", model, set, resume: true).run().digest, outcome.digest, name)
            }
        }
    }

    /// The estimate of the memory counts one part's activations.
    func testMemoryOfParts() throws {
        func bytes(_ parts: Int) throws -> Int {
            let configuration = try RunConfiguration(
                yaml: """
                    data: {store: "\(folder)/s.h5", virtual_shards: 1, batch_size: 8, evaluation_subset: null}
                    model: \(TinyModels.sections["actionformer"] ?? "")
                    training: {iterations: 3, threads: 1, accumulate: \(parts)}
                    """, file: "run.yaml")
            return try TrainingTrial.memory(
                configuration, store: try FeatureStore(path: folder + "/s.h5"), communicator: try Communicator.world()
            ).phases.first { $0.name.hasPrefix("training") }?.bytes ?? 0
        }
        let one = try bytes(1), four = try bytes(4)
        XCTAssertGreaterThan(four, 0)
        XCTAssertLessThan(Double(four), 0.6 * Double(one))
    }
}
