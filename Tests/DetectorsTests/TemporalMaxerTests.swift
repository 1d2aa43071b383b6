import Autograd
import Detectors
import Kernels
import NeuralNetworks
import PyramidDetectors
import RandomStreams
import TemporalAnnotations
import TestSupport
import XCTest

/// TemporalMaxer on packed videos of uneven lengths, and its assigner against the definition.
final class TemporalMaxerTests: XCTestCase {
    private var random = RandomStream(seed: 4, "TemporalMaxer")
    /// Arenas own the parameters of the models under test.
    private var arenas: [ParameterArena] = []

    override func tearDown() { ComputeContext.current.threads = 1 }

    private func model(
        branches: QualityBranches = .none, width: Int = 16, _ change: (inout TemporalMaxerConfiguration) -> Void = { _ in }
    ) -> (TemporalMaxer, ParameterArena) {
        var c = TemporalMaxerConfiguration(inputDimension: 6, classes: 3)
        (c.embeddingConvolutions, c.branchBlocks) = (2, 2)
        (c.embeddingDimension, c.neckDimension, c.headDimension) = (width, width, 8)
        c.regressionRanges = [0...4, 4...8, 8...1000]
        c.priorProbability = 0.2
        (c.keptShare, c.confusedWeight) = (0.6, 0.25)
        c.quality = QualitySettings(branches)
        c.detection.nmsMethod = .none
        c.detection.preNMSThresh = 0
        change(&c)
        let model = TemporalMaxer(c), arena = ParameterArena(model)
        arenas.append(arena)
        model.initializeParameters(seed: 3)
        // Distances that ReLU lets through.
        for parameter in arena.parameters where parameter.name == "reg_head.offset_head.conv.bias" { parameter.values.update(repeating: 1) }
        return (model, arena)
    }

    private func batch(_ lengths: [Int], empty: Bool = false) -> PackedBatch { .uneven(lengths, empty: empty, random: &random) }

    private func train(_ model: TemporalMaxer, _ arena: ParameterArena, _ batch: PackedBatch) -> [String: Double] {
        let tape = Tape()
        var stream = RandomStream(seed: 0, "test")
        arena.beginGradients()
        let losses = model.losses(batch, normalizers: [3], tape: tape, random: &stream)
        tape.backward()
        arena.finishGradients()
        return losses
    }

    /// A video's outputs do not depend on those beside it.
    func testVideosDoNotSeeEachOther() {
        let (model, _) = model(), batch = batch([1, 2, 13, 20])
        checkVideosDoNotSeeEachOther(batch, model.points(batch.features)) { features in
            let outputs = model(features, .inference())
            return [("logits", outputs.logits), ("offsets", outputs.offsets)]
        }
    }

    func testThreadsChangeNoBit() {
        let (model, arena) = model(width: 64), batch = batch([333, 129, 258])
        let results = [1, 2, 3].map { threads in
            ComputeContext.current.threads = threads
            let losses = train(model, arena, batch)
            return (losses, arena.parameters.flatMap { $0.tensor.gradientArray!.map(\.bitPattern) }, model.detect(batch))
        }
        for other in results.dropFirst() {
            XCTAssertEqual(other.0, results[0].0)
            XCTAssertEqual(other.1, results[0].1)
            XCTAssertEqual(other.2, results[0].2)
        }
    }

    /// Every parameter learns, with every kind of quality branch and either norm.
    func testEveryParameterLearns() throws {
        for norm in TemporalMaxerConfiguration.NeckNorm.allCases {
            for branches in QualityBranches.allCases {
                let (model, arena) = model(branches: branches) { $0.norm = norm }, losses = train(model, arena, batch([13, 20]))
                let parts = (losses["classification"] ?? .nan) + (losses["regression"] ?? .nan) + 0.1 * (losses["localization"] ?? 0)
                XCTAssertEqual(try XCTUnwrap(losses["total"]), parts, accuracy: 1e-7)
                XCTAssertEqual(arena.parameters.map(\.name).filter { $0.hasPrefix("neck") }.count, norm == .layernorm ? 2 : 0)
                for parameter in arena.parameters {
                    let gradient = try XCTUnwrap(parameter.tensor.gradientArray)
                    let name = "\(norm.rawValue) \(branches.rawValue) \(parameter.name)"
                    XCTAssertTrue(gradient.contains { $0 != 0 } && gradient.allSatisfy(\.isFinite), name)
                }
            }
        }
    }

    func testVideosWithoutActions() throws {
        for branches in [QualityBranches.none, .tiouTND] {
            let (model, arena) = model(branches: branches), losses = train(model, arena, batch([1, 7], empty: true))
            XCTAssertEqual(losses["regression"], 0)
            XCTAssertGreaterThan(try XCTUnwrap(losses["classification"]), 0)
            for parameter in arena.parameters { XCTAssertTrue(try XCTUnwrap(parameter.tensor.gradientArray).allSatisfy(\.isFinite), parameter.name) }
        }
    }

    /// The losses against finite differences in logits and distances, with weights of several values; targets stay as they were assigned.
    func testLossGradients() throws {
        let (model, _) = model { $0.labelSmoothing = 0.1 }, batch = batch([13, 20]), outputs = model(batch.features, .inference())
        let logits = testParameter(rows: outputs.logits.rows, columns: 3, outputs.logits.array)
        let offsets = testParameter(rows: outputs.offsets.rows, columns: 2, outputs.offsets.array.map { $0 + 0.05 })
        let free = TemporalMaxer.Outputs(levels: outputs.levels, logits: logits, offsets: offsets, quality: nil)
        let targets = model.assignTargets(batch, outputs: free)
        XCTAssertEqual(Set(try XCTUnwrap(targets.positiveWeights)), [0.25, 1])
        func loss() throws -> Double {
            try XCTUnwrap(model.seedLosses(free, targets: targets, normalizers: [3], tape: Tape(recording: false))["total"])
        }
        _ = try loss()
        let gradients = [try XCTUnwrap(logits.gradientArray), try XCTUnwrap(offsets.gradientArray)]
        for (name, tensor, gradient) in [("logit", logits, gradients[0]), ("distance", offsets, gradients[1])] {
            for i in 0..<tensor.count {
                let value = tensor.values[i], step: Float = 1e-2
                func shifted(_ shift: Float) throws -> Double {
                    tensor.values[i] = value + shift
                    defer { tensor.values[i] = value }
                    return try loss()
                }
                XCTAssertEqual(Double(gradient[i]), (try shifted(step) - shifted(-step)) / Double(2 * step), accuracy: 1e-3, "\(name) \(i)")
            }
        }
    }

    // MARK: The assigner

    /// Chosen instances and weights against a plain reading of the definition, on random predictions.
    func testMatchIsTheDefinition() {
        let classes = 3, candidates = CenterSamplingAssigner(classes: classes, regressionRanges: [0...4, 4...8, 8...1000])
        let assigner = SimOTAAssigner(candidates: candidates, overlapWeight: 2, classWeight: 0.7, keptShare: 0.55, confusedWeight: 0.2)
        for trial in 0..<20 {
            let points = PyramidPoints(rows: [9 + trial], levels: 3)
            let logits = (0..<points.count * classes).map { _ in 2 * random.normal() },
                offsets = (0..<2 * points.count).map { _ in 6 * random.uniform() }
            let instances = (0..<1 + trial % 4).map { _ -> GridInstance in
                let start = Float(points.range(level: 0).count) * (random.uniform() - 0.1)
                return GridInstance(segment: GridSegment(start: start, end: start + 1 + 12 * random.uniform()), label: random.uniformIndex(below: 3))
            }
            var positions: [Float] = [], strides: [Float] = []
            for level in 0..<3 {
                for i in points.range(level: level).indices {
                    positions.append(Float(i - points.range(level: level).lowerBound) * Float(1 << level))
                    strides.append(Float(1 << level))
                }
            }
            func cost(_ p: Int, _ instance: GridInstance) -> Double {
                let left = positions[p] - instance.segment.start, right = instance.segment.end - positions[p]
                guard left >= 0, right >= 0 else { return .infinity }
                var focal = 0.0
                for c in 0..<classes {
                    let probability = 1 / (1 + exp(-Double(logits[p * classes + c]))), isTrue = c == instance.label
                    let right = isTrue ? probability : 1 - probability
                    focal -= (isTrue ? 0.25 : 0.75) * (1 - right) * (1 - right) * log(right)
                }
                let a = Double(positions[p] - offsets[2 * p] * strides[p]), b = Double(positions[p] + offsets[2 * p + 1] * strides[p])
                let s = Double(instance.segment.start), e = Double(instance.segment.end)
                let intersection = min(b, e) - max(a, s), hull = max(b, e) - min(a, s), union = (b - a) + (e - s) - intersection
                let distance = ((a + b) / 2 - (s + e) / 2) / hull
                return 0.7 * focal + 2 * (1 - intersection / union + distance * distance)
            }
            let costs = positions.indices.map { p in instances.map { cost(p, $0) } }
            var weights = costs.map { $0.contains { $0 < .infinity } ? Float(0.2) : 1 }
            for g in instances.indices {
                let inside = positions.indices.filter { costs[$0][g] < .infinity }.sorted { costs[$0][g] < costs[$1][g] }
                for p in inside.prefix(Int(0.55 * Float(inside.count))) { weights[p] = 1 }
            }
            let found = logits.withUnsafeBufferPointer { logits in
                offsets.withUnsafeBufferPointer { offsets in
                    assigner.match(
                        points, video: 0, instances: instances,
                        predictions: .init(logits: logits.baseAddress!, offsets: offsets.baseAddress!))
                }
            }
            XCTAssertEqual(found.weights, weights, "trial \(trial)")
            XCTAssertEqual(found.positions, positions)
            for p in positions.indices where costs[p].contains(where: { $0 < .infinity }) {
                XCTAssertEqual(found.chosen[p], costs[p].indices.min { costs[p][$0] < costs[p][$1] }, "trial \(trial) point \(p)")
            }
        }
    }

    /// Which actions have positive points does not depend on the outputs: what is said before training holds.
    func testOutlookHolds() {
        let (model, _) = model { $0.regressionRanges = [0...3, 5...8, 8...20] }
        for trial in 0..<30 {
            var batch = batch([20 + trial])
            batch.instances = [
                (0..<3).map { label in
                    let start = Float(trial) * random.uniform()
                    return GridInstance(segment: GridSegment(start: start, end: start + 0.2 + 14 * random.uniform()), label: label)
                }
            ]
            let targets = model.assignTargets(batch, outputs: model(batch.features, .inference()))
            for label in 0..<3 {
                let isLearnt = targets.positives.contains { targets.classes[3 * $0 + label] == 1 }
                let outlook = model.outlook(of: label, among: batch.instances[0], rows: 20 + trial)
                XCTAssertEqual(outlook.obstacle == nil, isLearnt, "trial \(trial) action \(label)")
            }
        }
    }

    /// Weights of labels multiply SimOTA's; weights of 1 change no bit; ignored points weigh nothing.
    func testLabelWeights() throws {
        let (model, arena) = model()
        var batch = batch([13, 20])
        func learn() throws -> [[Float]] {
            _ = train(model, arena, batch)
            return try arena.parameters.map { try XCTUnwrap($0.tensor.gradientArray) }
        }
        let plain = try learn(), outputs = model(batch.features, .inference()), unweighted = model.assignTargets(batch, outputs: outputs)
        batch.weights = LabelWeights(instances: batch.instances.map { $0.map { _ in 1 } })
        XCTAssertEqual(try learn(), plain)
        batch.weights = LabelWeights(instances: [[0.5, 0.5, 0.5], [0.5, 0.5, 0.5]], ignored: [[], [GridSegment(start: -1, end: 30)]])
        let weighted = model.assignTargets(batch, outputs: outputs), points = model.points(batch.features)
        XCTAssertEqual(weighted.positiveWeights, unweighted.positiveWeights?.map { 0.5 * $0 })
        let positives = Set(weighted.positives)
        for point in points.indices(video: 1) where !positives.contains(point) { XCTAssertEqual(weighted.weights?[point], 0) }
        for point in points.indices(video: 0) where !positives.contains(point) { XCTAssertEqual(weighted.weights?[point], 1) }
    }
}
