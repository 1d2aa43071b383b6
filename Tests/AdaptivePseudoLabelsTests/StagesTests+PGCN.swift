import AdaptivePseudoLabels
import Collectives
import FeatureStore
import Foundation
import RunRecords
import Training
import XCTest

/// APL on a detector that refines proposals.
extension StagesTests {
    /// Around every action proposals that are moved and stretched, and some anywhere.
    private func proposals(_ store: FeatureStore, lacking missing: Int? = nil) throws -> String {
        let entries = store.videos.indices.filter { $0 != missing }.map { index -> String in
            let video = store.videos[index].annotation, actions = video.instances.map { ($0.segment.start, $0.segment.end) }
            let moved = actions.flatMap { start, end in
                [(0.02, 0.05), (0.3, 0.1), (-0.8, -0.7), (0.0, -0.9)].map { (start + $0 * (end - start), end + $1 * (end - start)) }
            }
            let list = (moved + [(0, 0.1 * video.duration), (0.5 * video.duration, 0.6 * video.duration)]).enumerated().map { place, ends in
                "{\"label\": \"any\", \"segment\": [\(max(0, ends.0)), \(max(0, ends.1))], \"score\": \(1 / Double(place + 1))}"
            }
            return "\"\(video.id.name)\": [\(list.joined(separator: ", "))]"
        }
        let path = NSTemporaryDirectory() + "kairos-proposals-\(UUID().uuidString).json"
        try "{\"results\": {\(entries.joined(separator: ",\n"))}}".write(toFile: path, atomically: true, encoding: .utf8)
        addTeardownBlock { try FileManager.default.removeItem(atPath: path) }
        return path
    }

    private func pgcn(_ path: String) -> [String] {
        ["model={name: pgcn, proposals: [\"\(path)\"], hidden_dim: 8, background_coverage: 0}", "training.schedule=cosine", "acp.weight=0"]
    }

    private func refusal(_ overrides: [String], line: UInt = #line) -> String {
        do {
            _ = try method(overrides)
            XCTFail("not refused", line: line)
            return ""
        } catch {
            return "\(error)"
        }
    }

    /// What cannot be is refused before the first step.
    func testSettingsThatRefinersCannotHave() throws {
        let pgcn = pgcn(try proposals(try method([]).2))
        for (key, expected) in [
            ("apl.alqa=diou", "error: alqa is diou, and P-GCN has no such branch\n"),
            ("apl.mixup_alpha=0.4", "error: MixUp needs a detector whose points classify\n"),
            (
                "icd.features=pyramid",
                "error: instances are to be compared by the detector's own features, and it has no level of them\n  where: key 'icd.features'\n"
                    + "  do: set icd.features to input"
            ),
            ("data.max_rows=20", "error: max_rows is set, but P-GCN sees recordings whole\n"),
        ] {
            XCTAssertTrue(refusal(pgcn + [key]).hasPrefix(expected), key)
        }
        for branches in ["none", "tiou", "tiou_tnd"] {
            for uncertain in ["background", "ignore", "soft"] {
                XCTAssertNoThrow(try method(pgcn + ["apl.alqa=\(branches)", "apl.uncertain=\(uncertain)"]))
            }
        }
    }

    /// Proposals that lack an unlabelled recording are refused before the first step, not when the recording is labelled.
    func testProposalsOfUnlabelledRecordingsAreRequired() throws {
        let (_, recordings, store) = try method([]), missing = recordings.unlabeled[3], path = try proposals(store, lacking: missing)
        XCTAssertEqual(
            refusal(pgcn(path)),
            """
            error: the proposals lack the recording
              where: file '\(path)', video '\(store.videos[missing].id.name)'
              do: detect proposals in all recordings that are trained on and evaluated, and name the files in model.proposals
            """)
        XCTAssertNoThrow(try method(pgcn(path) + ["apl.rounds=0"]))
    }

    private func run(_ overrides: [String], _ body: (RunFolder) throws -> Void) throws {
        let folder = NSTemporaryDirectory() + "kairos-run-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let configuration = try configuration(
            pgcn(try proposals(try method([]).2)) + [
                "apl.rounds=1", "apl.selection_floor=0", "data.labeled_fraction=0.5", "training.threads=1", "training.stall_seconds=null",
                "training.log_every=1", "test.max_seg_num=10", "training.keep=100", "training.checkpoint_every=1",
            ] + overrides)
        _ = try TrainingRun(configuration, folder: folder, resume: false, communicator: try Communicator.alone(), observers: [LogObserver()]).run()
        try body(RunFolder(folder))
    }

    private func labels(_ folder: RunFolder) throws -> [String: [[String: Any]]] {
        let file = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: "\(folder.path)/pseudo_labels/round-1.json")))
        return try XCTUnwrap((file as? [String: Any])?["results"] as? [String: [[String: Any]]])
    }

    /// Unlabelled recordings teach everything that labelled ones do; their weights change what is learnt.
    func testRoundsLearnFromPseudoLabels() throws {
        var last: [[String: Double]] = []
        for uncertain in ["background", "soft", "ignore"] {
            try run(["apl.uncertain=\(uncertain)"]) { folder in
                let losses = try folder.readLog().compactMap { if case .steps(let record) = $0 { record.loss } else { nil } }
                XCTAssertEqual(losses.count, 14)
                for part in ["activity", "completeness", "regression", "localization"] {
                    XCTAssertTrue(losses.allSatisfy { ($0[part] ?? 0) > 0 }, part)
                    XCTAssertTrue(losses.suffix(4).allSatisfy { ($0["unlabeled_" + part] ?? 0) > 0 }, part)
                }
                last.append(try XCTUnwrap(losses.last))
                let found = try labels(folder).values.joined()
                XCTAssertFalse(found.isEmpty)
                for one in found { for key in ["P_cls", "P_tiou", "P_tnd"] { XCTAssertNotNil(one[key] as? Double, key) } }
            }
        }
        XCTAssertNotEqual(last[0], last[1])
        XCTAssertNotEqual(last[0], last[2])
        XCTAssertNotEqual(last[1], last[2])
    }

    /// Pre-training contrasts drawn proposals of all recordings, burn-in and rounds the step's roots; the first graph convolution goes on from it.
    func testPretrainingContrastsProposals() throws {
        let contrast = ["apl.pretraining_iterations=3", "acp.weight=0.1", "acp.frames=4", "acp.clusters=3", "model.foreground_samples=2"]
        try run(contrast + ["apl.student=restarted", "apl.round_learning_rate=1e-30", "training.weight_decay=0"]) { folder in
            let losses = try folder.readLog().compactMap { if case .steps(let record) = $0 { record.loss } else { nil } }
            XCTAssertEqual(losses.count, 17)
            for loss in losses.prefix(3) { XCTAssertEqual(Set(loss.keys), ["coarse", "fine", "total"]) }
            for loss in losses { XCTAssertGreaterThan(try XCTUnwrap(loss["fine"]), 0) }
            // Where a recording has foreground alone, there is nothing to contrast within it.
            XCTAssertTrue(losses.prefix(3).allSatisfy { ($0["coarse"] ?? 0) > 0 })
            XCTAssertTrue(losses.dropFirst(3).contains { ($0["coarse"] ?? 0) > 0 })
            for loss in losses.suffix(4) { XCTAssertGreaterThan(try XCTUnwrap(loss["unlabeled_fine"]), 0) }
            func weights(_ step: Int, _ name: String) throws -> [Float] { try folder.readCheckpoint(step: step).readValues(of: name, .current) }
            for name in ["weight", "bias"].map({ "Act_GCN.gc1." + $0 }) {
                XCTAssertNotEqual(try weights(13, name), try weights(3, name), name)
                // A student of a learning rate that moves nothing.
                for (a, b) in zip(try weights(14, name), try weights(3, name)) { XCTAssertEqual(a, b, accuracy: 1e-20, name) }
            }
            XCTAssertNotEqual(try weights(14, "Act_GCN.gc2.weight"), try weights(3, "Act_GCN.gc2.weight"))
        }
    }

    /// Mean and deviation of the offsets are not learnt, so a new student takes them along.
    func testStudentsKeepTheStatisticsOfTheOffsets() throws {
        try run(["apl.student=restarted", "apl.uncertain=soft", "training.iterations=2"]) { folder in
            let all = try (1...6).map { try folder.readCheckpoint(step: $0).readValues(of: "offset_statistics", .current) }
            XCTAssertNotEqual(all[0], [0, 0, 1, 1])
            for step in all { XCTAssertEqual(step, all[0]) }
            let weights = try [2, 3].map { try folder.readCheckpoint(step: $0).readValues(of: "Act_GCN.gc1.weight", .ema) }
            XCTAssertNotEqual(weights[0], weights[1])
            let statistics = try folder.readCheckpoint(step: 3).readValues(of: "offset_statistics", .ema)
            XCTAssertEqual(statistics, all[0])
        }
    }

    /// Proposals stand where they do: another view of a recording begins with it. Without dropout it says the same.
    func testViewsOfRecordingsWithProposals() throws {
        var found: [[String: [[String: Any]]]] = []
        for views in [1, 2] { try run(["apl.teacher_views=\(views)", "apl.view_dropout=0"]) { found.append(try labels($0)) } }
        XCTAssertEqual(Set(found[0].keys), Set(found[1].keys))
        for (name, own) in found[0] {
            let other = try XCTUnwrap(found[1][name])
            XCTAssertEqual(own.count, other.count)
            for (a, b) in zip(own, other) {
                XCTAssertEqual(try XCTUnwrap(a["score"] as? Double), try XCTUnwrap(b["score"] as? Double), accuracy: 1e-6)
                let ends = try [a, b].map { try XCTUnwrap($0["segment"] as? [Double]) }
                for i in 0..<2 { XCTAssertEqual(ends[0][i], ends[1][i], accuracy: 1e-3) }
            }
        }
    }
}
