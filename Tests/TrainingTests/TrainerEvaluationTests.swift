import Checkpoints
import Detectors
import FeatureStore
import Foundation
import RunRecords
import StandardRegistry
import TemporalAnnotations
import Training
import TrainingMethods
import XCTest

/// What a run detects and measures at its end.
final class TrainerEvaluationTests: ToyRunTestCase {
    func testEvaluationSeesEachRecordingOnceAndWritesItsFiles() throws {
        let outcome = try run("evaluated").run()
        let evaluation = try XCTUnwrap(outcome.evaluation)
        let store = try FeatureStore(path: self.store)
        let detections = try DetectionFile.read(
            folder + "/evaluated/predictions.json", classes: store.classes, videos: Set(store.videos.map(\.id)))
        XCTAssertEqual(detections.map(\.video), store.videos.filter { $0.annotation.subset == "Test" }.map(\.id))
        let written =
            try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: folder + "/evaluated/metrics.json"))) as? [String: Any]
        XCTAssertEqual(written?["average_mAP"] as? Double, evaluation.averageMAP)
        XCTAssertEqual(written?["tiou_thresholds"] as? [Double], [0.3, 0.4, 0.5, 0.6, 0.7])
        let saved = try RunConfiguration(path: folder + "/evaluated/config.yaml")
        XCTAssertEqual(saved, try configuration())
    }

    func testAveragedWeightsAreEvaluatedWhenAskedFor() throws {
        for weights in ["current", "ema"] {
            var detector: ToyDetector?
            let training = try run("weights-\(weights)", ["training.evaluate_weights=\(weights)", "training.ema_decay=0.5"]) { store in
                let toy = ToyDetector(columns: store.dimension)
                detector = toy
                return toy
            }
            _ = try training.run()
            let toy = try XCTUnwrap(detector)
            let checkpoint = try Checkpoint(path: "\(folder)/weights-\(weights)/checkpoints/step-00000012.h5")
            XCTAssertEqual(try checkpoint.published(weights == "ema" ? .ema : .current)[0].values, toy.weightsAtDetection)
            // The run owns the weights.
            try withExtendedLifetime(training) { XCTAssertEqual(try checkpoint.published(.current)[0].values, Array(toy.weight.values)) }
            XCTAssertNotEqual(try checkpoint.published(.current)[0].values, try checkpoint.published(.ema)[0].values)
        }
    }
}
