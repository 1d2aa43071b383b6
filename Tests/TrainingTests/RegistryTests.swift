import Configuration
import Detectors
import FeatureStore
import PyramidDetectors
import Sampling
import StandardRegistry
import Training
import TrainingMethods
import XCTest

/// A detector and a method that only this test knows: what a configuration says of them comes from their settings alone.
final class RegistryTests: XCTestCase {
    private struct ToySettings: DetectorSettings {
        static let name = "toy"
        static let title = "Toy"
        static let hasDropout = false
        var width = 3
        var bins = 4

        mutating func visit(_ keys: ConfigurationKeys) throws {
            try keys.value("width", &width, .within(1...9), unit: "channels", meaning: "of the toy")
            try keys.value("num_bins", &bins, meaning: "bins of the toy")
        }
        func check(_ keys: ConfigurationKeys) throws {
            if width > bins { throw keys.refusal("width \(width) is above num_bins \(bins)", at: "model.width", advice: "lower it") }
        }
        var expectedDimension: Int? { nil }
        var usualRows: Int { 8 }
        func make(inputDimension: Int, classes: Int, options: DetectorOptions) -> any Detector {
            ActionFormerConfiguration().make(inputDimension: inputDimension, classes: classes, options: options)
        }
    }

    private struct GuessSettings: MethodSettings {
        static let name = "guess"
        static let summary = "nothing"
        var luck = 0.5

        mutating func visit(_ keys: ConfigurationKeys) throws {
            try keys.section("luck") { try keys.value("luck", &luck, .within(0...1), meaning: "how much of it") }
        }
        func check(_ run: RunConfiguration, _ keys: ConfigurationKeys) throws {
            if luck == 1 { throw keys.refusal("luck 1 is too much", at: "luck.luck", advice: "lower it") }
        }
        var trainsDetector: Bool { false }
        func make(
            _ run: RunConfiguration, store: FeatureStore, detector: any Detector, recordings: TrainingRecordings
        ) throws -> any TrainingMethod {
            try SupervisedSettings().make(run, store: store, detector: detector, recordings: recordings)
        }
    }

    private let registry = Registry(
        detectors: Registry.standard.detectors + [ToySettings.self], methods: Registry.standard.methods + [GuessSettings.self])

    private func read(_ overrides: [String]) throws -> RunConfiguration {
        try RunConfiguration(yaml: "", file: "run.yaml", overrides: ["data.store=s.h5"] + overrides, registry: registry)
    }

    private func refused(_ overrides: [String], _ expected: String, line: UInt = #line) {
        XCTAssertThrowsError(try read(overrides), line: line) { XCTAssertEqual("\($0)", expected, line: line) }
    }

    func testSettingsAreReadCheckedAndWritten() throws {
        let run = try read(["model.name=toy", "model.width=2", "method.name=guess", "luck.luck=0.25"])
        XCTAssertEqual((run.model as? ToySettings)?.width, 2)
        XCTAssertEqual(run[GuessSettings.self].luck, 0.25)
        XCTAssertEqual(run.method as? GuessSettings, run[GuessSettings.self])
        XCTAssertTrue(run.canonicalYAML.contains("model:\n  name: toy\n  width: 2\n  num_bins: 4\ntraining:\n"), run.canonicalYAML)
        XCTAssertTrue(run.canonicalYAML.hasSuffix("luck:\n  luck: 0.25\n"), run.canonicalYAML)
        XCTAssertEqual(try RunConfiguration(yaml: run.canonicalYAML, file: "c.yaml", registry: registry), run)
        XCTAssertNotEqual(try read(["model.name=toy", "method.name=guess"]), run)
    }

    func testMessagesNameWhatIsRegistered() {
        refused(
            ["model.name=toyy"],
            """
            error: expected one of actionformer, tridet, temporalmaxer, bmn, pgcn, toy, found the text 'toyy'
              where: key '--set model.name'
              do: correct the value, or leave the key out for its default actionformer
            """)
        refused(
            ["method.name=apl2"],
            """
            error: expected one of supervised, apl, fustal, guess, found the text 'apl2'
              where: key '--set method.name'
              do: correct the value, or leave the key out for its default supervised
            """)
        // Two detectors have it.
        refused(
            ["model.num_bins=3", "training.iterations=2"],
            """
            error: 'num_bins' belongs to the detector tridet or toy, but model.name is actionformer
              where: key '--set model.num_bins'
              do: remove the key, or set model.name to tridet or toy
            """)
        refused(
            ["model.name=toy", "model.width=5", "method.name=guess"],
            """
            error: width 5 is above num_bins 4
              where: key '--set model.width'
              do: lower it
            """)
        refused(
            ["model.name=toy", "method.name=guess", "training.dropout=0.5"],
            """
            error: dropout 0.5 is set, but Toy has none
              where: key '--set training.dropout'
              do: remove the key; training.droppath is there
            """)
        refused(
            ["method.name=guess", "luck.luck=1"],
            """
            error: luck 1 is too much
              where: key '--set luck.luck'
              do: lower it
            """)
        // The sections of other methods are read all the same; their checks are not made.
        XCTAssertNoThrow(try read(["luck.luck=1", "training.iterations=2"]))
        XCTAssertEqual(registry.pseudoLabelDetectors, "actionformer, tridet, temporalmaxer, bmn or pgcn")
        XCTAssertEqual(registry.studentDetectors, "actionformer, tridet, temporalmaxer or bmn")
        XCTAssertEqual(registry.levelDetectors, "actionformer, tridet, temporalmaxer or bmn")
    }

    func testTablesOfWhatIsRegistered() throws {
        let tables = ConfigurationReference(registry).tables
        XCTAssertEqual(
            tables.map(\.name),
            [
                "data", "model", "model: actionformer", "model: tridet", "model: temporalmaxer", "model: bmn", "model: pgcn", "model: toy",
                "training",
                "test", "method", "apl", "icd", "acp", "fustal", "luck",
            ])
        // No key is common to all six.
        XCTAssertEqual(tables[1].keys.map(\.key), ["model.name"])
        XCTAssertTrue(tables[7].markdown.contains("| `model.width` | `3` | channels, from 1 to 9 | of the toy |\n"), tables[7].markdown)
        XCTAssertEqual(tables.last?.method, "guess")
    }
}
