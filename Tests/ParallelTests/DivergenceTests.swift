import Collectives
import Detectors
import Diagnostics
import FeatureStore
import Foundation
import RunRecords
import Sampling
import StandardRegistry
import Training
import TrainingMethods
import XCTest

/// Ranks that come to differ, and losses that are no numbers: an error on every rank, with the ranks, the step and the recordings.
final class DivergenceTests: StoreTestCase {
    /// The supervised method with a fault in it.
    private final class Faulty: TrainingMethod {
        let base: SupervisedMethod
        /// Called before a step.
        var before: (TrainingStep) -> Void = { _ in }
        /// The step and shard whose loss is no number.
        var spoilt: (step: Int, shard: Int)?
        let extra = UnsafeMutableBufferPointer<Float>.allocate(capacity: 3)

        init(_ base: SupervisedMethod) {
            self.base = base
            extra.initialize(repeating: 1)
        }
        deinit { extra.deallocate() }

        var iterationsPerEpoch: Int { base.iterationsPerEpoch }
        var stages: [TrainingStage] { base.stages }
        var learntArrays: [UnsafeBufferPointer<Float>] { [UnsafeBufferPointer(extra)] }
        func videos(at position: StepPosition) -> [[TrainingVideo]] { base.videos(at: position) }
        func step(_ step: TrainingStep) throws -> [[String: Double]] {
            before(step)
            var losses = try base.step(step)
            if let spoilt, step.step == spoilt.step, step.shards.owned.contains(spoilt.shard) {
                losses[spoilt.shard - step.shards.owned.lowerBound]["regression"] = .infinity
            }
            return losses
        }
    }

    /// Trains 9 steps with a checkpoint every fourth.
    private func run(_ name: String, _ overrides: [String] = [], fault: @escaping (Faulty) -> Void) throws -> TrainingRun {
        let configuration = try RunConfiguration(
            yaml: """
                data: {store: "\(folder)/store.h5", virtual_shards: 4, batch_size: 4, evaluation_subset: null}
                model: {backbone_arch: [1, 0, 1], embd_dim: 8, fpn_dim: 8, head_dim: 8, n_head: 2, regression_range: [[0, 8], [8, 10000]]}
                training: {iterations: 9, learning_rate: 0.01, checkpoint_every: 4, threads: 1, verify_every: 3, stall_seconds: null}
                """, file: "run.yaml", overrides: overrides)
        return try TrainingRun(
            configuration, folder: "\(folder)/\(name)", resume: false, communicator: world,
            makeMethod: {
                let method = Faulty(try SupervisedMethod(store: $1, detector: $2, labeled: $3.labeled, configuration: $0))
                fault(method)
                return method
            })
    }

    private func steps(_ name: String) throws -> [Int] {
        try world.barrier()
        return CheckpointFolder(path: "\(folder)/\(name)/checkpoints", keep: 9).steps
    }

    /// The last bit of one weight changes on the last rank before step 5.
    func testAWeightThatDiffersIsFoundBeforeTheNextCheckpoint() throws {
        let last = world.size - 1
        func flip(_ method: Faulty) {
            method.before = { [rank = world.rank] step in
                guard step.step == 4, rank == last else { return }
                let value = step.state.arena.values + 17
                value.pointee = Float(bitPattern: value.pointee.bitPattern ^ 1)
            }
        }
        guard world.size > 1 else { return XCTAssertEqual(try run("alone", fault: flip).run().step, 9) }
        // Found at step 6, which is a multiple of 3; else at step 8, before the checkpoint.
        for (every, step) in [("3", 6), ("100", 8)] {
            XCTAssertThrowsError(try run("flip\(every)", ["training.verify_every=\(every)"], fault: flip).run()) {
                var text = "\($0)"
                text = text.replacingOccurrences(of: "'[0-9a-f]{10,16}'", with: "'DIGEST'", options: .regularExpression)
                XCTAssertEqual(text, message(step: step))
            }
            XCTAssertEqual(try steps("flip\(every)"), [4])
        }
        // Nobody would notice.
        XCTAssertEqual(try run("never", ["training.verify_every=null"], fault: flip).run().step, 9)
    }

    private func message(step: Int) -> String {
        world.size == 2
            ? """
            error: the digest of the weights differs between ranks: rank 0 has 'DIGEST'; rank 1 has 'DIGEST'
              where: step \(step)
              do: no value is that of most ranks: check memory and processor of all hosts, and that they are of one kind; then start again with \
            --resume from the last checkpoint, whose weights were the same on all ranks
            """
            : """
            error: the digest of the weights differs between ranks: ranks 0, 1 and 2 have 'DIGEST'; rank 3 has 'DIGEST'
              where: step \(step), rank 3
              do: check memory and processor of the hosts of the ranks named last; then start again with --resume from the last checkpoint, whose \
            weights were the same on all ranks
            """
    }

    /// What a method trains beside the detector counts too.
    func testWhatIsLearntBesideIsCompared() throws {
        func differ(_ method: Faulty) { method.extra[2] = world.rank == 0 ? 2 : 1 }
        try XCTSkipIf(world.size < 2, "needs 2 ranks, 1 runs")
        XCTAssertThrowsError(try run("beside", fault: differ).run()) { XCTAssertEqual(($0 as? Failure)?.places.first, .step(3)) }
        XCTAssertEqual(try steps("beside"), [])
    }

    /// Every rank names the recordings of the shard whose loss it is, whoever hosts it.
    func testALossThatIsNoNumberNamesItsRecordings() throws {
        var known: Faulty?
        let run = try run("nan") { method in
            method.spoilt = (6, 2)
            known = method
        }
        let store = try FeatureStore(path: folder + "/store.h5")
        let names = try XCTUnwrap(known).videos(at: StepPosition(step: 6, shard: 2)).joined().map { "video '\(store.videos[$0.index].id)'" }
        XCTAssertEqual(names.count, 1)
        XCTAssertThrowsError(try run.run()) {
            XCTAssertEqual(
                "\($0)",
                """
                error: the regression loss is inf
                  where: step 7, \(names[0])
                  do: lower training.learning_rate, lengthen the warm-up, or check the features of these recordings; the checkpoints of earlier \
                steps are kept
                """)
        }
        XCTAssertEqual(try steps("nan"), [4])
    }
}
