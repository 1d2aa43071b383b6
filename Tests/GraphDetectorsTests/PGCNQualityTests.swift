import Autograd
import Detectors
import Diagnostics
import Foundation
import GraphDetectors
import NeuralNetworks
import RandomStreams
import TemporalAnnotations
import TestSupport
import XCTest

/// ALQA on P-GCN: its heads, what they learn, losses against direct computations, scores; weights of labels and stretches of which nothing is known.
final class PGCNQualityTests: SmallPGCNTestCase {
    // MARK: Heads

    func testHeadsAreThereWithTheirBranchesAlone() throws {
        func names(_ branches: QualityBranches) throws -> [String] {
            try self.model { $0.options.quality = QualitySettings(branches) }.namedParameters.map(\.name)
        }
        let published = try names(.none)
        XCTAssertEqual(published.count, 15)
        XCTAssertEqual(try names(.tiou), published + ["tiou_fc.weight", "tiou_fc.bias"])
        XCTAssertEqual(try names(.tiouTND), published + ["tiou_fc.weight", "tiou_fc.bias", "tnd_fc.weight", "tnd_fc.bias"])
        let model = try self.model { $0.options.quality = QualitySettings(.tiouTND) }, arena = ParameterArena(model)
        for parameter in arena.parameters.suffix(4) {
            XCTAssertEqual(parameter.publishedShape, parameter.name.hasSuffix("weight") ? [1, 30] : [1], parameter.name)
        }
        // What the others begin with does not depend on them.
        let plain = ParameterArena(try self.model())
        XCTAssertEqual((0..<plain.count).map { arena.values[$0] }, (0..<plain.count).map { plain.values[$0] })
        let said = try XCTUnwrap(model(batch(["a"]), pass()).network)
        XCTAssertEqual(said.quality.map { [$0.rows, $0.columns] }, [[8, 1], [8, 1]])
        XCTAssertEqual(try XCTUnwrap(try self.model()(batch(["a"]), pass()).network).quality.count, 0)
        XCTAssertEqual(model.normalizers.map(\.name).last, "pgcn_assessed")
        XCTAssertEqual(try self.model().normalizers.count, 4)
    }

    // MARK: Targets

    /// tIoU, tND and moved segments by hand; of segments that are apart, and of points.
    func testGeometry() {
        let a = FrameSegment(start: 10, end: 30), b = FrameSegment(start: 20, end: 50), far = FrameSegment(start: 60, end: 70)
        XCTAssertEqual(a.tIoU(b), 0.25)
        // Centres 20 and 35, 40 frames together.
        XCTAssertEqual(a.tND(b), (15.0 / 40) * (15.0 / 40))
        XCTAssertEqual(b.tND(a), a.tND(b))
        XCTAssertEqual(a.tND(a), 0)
        XCTAssertEqual(a.tIoU(far), 0)
        XCTAssertEqual(a.tND(far), (45.0 / 60) * (45.0 / 60))
        let point = FrameSegment(start: 5, end: 5)
        XCTAssertEqual(point.tND(point), 0)
        let moved = a.moved(by: SIMD2(0.5, log(2)))
        XCTAssertEqual(moved.start, 10, accuracy: 1e-12)
        XCTAssertEqual(moved.end, 50, accuracy: 1e-12)
        XCTAssertEqual(a.moved(by: SIMD2()), a)
    }

    /// Roots moved by the offsets of their class, no longer standardised; background has none.
    func testAssessments() {
        let settings = small(), root = FrameSegment(start: 10, end: 30), action = FrameSegment(start: 20, end: 50)
        let samples = [
            PGCNSample(kind: .foreground, place: .positive, label: 1, offsets: SIMD2(), match: .init(root: root, action: action)),
            PGCNSample(kind: .background, place: .none, label: -1, offsets: SIMD2()),
            PGCNSample(kind: .incomplete, place: .negative, label: 0, offsets: SIMD2(), match: .init(root: root, action: action)),
        ]
        let offsets = Tensor(rows: 3, columns: 6, [9, 9, 2, 0, 9, 9] + [Float](repeating: 9, count: 6) + [-1, 1, 9, 9, 9, 9])
        let statistics = OffsetStatistics(mean: SIMD2(0.1, log(1.5)), deviation: SIMD2(0.2, log(2)))
        let found = PGCNLosses(PGCNTargets(samples, settings: settings), classes: 3).assessments(offsets, statistics)
        // 2 * 0.2 + 0.1 lengths on, 1.5 times as long: [15, 45]; 0.1 lengths back, 3 times as long: [-12, 48].
        XCTAssertEqual(found[0]!.tIoU, 25.0 / 35, accuracy: 1e-6)
        XCTAssertEqual(found[0]!.tND, (5.0 / 35) * (5.0 / 35), accuracy: 1e-6)
        XCTAssertNil(found[1])
        XCTAssertEqual(found[2]!.tIoU, 28.0 / 62, accuracy: 1e-6)
        XCTAssertEqual(found[2]!.tND, (17.0 / 62) * (17.0 / 62), accuracy: 1e-6)
    }

    /// What is drawn knows the root, the action that it overlaps most, and the weight of that action's label.
    func testSamplesKnowTheirActions() throws {
        let model = try self.model { $0.options.quality = QualitySettings(.tiouTND) }
        var batch = batch(["a", "b"])
        batch.weights = LabelWeights(instances: [[0.5], [1]])
        let outputs = model(batch, pass()), samples = outputs.samples
        XCTAssertEqual(samples.map(\.weight), [Float](repeating: 0.5, count: 7) + [Float](repeating: 1, count: 9))
        for sample in samples {
            XCTAssertEqual(sample.match == nil, sample.kind == .background)
            guard let match = sample.match else { continue }
            XCTAssertEqual(match.action.start, 50, accuracy: 1e-3)
            XCTAssertEqual(match.action.end, 100, accuracy: 1e-3)
            XCTAssertEqual(match.root.tIoU(match.action) > 0.7, sample.kind == .foreground)
        }
        // Activities, completeness, positives, foreground, foreground and incomplete ones.
        let targets = model.assignTargets(batch, outputs: outputs)
        XCTAssertEqual(targets.counts, [9.5, 10.5, 1.5, 8.5, 11.5])
    }

    /// A stretch of which nothing is known takes the proposals that fit it out of all pools, but not those that fit a label.
    func testIgnoredStretches() {
        func segments(_ ends: [(Double, Double)]) -> [FrameSegment] { ends.map { FrameSegment(start: $0.0, end: $0.1) } }
        let action = ProposalPools.Action(segment: FrameSegment(start: 100, end: 200), label: 2, weight: 0.25)
        // Foreground of the action and of the stretch, incomplete, background, background that fits the second stretch, incomplete that fits the third.
        let proposals = segments([(105, 200), (100, 120), (600, 700), (400, 500), (190, 400)])
        func pools(_ ignored: [(Double, Double)]) -> ProposalPools {
            ProposalPools(proposals, actions: [action], ignored: segments(ignored), frames: 1000, thresholds: .init())
        }
        let open = pools([])
        XCTAssertEqual([open.foreground.count, open.incomplete.count, open.background.count], [2, 2, 2])
        let closed = pools([(105, 200), (410, 500), (200, 400), (700, 700), (2000, 2100)])
        XCTAssertEqual(closed.segments, segments([(105, 200), (100, 200), (100, 120), (600, 700)]))
        XCTAssertEqual(closed.labels, [2, 2, 2, -1])
        XCTAssertEqual(closed.actions.map { $0?.weight }, [0.25, 0.25, 0.25, nil])
    }

    // MARK: Losses

    private func small(_ branches: QualityBranches = .tiouTND) -> PGCNSettings {
        var settings = PGCNSettings()
        (settings.inputDimension, settings.classes, settings.hiddenDimension) = (2, 3, 2)
        (settings.foregroundSamples, settings.incompleteSamples, settings.backgroundSamples) = (1, 2, 1)
        settings.options.quality = QualitySettings(branches)
        return settings
    }

    /// Of two recordings, each 1 foreground, 2 incomplete ones and 1 background.
    private func samples(isWeighed: Bool) -> [PGCNSample] {
        let action = FrameSegment(start: 100, end: 200), near = FrameSegment(start: 110, end: 210), part = FrameSegment(start: 90, end: 120)
        return (0..<8).map { i in
            let kind: PGCNSample.Kind = i % 4 == 0 ? .foreground : i % 4 == 3 ? .background : .incomplete
            let weight: Float = isWeighed && i < 4 && kind != .background ? [0.5, 0.25, 0.75][i] : 1
            return PGCNSample(
                kind: kind, place: kind == .foreground ? .positive : kind == .background ? .none : .negative,
                label: kind == .background ? -1 : i < 4 ? 1 : 2, offsets: kind == .foreground ? SIMD2(0.5, -2) : SIMD2(), weight: weight,
                match: kind == .background ? nil : .init(root: kind == .foreground ? near : part, action: action))
        }
    }

    /// What the network could have said, in float64.
    private struct Said {
        var activity: [Double]
        var completeness: [Double]
        var offsets: [Double]
        var quality: [[Double]]

        var outputs: PGCNNetwork.Outputs {
            func tensor(_ values: [Double], _ columns: Int) -> Tensor {
                Tensor(rows: values.count / columns, columns: columns, values.map { Float($0) })
            }
            return .init(
                activity: tensor(activity, 4), completeness: tensor(completeness, 3), offsets: tensor(offsets, 6),
                quality: quality.map { tensor($0, 1) })
        }
    }

    private func said(_ branches: QualityBranches) -> Said {
        var random = RandomStream(seed: 9, "said")
        func made(_ count: Int, _ scale: Double = 1) -> [Double] { (0..<count).map { _ in Double(Float(scale * Double(random.normal()))) } }
        var result = Said(activity: made(32), completeness: made(24), offsets: made(48), quality: [made(8), made(8)])
        // Half of the roots lie at the least value of P_diou.
        for i in 0..<8 { result.quality[1][i] = result.quality[0][i] + (i % 4 < 2 ? -1.5 : 0.5) }
        if branches == .tiou { result.quality.removeLast() }
        return result
    }

    private static func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }

    private func reliability(_ said: Said, _ i: Int) -> Double {
        let overlap = Self.sigmoid(said.quality[0][i])
        return said.quality.count > 1 ? max(overlap - Self.sigmoid(said.quality[1][i]), 1e-3) : overlap
    }

    /// The total as the equations say it; labels y and what the branches learn are fixed.
    private func naive(_ said: Said, _ samples: [PGCNSample], labels: [Double], wanted: [[Double]], isJoint: Bool, _ n: [Double]) -> Double {
        var activity = 0.0, completeness = 0.0, regression = 0.0, localization = 0.0
        for (i, sample) in samples.enumerated() {
            let w = Double(sample.weight), r = isJoint ? reliability(said, i) : 1
            let row = said.activity[4 * i..<4 * i + 4].map { exp($0) }, q = row.dropFirst().map { r * $0 / row.reduce(0, +) }
            let rest = 1 - q.reduce(0, +)
            switch sample.kind {
            case .foreground:
                activity -= w * (labels[i] * log(q[sample.label]) + (1 - labels[i]) * log(rest)) / n[0]
                for end in 0..<2 {
                    let d = said.offsets[6 * i + 2 * sample.label + end] - Double(sample.offsets[end])
                    regression += w * (abs(d) < 1 ? 0.5 * d * d : abs(d) - 0.5) / n[3]
                }
            case .background: activity -= log(rest) / n[0]
            case .incomplete: break
            }
            guard sample.kind != .background else { continue }
            for (branch, logits) in said.quality.enumerated() {
                let p = Self.sigmoid(logits[i]), y = wanted[branch][i]
                localization -= w * (y * log(p) + (1 - y) * log(1 - p)) / n[4]
            }
        }
        func hinge(_ i: Int, _ sign: Double) -> Double {
            Double(samples[i].weight) * max(0, 1 - sign * said.completeness[3 * i + samples[i].label])
        }
        for first in [0, 4] { completeness += hinge(first, 1) + max(hinge(first + 1, -1), hinge(first + 2, -1)) }
        // Positives, and int(0.17 times the weight of the negatives), at least 1.
        return activity + 0.5 * completeness / (n[2] + 1) + 0.5 * regression + 0.1 * localization
    }

    /// Losses and every gradient of the outputs, against the equations and their finite differences.
    func testLossesOfTheOutputs() throws {
        for branches in [QualityBranches.tiou, .tiouTND] {
            for score in [QualitySettings.FocalScore.joint, .classScore] {
                for isWeighed in [false, true] {
                    var settings = small(branches)
                    settings.options.quality.focalScore = score
                    let model = PGCN(settings), samples = samples(isWeighed: isWeighed), said = said(branches), outputs = said.outputs
                    model.initializeParameters(seed: 1)
                    model.statistics = OffsetStatistics(mean: SIMD2(0.05, -0.1), deviation: SIMD2(0.2, 0.3))
                    var targets = PGCNTargets(samples, settings: settings), random = RandomStream(seed: 0, "unused")
                    let counts = targets.counts
                    XCTAssertEqual(counts, isWeighed ? [3.5, 4.5, 1.5, 1.5, 4.5] : [4, 6, 2, 2, 6])
                    XCTAssertEqual(targets.settle(counts, random: &random), [])
                    let found = model.seedLosses(
                        PGCN.Outputs(samples: samples, network: outputs), targets: targets, normalizers: counts.map { Float($0) }, tape: Tape())
                    let assessed = PGCNLosses(targets, classes: 3).assessments(outputs.offsets, model.statistics)
                    let wanted = [assessed.map { $0?.tIoU ?? 0 }, assessed.map { $0?.tND ?? 0 }]
                    let labels = samples.indices.map { reliability(said, $0) }
                    func loss(_ said: Said) -> Double {
                        naive(said, samples, labels: labels, wanted: wanted, isJoint: score == .joint, counts)
                    }
                    XCTAssertEqual(try XCTUnwrap(found["total"]), loss(said), accuracy: 1e-5 * loss(said))
                    func compare(_ name: String, _ tensor: Tensor, _ path: WritableKeyPath<Said, [Double]>) {
                        let slopes = (0..<tensor.count).map { i -> Float in
                            func moved(_ step: Double) -> Double {
                                var other = said
                                other[keyPath: path][i] += step
                                return loss(other)
                            }
                            return Float((moved(1e-5) - moved(-1e-5)) / 2e-5)
                        }
                        assertClose(
                            "\(branches) \(score) \(isWeighed) \(name)", tensor.gradientToWrite().pointer.values(tensor.count), slopes,
                            absolute: 1e-5, relative: 1e-3)
                    }
                    compare("activity", outputs.activity, \.activity)
                    compare("completeness", outputs.completeness, \.completeness)
                    compare("offsets", outputs.offsets, \.offsets)
                    for branch in outputs.quality.indices { compare("branch \(branch)", outputs.quality[branch], \.quality[branch]) }
                }
            }
        }
    }

    /// At its least value P_diou passes no gradient; certain probabilities and a weight of 0 give neither infinity nor NaN.
    func testEdgesOfTheLosses() throws {
        let settings = small(), model = PGCN(settings)
        model.initializeParameters(seed: 1)
        var samples = samples(isWeighed: false), extreme = said(.tiouTND)
        for i in 0..<8 { (extreme.quality[0][i], extreme.quality[1][i]) = i % 2 == 0 ? (200, -200) : (-200, 200) }
        extreme.activity = (0..<32).map { $0 % 4 == $0 / 4 % 4 ? 300 : -300 }
        func losses(_ said: Said) -> (losses: [String: Double], gradients: [Float]) {
            let outputs = said.outputs
            var targets = PGCNTargets(samples, settings: settings), random = RandomStream(seed: 0, "unused")
            let counts = targets.counts
            _ = targets.settle(counts, random: &random)
            let found = model.seedLosses(
                PGCN.Outputs(samples: samples, network: outputs), targets: targets, normalizers: counts.map { Float($0) }, tape: Tape())
            return (found, outputs.tensors.flatMap { $0.gradientToWrite().pointer.values($0.count) })
        }
        let far = losses(extreme)
        XCTAssertTrue(far.losses.values.allSatisfy(\.isFinite), "\(far.losses)")
        XCTAssertTrue(far.gradients.allSatisfy(\.isFinite))
        for i in samples.indices { samples[i].weight = 0 }
        let none = losses(said(.tiouTND))
        XCTAssertEqual(none.losses, ["activity": 0, "completeness": 0, "regression": 0, "localization": 0, "total": 0])
        XCTAssertEqual(Set(none.gradients), [0])
        // Background at the least value: what it says of the activity reaches no branch.
        samples = [PGCNSample(kind: .background, place: .none, label: -1, offsets: SIMD2())]
        let low = losses(Said(activity: [0, 1, 2, 3], completeness: [0, 0, 0], offsets: [0, 0, 0, 0, 0, 0], quality: [[0], [0]]))
        XCTAssertEqual(Array(low.gradients.suffix(2)), [0, 0])
        XCTAssertNotEqual(low.gradients[0], 0)
        let high = losses(Said(activity: [0, 1, 2, 3], completeness: [0, 0, 0], offsets: [0, 0, 0, 0, 0, 0], quality: [[1], [0]]))
        XCTAssertGreaterThan(high.gradients[high.gradients.count - 2], 0)
        XCTAssertLessThan(high.gradients[high.gradients.count - 1], 0)
        XCTAssertEqual(
            model.seedLosses(
                PGCN.Outputs(samples: [], network: nil), targets: PGCNTargets([], settings: settings), normalizers: [0, 0, 0, 0, 0], tape: Tape()),
            ["activity": 0, "completeness": 0, "regression": 0, "localization": 0, "total": 0])
    }

    /// With weights of 1 nothing changes, not even a bit: counts, losses, gradients.
    func testWeightsOfOneChangeNothing() throws {
        for branches in [QualityBranches.none, .tiou, .tiouTND] {
            let plain = batch(["a", "b", "c"])
            var weighed = plain
            weighed.weights = LabelWeights(instances: plain.instances.map { $0.map { _ in 1 } })
            let results = try [plain, weighed].map { batch -> [UInt64] in
                let model = try self.model { $0.options.quality = QualitySettings(branches) }
                try model.prepare(labeled: [])
                let arena = ParameterArena(model), tape = Tape(), outputs = model(batch, pass(tape))
                var targets = model.assignTargets(batch, outputs: outputs), random = RandomStream(seed: 4, "unused")
                let counts = targets.counts
                _ = targets.settle(counts, random: &random)
                arena.beginGradients()
                let losses = model.seedLosses(outputs, targets: targets, normalizers: counts.map { Float($0) }, tape: tape)
                tape.backward()
                arena.finishGradients()
                return counts.map(\.bitPattern) + losses.sorted { $0.key < $1.key }.map(\.value.bitPattern)
                    + (0..<arena.count).map { UInt64(arena.gradients[$0].bitPattern) }
            }
            XCTAssertEqual(results[0], results[1])
            XCTAssertTrue(results[0].contains { $0 != 0 })
        }
    }

    /// Over other draws of the same batch the branches' loss falls, and what they say comes near the truth.
    func testBranchesLearn() throws {
        let model = try self.model {
            ($0.graphDropout, $0.headDropout, $0.hiddenDimension) = (0, 0, 16)
            $0.options.quality = QualitySettings(.tiouTND)
        }
        try model.prepare(labeled: [])
        let arena = ParameterArena(model), batch = batch(["a", "b"]), optimizer = AdamW(arena, weightDecay: 0, momentum: 0.9)
        var random = RandomStream(seed: 4, "losses"), all: [Double] = []
        for _ in 0..<150 {
            let tape = Tape()
            arena.beginGradients()
            all.append(try XCTUnwrap(model.losses(batch, normalizers: [10, 14, 2, 9, 15], tape: tape, random: &random)["localization"]))
            tape.backward()
            arena.finishGradients()
            optimizer.update(learningRate: 0.02)
        }
        XCTAssertLessThan(all.suffix(10).reduce(0, +), 0.75 * all.prefix(10).reduce(0, +))
        let outputs = model(batch, pass()), said = try XCTUnwrap(outputs.network)
        let scores = QualityScores(QualityLogits(said.quality), settings: QualitySettings(.tiouTND))
        func mean(_ values: [Float], _ kind: PGCNSample.Kind) -> Float {
            let own = outputs.samples.indices.filter { outputs.samples[$0].kind == kind }
            return own.reduce(0) { $0 + values[$1] } / Float(own.count)
        }
        XCTAssertGreaterThan(mean(scores.overlap, .foreground), 0.6)
        XCTAssertLessThan(mean(scores.overlap, .incomplete), 0.4)
        XCTAssertGreaterThan(mean(scores.reliability, .foreground), mean(scores.reliability, .incomplete))
    }
}

extension UnsafeMutablePointer<Float> {
    fileprivate func values(_ count: Int) -> [Float] { Array(UnsafeBufferPointer(start: self, count: count)) }
}
