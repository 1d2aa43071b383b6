import Collectives
import Foundation
import RunRecords
import StandardRegistry
import Training
import TrainingMethods
import XCTest

/// A whole small run of APL by all ranks of this job and by one rank alone: the same bits, in every way gradients travel, uninterrupted, and gone on
/// with by the other number of ranks.
final class WholeRunDigestTests: StoreTestCase {
    override var recordings: Int { 24 }

    /// Stages end at steps 2, 7, 9 and 11.
    private let yaml = """
        data: {store: "FOLDER/store.h5", virtual_shards: 4, batch_size: 4, max_rows: 100, labeled_fraction: 0.4}
        model: {backbone_arch: [1, 1, 2], n_mha_win_size: 5, embd_dim: 8, fpn_dim: 8, head_dim: 8, n_head: 2, regression_range: [[0, 4], [4, 16], \
        [16, 10000]]}
        training: {iterations: 5, warmup_iterations: 2, learning_rate: 0.01, threads: 1, stall_seconds: null, bucket_elements: 64}
        test: {max_seg_num: 20, pre_nms_thresh: 0.0, min_score: 0.0}
        method: {name: apl}
        apl: {pretraining_iterations: 2, round_iterations: 2, rounds: 2, unlabeled_batch_size: 4, selection_floor: 0.0}
        icd: {hidden: 8, learning_rate: 0.05, eap_threshold: 0.4, mpp_threshold: 0.6}
        acp: {frames: 16}
        """

    /// What a run leaves: the digest of its last checkpoint, its files, and its log without times.
    private struct Left: Equatable {
        var digest: String
        var files: [Data]
        var log: [LogLine]
    }

    /// Counts what it is told.
    private final class Listening: RunObserver {
        var steps = 0, lines = 0, ends = 0
        func stepEnds(_ step: StepEnd) throws { steps += 1 }
        func recorded(_ record: StepRecord) throws { lines += 1 }
        func recorded(_ record: any MethodRecord) throws { lines += 1 }
        func runEnds(_ end: RunEnd) throws { ends += 1 }
    }

    /// The lines of a log without what the clock decides.
    private func timeless(_ lines: [LogLine]) -> [LogLine] {
        lines.map { line in
            switch line {
            case .steps(var record):
                record.time = nil
                (record.videosPerSecond, record.secondsCompute, record.secondsWaitingData, record.secondsWaitingMPI) = (0, 0, 0, 0)
                return .steps(record)
            case .round(var record):
                record.time = nil
                return .round(record)
            case .judged(var record):
                record.time = nil
                return .judged(record)
            case .validation(var record):
                record.time = nil
                return .validation(record)
            case .stage(var record):
                record.time = nil
                return .stage(record)
            }
        }
    }

    /// - Returns: on all ranks the same.
    private func run(_ name: String, alone: Bool = false, _ kind: [String], resume: Bool = false, stopAfter: Int? = nil) throws -> Left? {
        let configuration = try RunConfiguration(
            yaml: yaml.replacingOccurrences(of: "FOLDER", with: folder), file: "run.yaml", overrides: kind)
        func train(_ ranks: Communicator) throws -> String {
            let listening = Listening()
            let run = try TrainingRun(
                configuration, folder: "\(folder)/\(name)", resume: resume, communicator: ranks, observers: [LogObserver(), listening])
            let outcome = try run.run(stopAfter: stopAfter)
            XCTAssertEqual(outcome.step, stopAfter ?? 11)
            // Only the first rank is observed.
            XCTAssertEqual(listening.ends, ranks.isRoot ? 1 : 0)
            XCTAssertEqual(listening.steps > 0 && listening.lines > 0, ranks.isRoot)
            return outcome.digest
        }
        let digest = try digest(alone: alone, train)
        guard stopAfter == nil else { return nil }
        return Left(
            digest: digest,
            files: try ["predictions.json", "metrics.json", "pseudo_labels/round-1.json", "pseudo_labels/round-2.json"].map {
                try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)/\($0)"))
            },
            log: resume ? [] : timeless(try RunFolder("\(folder)/\(name)").readLog()))
    }

    private func requireEqual(_ kindName: String, _ kind: [String]) throws -> Left {
        let expected = try XCTUnwrap(try run("\(kindName)-alone", alone: true, kind))
        for file in expected.files.suffix(2) {
            let text = try XCTUnwrap(String(data: file, encoding: .utf8))
            for part in ["\"positive\"", "\"rejected\"", "\"similarity\": 0."] { XCTAssertTrue(text.contains(part), "\(kindName): \(part)") }
        }
        // In pre-training, in burn-in, in the first and in the second round.
        var stops = [1, 5, 8, 10][...]
        for overlap in [true, false] {
            let ways = kind + ["training.overlap=\(overlap)"], name = "\(kindName)-\(overlap)"
            XCTAssertEqual(try run(name, ways), expected, "\(name), \(world.size) ranks")
            for alone in [true, false] {
                let stop = stops.removeFirst(), part = "\(name)-stopped-\(stop)"
                _ = try run(part, alone: alone, ways, stopAfter: stop)
                let resumed = try run(part, alone: !alone, ways, resume: true)
                XCTAssertEqual(resumed?.files, expected.files, name)
                XCTAssertEqual(
                    resumed?.digest, expected.digest, "\(name), \(world.size) ranks, stopped at step \(stop), \(alone ? "begun" : "ended") alone")
            }
        }
        return expected
    }

    func testAllRanksAndOneAloneEndInTheSameBits() throws {
        let exact = try requireEqual("float32", ["training.gradient_precision=float32"])
        let rounded = try requireEqual("bfloat16", ["training.gradient_precision=bfloat16"])
        XCTAssertNotEqual(exact.digest, rounded.digest, "rounding shows")
    }

    /// What looks at recordings between steps: evaluations, the guard, selection by precision, a teacher of several views.
    func testRunsThatLookAtTheirDetectorEndInTheSameBits() throws {
        let left = try requireEqual(
            "looking",
            [
                "training.evaluate_every=2", "training.evaluate_checkpoint=best", "data.validation_subset=Validation", "apl.held_out_fraction=0.3",
                "apl.guard=true", "apl.selection=precision", "acp.global_frames=9", "acp.clusters=3", "apl.teacher_views=3", "icd.pooling=context",
                "data.balance_window=3",
            ])
        XCTAssertEqual(left.log.filter { if case .judged = $0 { true } else { false } }.count, 3)
        XCTAssertEqual(left.log.compactMap { if case .validation(let record) = $0 { record.step } else { nil } }, [2, 4, 6, 8, 10, 11])
    }

    /// Instances that are compared by what the teacher has learnt: the discriminator is trained in the rounds alone.
    func testComparisonsByLearntFeaturesEndInTheSameBits() throws {
        let ways = ["icd.features=pyramid", "icd.length=true", "icd.iterations=30", "icd.required_precision=0.1"]
        let expected = try requireEqual("learnt", ways)
        XCTAssertTrue(expected.log.allSatisfy { if case .steps(let record) = $0 { record.loss["discriminator"] == nil } else { true } })
    }
}
