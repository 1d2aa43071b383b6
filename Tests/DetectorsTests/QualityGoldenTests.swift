import Autograd
import Detectors
import HDF5
import Kernels
import TestSupport
import XCTest

/// ALQA against numbers computed in float64 from the paper's equations, element by element.
final class QualityGoldenTests: XCTestCase {
    func testGoldenQualityOutputsLossesAndGradients() throws {
        for path in try Fixtures.files(matching: "apl_losses", suffix: ".h5") {
            let file = try HDF5File.open(path)
            defer { file.close() }
            func input(_ name: String) throws -> [Float] { try file.readFloats("alqa/input/\(name)") }
            func attribute(_ name: String) throws -> Float { Float(try file.doubleAttribute(of: "alqa", named: name)) }
            let shape = try file.shape(of: "alqa/input/cls_logits"), points = shape[0], classes = shape[1]
            XCTAssertEqual(try file.shape(of: "alqa/input/pred_offsets"), [points, 2])
            XCTAssertEqual(try file.shape(of: "alqa/output/joint"), [points, classes])
            XCTAssertEqual(try attribute("gamma"), 2)
            let positives = try file.readInts("alqa/input/positive").enumerated().filter { $0.element != 0 }.map(\.offset)
            XCTAssertGreaterThan(positives.count, 0)
            let targets = PointTargets(classes: try input("onehot"), offsets: try input("true_offsets"), positives: positives)
            var settings = QualitySettings(.tiouTND)
            settings.floor = try attribute("eps")
            settings.localizationWeight = try attribute("loc_weight")
            settings.alpha = try attribute("alpha")
            let normalizer = try attribute("normalizer")

            for (score, group) in [(QualitySettings.FocalScore.joint, "focal_on_joint"), (.classScore, "focal_on_class")] {
                settings.focalScore = score
                let logits = Tensor(rows: points, columns: classes, try input("cls_logits"), requiresGradient: true)
                let offsets = Tensor(rows: points, columns: 2, try input("pred_offsets"), requiresGradient: true)
                let tiou = Tensor(rows: points, columns: 1, try input("tiou_logits"), requiresGradient: true)
                let tnd = Tensor(rows: points, columns: 1, try input("tnd_logits"), requiresGradient: true)
                let quality = QualityLogits([tiou, tnd])

                func assertOutput(_ name: String, _ values: [Float]) throws {
                    assertClose(name, values, try file.readFloats("alqa/output/\(name)"), absolute: 2e-7, relative: 2e-6)
                }
                let scores = QualityScores(quality, settings: settings)
                try assertOutput("p_tiou", scores.overlap)
                try assertOutput("p_tnd", try XCTUnwrap(scores.distance))
                try assertOutput("p_diou", scores.reliability)
                try assertOutput("joint", scores.jointScores(logits))
                try assertOutput("soft_target", scores.softTargets(targets.classes, classes: classes))
                var overlap = [Float](repeating: .nan, count: points), distance = overlap
                QualityAssessment.overlap(
                    offsets.values, targets.offsets, count: points, tiou: &overlap, tnd: &distance)
                try assertOutput("tiou", overlap)
                try assertOutput("tnd", distance)

                let (classification, localization) = QualityLosses.seed(
                    logits: logits, offsets: offsets, quality: quality, targets: targets, settings: settings, normalizer: normalizer)
                let regression = PointLosses.regression(
                    offsets, targets: targets.offsets, positives: positives, weight: 1, normalizer: normalizer)
                let total = classification + regression + Double(settings.localizationWeight) * localization
                for (name, value) in [("cls_loss", classification), ("reg_loss", regression), ("loc_loss", localization), ("total", total)] {
                    assertClose("\(group) \(name)", [Float(value)], try file.readFloats("alqa/\(group)/\(name)"), absolute: 1e-7, relative: 2e-6)
                }
                for (name, tensor) in [("cls_logits", logits), ("pred_offsets", offsets), ("tiou_logits", tiou), ("tnd_logits", tnd)] {
                    assertClose(
                        "\(group) gradient of \(name)", try XCTUnwrap(tensor.gradientArray), try file.readFloats("alqa/\(group)/grad/\(name)"),
                        absolute: 2e-8, relative: 2e-5)
                }
            }
        }
    }
}
