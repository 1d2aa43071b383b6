import Ablation
import Detectors
import Foundation
import StandardRegistry
import TrainingMethods
import XCTest

/// What docs/ and configs/ say about configurations.
final class ConfigurationDocumentTests: XCTestCase {
    private let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Every key stands in the document once, with its default, in the order of the program (those that TriDet alone has behind the other keys of
    /// the model); nothing else does.
    func testDocumentNamesEveryKeyWithItsDefault() throws {
        let text = try String(contentsOf: root.appendingPathComponent("docs/configuration.md"), encoding: .utf8)
        let sections = ["data", "model", "training", "test", "method", "apl", "icd", "acp", "fustal"]
        let rows = text.split(separator: "\n").filter { row in sections.contains { row.hasPrefix("| `\($0).") } }
        let documented = rows.map { row -> String in
            let cells = row.components(separatedBy: " | ")
            return cells[0].dropFirst(3).dropLast() + " = " + cells[1].dropFirst().dropLast()
        }
        var lines = RunConfiguration().lines, other = RunConfiguration()
        other.model = TriDetConfiguration()
        let own = other.lines.filter { line in !lines.contains { $0.key == line.key } }
        XCTAssertEqual(own.count, 9)
        lines.insert(contentsOf: own, at: try XCTUnwrap(lines.lastIndex { $0.path[0] == "model" }) + 1)
        XCTAssertEqual(documented, lines.map { "\($0.key) = \($0.value)" })
    }

    func testExampleConfigurationsCanBeRead() throws {
        let folder = root.appendingPathComponent("configs").path
        let names = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".yaml") && !$0.hasPrefix("ablation") }.sorted()
        XCTAssertTrue(
            Set(names).isSuperset(of: [
                "demo.yaml", "sbhar_supervised.yaml", "thumos14_i3d_supervised.yaml", "sbhar_apl.yaml", "thumos14_i3d_apl.yaml",
                "activitynet_i3d_apl.yaml", "sbhar_tridet.yaml", "thumos14_i3d_tridet.yaml", "sbhar_fustal.yaml", "thumos14_i3d_fustal.yaml",
                "activitynet_i3d_fustal.yaml",
            ]), "\(names)")
        for name in names where !name.hasPrefix("ablation_") {
            let run = try RunConfiguration(path: folder + "/" + name)
            XCTAssertEqual(try RunConfiguration(yaml: run.canonicalYAML, file: name), run, name)
            XCTAssertNoThrow(try run.detector(inputDimension: run.model.expectedDimension ?? 64, classes: 12), name)
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
