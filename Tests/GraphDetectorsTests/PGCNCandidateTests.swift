import Autograd
import Detectors
import Foundation
import GraphDetectors
import NeuralNetworks
import TemporalAnnotations
import TestSupport
import XCTest

/// What P-GCN's predictions are scored by, and what pseudo-labels are chosen from.
final class PGCNCandidateTests: SmallPGCNTestCase {
    private let said = PGCNDecoding.Scores(
        activity: [0, 1, -1, 2, 0.5, 0], completeness: [0.5, -0.5, 1, 0], offsets: [0, 0, 0.5, 0, 0, 0, 0, 0], quality: [[1, 2], [-1, 1.5]])

    private func decoding(_ branches: QualityBranches, power: Float = 1) -> PGCNDecoding {
        var settings = PGCNSettings()
        (settings.inputDimension, settings.classes, settings.nmsThreshold) = (2, 2, 1)
        settings.options.quality = QualitySettings(branches)
        settings.options.quality.power = power
        return PGCNDecoding(settings: settings)
    }

    /// softmax of the class, e^completeness, and P_diou to its power.
    func testScores() {
        func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
        let first = [0.0, 1, -1].map { exp($0) }, second = [2.0, 0.5, 0].map { exp($0) }
        let classes = [first[1], first[2]].map { $0 / first.reduce(0, +) } + [second[1], second[2]].map { $0 / second.reduce(0, +) }
        let plain = zip(classes, [0.5, -0.5, 1, 0]).map { $0 * exp($1) }
        func expected(_ factors: [Double]) -> [Float] { plain.indices.map { Float(plain[$0] * factors[$0 / 2]) } }
        func found(_ decoding: PGCNDecoding, _ said: PGCNDecoding.Scores) -> [Float] { decoding.scores(said).map { Float($0) } }
        var published = said
        published.quality = []
        assertClose("P_cls", decoding(.none).classScores(said).map { Float($0) }, classes.map { Float($0) }, relative: 1e-6)
        assertClose("published", found(decoding(.none), published), expected([1, 1]), relative: 1e-6)
        XCTAssertNil(decoding(.none).quality(published))
        XCTAssertNil(decoding(.tiouTND).quality(PGCNDecoding.Scores(quality: [[], []])))
        let joint = [sigmoid(1) - sigmoid(-1), sigmoid(2) - sigmoid(1.5)]
        assertClose("joint", found(decoding(.tiouTND), said), expected(joint), relative: 1e-5)
        assertClose("root", found(decoding(.tiouTND, power: 0.5), said), expected(joint.map { $0.squareRoot() }), relative: 1e-5)
        // P_tnd is larger than P_tiou.
        var low = said
        low.quality[1][1] = 3
        assertClose("floor", found(decoding(.tiouTND), low), expected([joint[0], 1e-3]), relative: 1e-5)
        var one = said
        one.quality.removeLast()
        assertClose("one branch", found(decoding(.tiou), one), expected([sigmoid(1), sigmoid(2)]), relative: 1e-5)
        let detections = decoding(.tiouTND).detections(
            [FrameSegment(start: 10, end: 20), FrameSegment(start: 50, end: 90)], said, frames: 100)
        XCTAssertEqual(detections.map(\.proposal).sorted(), [0, 0, 1, 1])
        for one in detections {
            XCTAssertEqual(one.classScore, decoding(.none).classScores(said)[2 * one.proposal + one.label])
            XCTAssertEqual(one.score, decoding(.tiouTND).scores(said)[2 * one.proposal + one.label])
        }
        XCTAssertEqual(detections.map(\.score), detections.map(\.score).sorted(by: >))
        XCTAssertEqual(detections.first { $0.proposal == 0 && $0.label == 1 }?.segment, FrameSegment(start: 15, end: 25))
    }

    private func trained(_ branches: QualityBranches, power: Float = 1, most: Int = 0) throws -> PGCN {
        let model = try model {
            $0.options.quality = QualitySettings(branches)
            $0.options.quality.power = power
            $0.options.detection.maxSegNum = most
        }
        // Away from the small values that the heads begin with.
        for (i, parameter) in model.namedParameters.enumerated() where parameter.parameter.isLearnt {
            for place in 0..<parameter.parameter.count { parameter.parameter.values[place] += Float(sin(Double(7 * i + 3 * place))) / 4 }
        }
        return model
    }

    /// The detections with another score: P_cls P_diou, never above 1, best first.
    func testCandidatesOfLabels() throws {
        for (branches, power) in [(QualityBranches.none, Float(1)), (.tiou, 1), (.tiouTND, 1), (.tiouTND, 0.5)] {
            let model = try trained(branches, power: power), batch = batch(["a", "c", "b"])
            let detections = try model.detect(batch), candidates = try model.labelCandidates(batch)
            XCTAssertEqual(candidates.map(\.count), detections.map(\.count))
            XCTAssertEqual(candidates[1], [])
            XCTAssertFalse(candidates[0].isEmpty)
            for (own, found) in zip(candidates, detections) {
                XCTAssertEqual(own.map(\.detection.score), own.map(\.detection.score).sorted(by: >))
                struct Place: Hashable {
                    var label: Int
                    var segment: Segment
                }
                func places(_ list: [Detection]) -> [Place: Int] {
                    Dictionary(list.map { (Place(label: $0.label, segment: $0.segment), 1) }, uniquingKeysWith: +)
                }
                XCTAssertEqual(places(own.map(\.detection)), places(found))
                for one in own {
                    XCTAssertEqual(one.overlap != nil, branches != .none)
                    XCTAssertEqual(one.distance != nil, branches == .tiouTND)
                    let difference = one.overlap.map { $0 - (one.distance ?? 0) }
                    XCTAssertEqual(one.reliability, branches == .tiouTND ? difference.map { max($0, 1e-3) } : difference)
                    XCTAssertEqual(
                        one.detection.score, Double(one.classScore) * pow(Double(one.reliability ?? 1), Double(power)), accuracy: 1e-5)
                    XCTAssertLessThanOrEqual(one.detection.score, 1)
                    // The grid's rows and seconds are the same place.
                    let grid = batch.videos[0].grid, seconds = grid.segment(one.gridSegment)
                    XCTAssertEqual(seconds.start, one.detection.segment.start, accuracy: 1e-4)
                    XCTAssertEqual(seconds.end, one.detection.segment.end, accuracy: 1e-4)
                }
            }
        }
        XCTAssertEqual(try trained(.tiouTND, most: 2).labelCandidates(batch(["a"])).map(\.count), [2])
        XCTAssertThrowsError(try trained(.tiouTND).labelCandidates(batch(["z"])))
    }

    /// Streams with other branches say scores that cannot be joined; with the same ones the branches are joined too.
    func testStreamsWithBranches() throws {
        let model = try trained(.tiouTND), batch = batch(["a"])
        XCTAssertEqual(try model.detect(batch, with: model, batch, weight: 1), try model.detect(batch))
        XCTAssertThrowsError(try model.detect(batch, with: try trained(.none), batch, weight: 1)) {
            XCTAssertEqual(
                "\($0)",
                """
                error: the first P-GCN has the branches tiou_tnd and the second none, so their scores cannot be joined
                  where: key '--second-checkpoint'
                  do: give checkpoints that were trained with the same apl.alqa
                """)
        }
        var joined = said
        joined.join(PGCNDecoding.Scores(activity: said.activity, completeness: [], offsets: [], quality: [[4, 2], [-1, -3]]), weight: 2)
        XCTAssertEqual(joined.quality, [[3, 2], [-1, -1.5]])
    }
}
