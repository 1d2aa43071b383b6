import Checkpoints
import Collectives
import Diagnostics
import FeatureStore
import Foundation
import NeuralNetworks
import RunRecords
import StandardRegistry
import TemporalAnnotations
import Training
import TrainingMethods
import XCTest

/// Runs that begin with weights of others, and train parts of a detector.
final class FineTuningTests: XCTestCase {
    private var folder = ""
    private static let names = ["run", "jump", "sit's"]

    override func setUpWithError() throws {
        folder = NSTemporaryDirectory() + "kairos-tuning-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try writeStore(["sit's", "walk", "run"])
    }
    override func tearDown() { try? FileManager.default.removeItem(atPath: folder) }

    private func writeStore(_ classes: [String]) throws {
        var annotations = try SyntheticFeatures.annotations(videos: 12, classes: classes.count, seed: 4)
        annotations.classes = ClassMap(names: classes)
        try FeatureStoreWriter().write(
            try SyntheticFeatures(annotations: annotations, dimension: 5, stride: 15, window: 30, seed: 4), to: folder + "/s.h5")
    }

    private func configuration(_ model: String = "actionformer", _ overrides: [String] = []) throws -> RunConfiguration {
        try RunConfiguration(
            yaml: """
                data: {store: "\(folder)/s.h5", virtual_shards: 2, batch_size: 2, max_rows: 64, evaluation_subset: null}
                model: \(TinyModels.sections[model] ?? "")
                training: {iterations: 4, learning_rate: 0.01, threads: 1, log_every: 1}
                """, file: "run.yaml", overrides: overrides)
    }

    private func run(_ name: String, _ model: String = "actionformer", _ overrides: [String] = [], resume: Bool = false) throws -> TrainingRun {
        try TrainingRun(
            try configuration(model, overrides), folder: "\(folder)/\(name)", resume: resume, communicator: try Communicator.world(),
            observers: [LogObserver()])
    }

    /// Of a detector drawn from another seed, with other classes.
    @discardableResult
    private func writeWeights(
        _ model: String, classes: [String]? = names, count: Int = 3, keep: (String) -> Bool = { _ in true }
    ) throws
        -> [String: SafetensorsFile.Array]
    {
        let detector = try configuration(model).detector(inputDimension: 5, classes: count)
        detector.initializeParameters(seed: 77)
        var arrays = ParameterArena(detector).published().filter { keep($0.name) }
        // Biases and norms begin with 0 or 1: other numbers show where they go.
        for place in arrays.indices { for i in arrays[place].values.indices { arrays[place].values[i] += 0.001 * Float(i + place) } }
        try SafetensorsFile(arrays: arrays, metadata: WeightMetadata(classes: classes).texts).write(to: folder + "/w.safetensors")
        return Dictionary(uniqueKeysWithValues: arrays.map { ($0.name, $0) })
    }

    private var initial: String { "training.initial_weights=\(folder)/w.safetensors" }

    private func refused(_ expected: String, code: Int32, _ body: () throws -> Void, line: UInt = #line) {
        XCTAssertThrowsError(try body(), line: line) { error in
            XCTAssertEqual("\(error)".replacingOccurrences(of: folder, with: "FOLDER"), expected, line: line)
            XCTAssertEqual((error as? Failure)?.exitCode, code, line: line)
        }
    }

    /// Frozen parts of every detector hold the file's values after four steps, to the bit, in weights and average; classifier rows by name.
    func testInitialAndFrozenValues() throws {
        for model in TinyModels.sections.keys.sorted() {
            let held = try writeWeights(model)
            let outcome = try run(model, model, [initial, "training.frozen=[\"backbone.*\", \"cls_head.*\"]"]).run()
            let checkpoint = try Checkpoint(path: outcome.checkpoint)
            var rows = 0
            for (name, shape) in checkpoint.parameters {
                let now = try checkpoint.readValues(of: name, .current), average = try checkpoint.readValues(of: name, .ema)
                let file = try XCTUnwrap(held[name])
                guard name.hasPrefix("backbone.") || name.hasPrefix("cls_head.") else {
                    XCTAssertNotEqual(now, file.values, "\(model) \(name)")
                    continue
                }
                XCTAssertEqual(now, average, "\(model) \(name)")
                guard shape.first == 3, name.hasPrefix("cls_head.cls_head") else {
                    XCTAssertEqual(now, file.values, "\(model) \(name)")
                    continue
                }
                // sit's, walk, run out of run, jump, sit's.
                let width = now.count / 3
                XCTAssertEqual(Array(now[..<width]), Array(file.values[(2 * width)...]))
                XCTAssertEqual(Array(now[(2 * width)...]), Array(file.values[..<width]))
                for class_ in 0..<3 { XCTAssertNotEqual(Array(now[width..<2 * width]), Array(file.values[(class_ * width)..<(class_ + 1) * width])) }
                rows += 1
            }
            XCTAssertEqual(rows, 2, model)
        }
    }

    func testWhatIsSaid() throws {
        let held = try writeWeights("actionformer", keep: { !$0.hasPrefix("reg_head.") })
        let all = try configuration().detector(inputDimension: 5, classes: 3).namedParameters.map(\.name)
        let missing = all.filter { $0.hasPrefix("reg_head.") }
        func notes(_ more: [String] = []) throws -> [String] {
            let name = UUID().uuidString
            return try run(name, "actionformer", [initial] + more).notes.filter { $0.contains("initial weights") }.map {
                $0.replacingOccurrences(of: folder, with: "FOLDER")
            }
        }
        let taken = all.filter { held[$0] != nil }
        let few = { (names: [String]) in names.prefix(3).joined(separator: ", ") + (names.count > 3 ? ", ..." : "") }
        XCTAssertEqual(
            try notes(),
            [
                "initial weights: \(taken.count) of the model's \(all.count) parameters are taken from 'FOLDER/w.safetensors' (\(few(taken)))",
                "initial weights: classifier rows of 2 of the 3 classes are taken by name: 'sit's', 'run'",
                "initial weights: \(missing.count) are not in the file and begin as drawn (\(few(missing)))",
            ])
        try writeWeights("actionformer", classes: nil)
        XCTAssertEqual(
            try notes().last, "warning: initial weights: 'FOLDER/w.safetensors' names no classes, classifier rows are taken in their order")
        // Two classes, of which the store has none; a head of other width.
        try writeWeights("actionformer", classes: ["a", "b"], count: 2)
        let none = try notes()
        XCTAssertEqual(none[1], "initial weights: classifier rows of 0 of the 3 classes are taken by name")
        XCTAssertEqual(
            none[2],
            "initial weights: 2 do not fit and begin as drawn (cls_head.cls_head.conv.weight: no class of the model's is in the file, "
                + "cls_head.cls_head.conv.bias: no class of the model's is in the file)")
        let unfit = try XCTUnwrap(try notes(["model.head_kernel_size=5"]).last)
        XCTAssertTrue(
            unfit.contains("do not fit and begin as drawn (cls_head.head.0.conv.weight: [8, 8, 3] in the file, [8, 8, 5] in the model, "), unfit)
    }

    func testRefusedWeights() throws {
        // The biases of the classes fit heads of any width.
        let held = try writeWeights("actionformer", keep: { $0.hasPrefix("cls_head.") && $0 != "cls_head.cls_head.conv.bias" }).count
        let count = try configuration().detector(inputDimension: 5, classes: 3).namedParameters.count
        refused(
            """
            error: none of the model's \(count) parameters fits a tensor of the file: \(count - held) are not there, \(held) have another shape
              where: file 'FOLDER/w.safetensors', key 'training.initial_weights'
              do: name weights of the same detector, or set the keys of the section model as they were for these weights
            """, code: 3
        ) {
            let other = ["model.head_kernel_size=5", "model.head_num_layers=3", "model.head_dim=16"]
            _ = try run("a", "actionformer", [initial] + other)
        }
        refused(
            """
            error: the weight file cannot be read
              where: file 'FOLDER/none.h5', key 'training.initial_weights'
              do: check the path
            """, code: 3
        ) { _ = try run("a", "actionformer", ["training.initial_weights=\(folder)/none.h5"]) }
        var arrays = try SafetensorsFile(path: folder + "/w.safetensors").arrays
        arrays[1].values[2] = .nan
        try SafetensorsFile(arrays: arrays).write(to: folder + "/w.safetensors")
        refused(
            """
            error: value 2 is nan
              where: file 'FOLDER/w.safetensors', parameter '\(arrays[1].name)', key 'training.initial_weights'
              do: take weights of a run that did not diverge
            """, code: 3
        ) { _ = try run("a", "actionformer", [initial]) }
        refused(
            """
            error: the pattern 'backbones.*' fits no parameter; did you mean 'backbone.*', 'backbone.stem.*' or 'backbone.embd.*'?
              where: key 'training.learning_rate_factors'
              do: correct or remove the pattern; the model's parts are backbone.*, neck.*, cls_head.*, reg_head.*
            """, code: 2
        ) { _ = try run("a", "actionformer", ["training.learning_rate_factors={\"backbones.*\": 0.1}"]) }
        refused(
            """
            error: all \(count) parameters of the detector are frozen: nothing is learnt
              where: key 'training.frozen'
              do: leave some out, such as the heads
            """, code: 2
        ) { _ = try run("a", "actionformer", ["training.frozen=[\"*\"]"]) }
        XCTAssertFalse(FileManager.default.fileExists(atPath: folder + "/a"), "nothing is written")
    }

    /// A run's own checkpoint, a run that goes on without the file, and factors of 1, which change no bit.
    func testCheckpointsFactorsAndResuming() throws {
        let first = try run("first").run()
        XCTAssertEqual(
            try run("same", "actionformer", ["training.learning_rate_factors={\"*\": 0.5, \"*.*\": 1}"]).run().digest,
            first.digest)
        try FileManager.default.copyItem(atPath: first.checkpoint, toPath: folder + "/begin.h5")
        let tuned = [
            "training.initial_weights=\(folder)/begin.h5", "training.frozen=[\"backbone.embd*\"]",
            "training.learning_rate_factors={\"backbone.*\": 0.1}",
        ]
        let training = try run("tuned", "actionformer", tuned)
        XCTAssertTrue(
            training.notes.contains { $0.contains("are frozen") && $0.hasSuffix("learning rates: backbone.* times 0.1") }, "\(training.notes)")
        let whole = try training.run()
        XCTAssertNotEqual(whole.digest, first.digest)
        _ = try run("part", "actionformer", tuned).run(stopAfter: 2)
        try FileManager.default.removeItem(atPath: folder + "/begin.h5")
        let resumed = try run("part", "actionformer", tuned, resume: true)
        XCTAssertFalse(resumed.notes.contains { $0.contains("initial weights") })
        XCTAssertEqual(try resumed.run().digest, whole.digest)
    }
}
