import AdaptivePseudoLabels
import Collectives
import FeatureStore
import Foundation
import PseudoLabels
import RunRecords
import Sampling
import TestSupport
import Training
import TrainingMethods
import XCTest

/// APL on a detector of proposals.
extension StagesTests {
    private var bmn: [String] {
        [
            "model={name: bmn, temporal_scale: 16, samples: 4, base_dim: 8, proposal_dim: 8, sampled_dim: 8, map_dim: 8, conv_groups: 1}",
            "training.schedule=cosine",
        ]
    }

    private func refusal(_ overrides: [String], line: UInt = #line) -> String {
        do {
            _ = try method(bmn + overrides)
            XCTFail("not refused", line: line)
            return ""
        } catch {
            return "\(error)".components(separatedBy: "\n").first { $0.hasPrefix("error: ") } ?? "\(error)"
        }
    }

    /// What cannot be is refused before the first step.
    func testSettingsThatProposalsCannotHave() throws {
        XCTAssertEqual(refusal(["apl.alqa=diou"]), "error: alqa is diou, and BMN has no such branch")
        XCTAssertEqual(
            refusal(["model.video_classifier=known"]),
            "error: the classes of pseudo-labels would be those annotated of the unlabelled recordings")
        XCTAssertEqual(refusal(["training.mixup_alpha=0.4"]), "error: MixUp needs a detector whose points classify")
        XCTAssertEqual(refusal(["apl.mixup_alpha=0.4"]), "error: MixUp needs a detector whose points classify")
        XCTAssertEqual(refusal(["model.video_classifier=file"]), "error: video_classifier is file, and no scores are given")
        XCTAssertNoThrow(try method(bmn + ["model.video_classifier=known", "apl.rounds=0"]))
        for branches in ["none", "tiou", "tiou_tnd"] { XCTAssertNoThrow(try method(bmn + ["apl.alqa=\(branches)", "apl.uncertain=soft"])) }
    }

    /// A file that lacks an unlabelled recording is refused before the first step, not when the recording is labelled.
    func testScoresOfUnlabelledRecordingsAreRequired() throws {
        let (_, recordings, store) = try method([])
        let path = NSTemporaryDirectory() + "kairos-scores-\(UUID().uuidString).json"
        defer { try? FileManager.default.removeItem(atPath: path) }
        func write(lacking missing: Int?) throws {
            let known = store.videos.indices.filter { $0 != missing }.map { "\"\(store.videos[$0].id.name)\": [0.25, 0.75]" }
            let names = store.classes.names.map { "\"\($0)\"" }.joined(separator: ", ")
            try "{\"results\": {\(known.joined(separator: ", "))}, \"class\": [\(names)]}".write(toFile: path, atomically: true, encoding: .utf8)
        }
        let settings = ["model.video_classifier=file", "test.class_scores=\(path)"]
        try write(lacking: recordings.unlabeled[3])
        XCTAssertEqual(refusal(settings), "error: the class scores do not know the video")
        XCTAssertNoThrow(try method(bmn + settings + ["apl.rounds=0"]))
        try write(lacking: recordings.labeled[0])
        XCTAssertNoThrow(try method(bmn + settings))
    }

    /// The classifier of recordings learns from the labelled ones in burn-in and rounds, and never from pseudo-labels.
    func testPseudoLabelsTeachNoClassifier() throws {
        let folder = NSTemporaryDirectory() + "kairos-run-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let run = try configuration(
            bmn + [
                "apl.rounds=1", "apl.selection_floor=0", "data.labeled_fraction=0.5", "training.threads=1", "training.stall_seconds=null",
                "training.log_every=1", "test.max_seg_num=10",
            ])
        _ = try TrainingRun(run, folder: folder, resume: false, communicator: try Communicator.alone(), observers: [LogObserver()]).run()
        let losses = try RunFolder(folder).readLog().compactMap { if case .steps(let record) = $0 { record.loss } else { nil } }
        XCTAssertEqual(losses.count, 14)
        XCTAssertTrue(losses.allSatisfy { ($0["classifier"] ?? 0) > 0 })
        XCTAssertEqual(losses.compactMap { $0["unlabeled_classifier"] }, [0, 0, 0, 0])
        XCTAssertTrue(losses.suffix(4).allSatisfy { ($0["unlabeled_boundaries"] ?? 0) > 0 && ($0["unlabeled_localization"] ?? 0) > 0 })
    }

    /// Scores from a file give the pseudo-labels their classes: the best class of every recording, then the second with a third of its score.
    func testClassesOfPseudoLabelsFromAFile() throws {
        let (_, _, store) = try method([])
        let path = NSTemporaryDirectory() + "kairos-scores-\(UUID().uuidString).json", folder = path + ".run"
        defer {
            try? FileManager.default.removeItem(atPath: path)
            try? FileManager.default.removeItem(atPath: folder)
        }
        let known = store.videos.indices.map { "\"\(store.videos[$0].id.name)\": \($0 % 2 == 0 ? "[0.25, 0.75]" : "[0.6, 0.2]")" }
        let names = store.classes.names.map { "\"\($0)\"" }.joined(separator: ", ")
        try "{\"results\": {\(known.joined(separator: ", "))}, \"class\": [\(names)]}".write(toFile: path, atomically: true, encoding: .utf8)
        let run = try configuration(
            bmn + [
                "model.video_classifier=file", "test.class_scores=\(path)", "apl.rounds=1", "apl.selection_floor=0", "icd.eap=false",
                "icd.mpp=false", "data.labeled_fraction=0.5", "training.threads=1", "training.stall_seconds=null", "test.max_seg_num=10",
            ])
        _ = try TrainingRun(run, folder: folder, resume: false, communicator: try Communicator.alone()).run()
        let text = try String(contentsOfFile: folder + "/pseudo_labels/round-1.json", encoding: .utf8)
        let file = try XCTUnwrap(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        let results = try XCTUnwrap(file["results"] as? [String: [[String: Any]]])
        var seen = 0
        for (name, labels) in results {
            let index = try XCTUnwrap(store.videos.firstIndex { $0.id.name == name }), best = store.classes.names[index % 2 == 0 ? 1 : 0]
            let scores = Dictionary(grouping: labels) { $0["label"] as? String ?? "" }.mapValues {
                $0.compactMap { $0["score"] as? Double }.max() ?? 0
            }
            XCTAssertEqual(scores.count, 2)
            for (label, score) in scores where label != best {
                XCTAssertEqual(score, try XCTUnwrap(scores[best]) / 3, accuracy: 1e-4)
                seen += 1
            }
        }
        XCTAssertGreaterThan(seen, 3)
        let metrics = try String(contentsOfFile: folder + "/metrics.json", encoding: .utf8)
        XCTAssertTrue(metrics.contains("\"class_source\""), metrics)
    }
}
