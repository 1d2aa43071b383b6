import Ablation
import Detectors
import Foundation
import PyramidDetectors
import StandardRegistry
import TrainingMethods
import XCTest

/// What docs/ and configs/ say about configurations.
final class ConfigurationDocumentTests: XCTestCase {
    private let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// The tables in the document are the program's.
    func testDocumentHasTheTablesOfTheProgram() throws {
        let path = root.appendingPathComponent("docs/configuration.md").path, text = try String(contentsOfFile: path, encoding: .utf8)
        let renewed = try ConfigurationReference(.standard).renewed(text, file: path)
        for (here, wanted) in zip(text.split(separator: "\n"), renewed.split(separator: "\n")) where here != wanted {
            return XCTFail("write the tables anew with 'kairos configuration --renew docs/configuration.md': \(here) should be \(wanted)")
        }
        XCTAssertEqual(text, renewed)
    }

    /// Tables without a place, and places without a table, are refused.
    func testDocumentsThatDoNotFitTheTables() throws {
        let reference = ConfigurationReference(.standard), whole = reference.markdown
        XCTAssertEqual(try reference.renewed("a\n" + whole + "b\n", file: "d.md"), "a\n" + whole + "b\n")
        let names = reference.tables.map(\.name)
        XCTAssertEqual(names.prefix(5), ["data", "model", "model: actionformer", "model: tridet", "model: temporalmaxer"])
        func refused(_ document: String, _ expected: String, line: UInt = #line) {
            XCTAssertThrowsError(try reference.renewed(document, file: "d.md"), line: line) { XCTAssertEqual("\($0)", expected, line: line) }
        }
        refused(
            whole.replacingOccurrences(of: "<!-- keys of icd -->", with: "<!-- keys of icq -->"),
            """
            error: the mark '<!-- keys of icq -->' begins no table, begins one twice, or has no end
              where: file 'd.md'
              do: correct or remove it; the tables are: \(names.joined(separator: ", "))
            """)
        refused(
            String(whole[..<(try XCTUnwrap(whole.range(of: "<!-- keys of fustal")).lowerBound)]),
            """
            error: the document has no place for the table 'fustal'
              where: file 'd.md'
              do: write '<!-- keys of fustal -->' and '<!-- end of keys -->' on lines of their own where it belongs
            """)
    }

    /// What `kairos configuration` prints is a configuration: all keys at their defaults, each with its meaning above it.
    func testPrintedConfigurationsReadBack() throws {
        let needed = ["data.store=s.h5", "training.iterations=10", "apl.round_iterations=5"]
        for detector in Registry.standard.detectors {
            for method in Registry.standard.methods {
                var run = RunConfiguration()
                run.model = detector.init()
                run.methodName = method.name
                for allMethods in [true, false] {
                    let text = run.commentedYAML(allMethods: allMethods), name = "\(detector.name), \(method.name), \(allMethods)"
                    let read = try RunConfiguration(yaml: text, file: "printed.yaml", overrides: needed)
                    let chosen = ["model.name=\(detector.name)", "method.name=\(method.name)"]
                    XCTAssertEqual(read, try RunConfiguration(yaml: "", file: "empty.yaml", overrides: chosen + needed), name)
                    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
                    for (line, next) in zip(lines, lines.dropFirst()) where next.hasPrefix("  ") && !next.hasPrefix("  #") {
                        XCTAssertTrue(line.hasPrefix("  # "), "\(name): \(next)")
                    }
                    XCTAssertEqual(text.contains("\nicd:\n"), allMethods || method.name == "apl", name)
                    XCTAssertFalse(text.contains { $0 == "]" } && text.contains("]("), name)
                }
            }
        }
    }

    /// Every key says what it decides; the canonical form of the defaults changes only where keys are added.
    func testEveryKeyHasAMeaning() {
        for table in ConfigurationReference(.standard).tables {
            for key in table.keys { XCTAssertFalse(key.meaning.isEmpty || key.meaning.contains("|") || key.meaning.contains("\n"), key.key) }
        }
        var run = RunConfiguration()
        XCTAssertEqual(run.digest, "5a01b996fa26ac7afbb966a69688553c61d13f0240d3ac5939cf6236ee653b57")
        run.model = TriDetConfiguration()
        XCTAssertEqual(run.digest, "0418548efdb0361c0ac96d960e2094e38e29ebea2489abd0587fd57001ce8c4d")
    }

    func testExampleConfigurationsCanBeRead() throws {
        let folder = root.appendingPathComponent("configs").path
        let names = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".yaml") && !$0.hasPrefix("ablation") }.sorted()
        XCTAssertTrue(
            Set(names).isSuperset(of: [
                "demo.yaml", "sbhar_supervised.yaml", "thumos14_i3d_supervised.yaml", "sbhar_apl.yaml", "thumos14_i3d_apl.yaml",
                "activitynet_i3d_apl.yaml", "sbhar_tridet.yaml", "thumos14_i3d_tridet.yaml", "thumos14_i3d_temporalmaxer.yaml", "sbhar_fustal.yaml",
                "thumos14_i3d_fustal.yaml",
                "activitynet_i3d_fustal.yaml",
            ]), "\(names)")
        for name in names where !name.hasPrefix("ablation_") {
            let run = try RunConfiguration(path: folder + "/" + name)
            XCTAssertEqual(try RunConfiguration(yaml: run.canonicalYAML, file: name), run, name)
            // Files of proposals lie where a user has them.
            let made = run.model.name == "pgcn" ? try RunConfiguration(path: folder + "/" + name, overrides: ["model.proposals=[]"]) : run
            XCTAssertNoThrow(try made.detector(inputDimension: made.model.expectedDimension ?? 64, classes: 12), name)
        }
    }

    /// Every run of the grids has a configuration that `train` would take.
    func testExampleGridsCanBePlanned() throws {
        let folder = root.appendingPathComponent("configs").path
        let names = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasPrefix("ablation_") }.sorted()
        XCTAssertTrue(names.contains("ablation_sbhar.yaml"), "\(names)")
        for name in names {
            var grid = try AblationGrid(path: folder + "/" + name)
            grid.configuration = root.appendingPathComponent(grid.configuration).path
            let runs = try grid.plan(folder: folder + "/nowhere", overrides: ["data.labeled_order=order.json"], registry: .standard)
            XCTAssertEqual(runs.count, grid.settings.count * grid.labeledFractions.count * grid.seeds.count, name)
            // No two settings train alike.
            let configurations = try grid.settings.map { try RunConfiguration(path: grid.configuration, overrides: $0.overrides).digest }
            XCTAssertEqual(Set(configurations).count, configurations.count, name)
        }
    }

    /// The protocol that results are compared under.
    func testSBHARProtocol() throws {
        let run = try RunConfiguration(path: root.appendingPathComponent("configs/sbhar_supervised.yaml").path)
        let model = try XCTUnwrap(try run.detector(inputDimension: 150, classes: 12) as? ActionFormer).configuration
        XCTAssertEqual([model.embeddingDimension, model.neckDimension, model.headDimension], [256, 256, 256])
        XCTAssertEqual(model.windows, Array(repeating: 9, count: 6))
        XCTAssertEqual(model.regressionRanges, [0...4, 2...8, 4...16, 8...32, 16...64, 32...10000])
        XCTAssertEqual(run.iterations(perEpoch: 2), 600)
        XCTAssertEqual(run.warmupIterations(perEpoch: 2), 30)
        XCTAssertEqual(run.data.batchSize, 2)
        XCTAssertEqual(run.training.learningRate, 1e-4)
        XCTAssertEqual(run.training.weightDecay, 0.05)
        XCTAssertEqual(run.training.clipGradientNorm, 1)
        XCTAssertEqual(run.training.dropPath, 0.1)
        XCTAssertEqual(run.training.initialLossNorm, 100)
        XCTAssertEqual(run.training.evaluateWeights, .current)
        XCTAssertEqual(run.data.maxRows, 1280)
        XCTAssertEqual(run.test.tiouThresholds, [0.3, 0.4, 0.5, 0.6, 0.7])
        let detection = model.detection
        XCTAssertEqual([detection.preNMSThresh, detection.minScore, detection.nmsSigma, detection.durationThresh], [0.001, 0.001, 0.5, 0.05])
        XCTAssertEqual([detection.preNMSTopK, detection.maxSegNum], [2000, 200])
        XCTAssertEqual(detection.nmsMethod, .soft)
        XCTAssertTrue(detection.multiclassNMS)
    }
}
