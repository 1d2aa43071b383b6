import AdaptivePseudoLabels
import Autograd
import Collectives
import Detectors
import Foundation
import NeuralNetworks
import PyramidDetectors
import TemporalAnnotations
import Training
import TrainingMethods
import XCTest

/// A detector whose predictions can become labels, and nothing else.
private final class Uncontrasted<Base: Detector & CandidateLocalizer>: Detector, CandidateLocalizer {
    typealias Outputs = Base.Outputs
    typealias Targets = Base.Targets
    private let base: Base

    init(_ base: Base) { self.base = base }

    var normalizers: [LossNormalizer] { base.normalizers }
    var assignment: TargetAssignment<Outputs, Targets> { base.assignment }
    func visitParameters(_ visitor: ParameterVisitor) { base.visitParameters(visitor) }
    func callAsFunction(_ features: PackedSequence, _ pass: ForwardPass) -> Outputs { base(features, pass) }
    func seedLosses(_ outputs: Outputs, targets: Targets, normalizers: [Float], tape: Tape) -> [String: Double] {
        base.seedLosses(outputs, targets: targets, normalizers: normalizers, tape: tape)
    }
    func detect(_ batch: PackedBatch) throws -> [[Detection]] { try base.detect(batch) }
    func labelCandidates(_ batch: PackedBatch) throws -> [[AssessedDetection]] { try base.labelCandidates(batch) }
}

/// Detectors that have nothing to contrast.
extension StagesTests {
    private func digest(_ overrides: [String], _ detector: (ActionFormer) -> any Detector) throws -> String {
        let folder = NSTemporaryDirectory() + "kairos-contrasted-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let overrides =
            [
                "data.max_rows=50", "data.evaluation_subset=null", "data.labeled_fraction=0.4", "training.iterations=3",
                "training.warmup_iterations=1", "apl.round_iterations=2", "apl.rounds=2", "apl.selection_floor=0", "training.threads=1",
            ] + overrides
        return try TrainingRun(
            try configuration(overrides), folder: folder, resume: false, communicator: try Communicator.alone(),
            makeDetector: { configuration, store, _ in
                detector(try XCTUnwrap(try configuration.detector(inputDimension: store.dimension, classes: store.classes.count) as? ActionFormer))
            }
        ).run().digest
    }

    /// Without the contrast they are trained as the others are, to the bit.
    func testDetectorsWithoutAContrast() throws {
        for overrides in [["acp.weight=0"], ["acp.coarse=false", "acp.fine=false", "apl.student=restarted"]] {
            XCTAssertEqual(try digest(overrides) { Uncontrasted($0) }, try digest(overrides) { $0 }, "\(overrides)")
        }
    }

    func testContrastsThatADetectorDoesNotHave() {
        for overrides in [[], ["acp.weight=0", "apl.pretraining_iterations=2"], ["acp.weight=0", "apl.pretraining_epochs=1"]] {
            XCTAssertThrowsError(try digest(overrides) { Uncontrasted($0) }) {
                XCTAssertEqual(
                    "\($0)",
                    """
                    error: the contrast needs a detector that has levels of features or proposals
                      where: key 'acp.weight'
                      do: set acp.weight to 0, and leave out the pre-training
                    """)
            }
        }
    }
}
