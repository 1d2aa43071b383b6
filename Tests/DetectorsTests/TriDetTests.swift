import Autograd
import Detectors
import Kernels
import NeuralNetworks
import PyramidDetectors
import RandomStreams
import TemporalAnnotations
import TestSupport
import XCTest

/// TriDet on packed videos of uneven lengths: what the published code, which pads, cannot say.
final class TriDetTests: XCTestCase {
    private var random = RandomStream(seed: 4, "TriDet")
    /// Arenas own the parameters of the models under test.
    private var arenas: [ParameterArena] = []

    override func tearDown() { ComputeContext.current.threads = 1 }

    private func model(
        branches: QualityBranches = .none, trident: Bool = true, width: Int = 32, changing change: (inout TriDetConfiguration) -> Void = { _ in }
    ) -> (TriDet, ParameterArena) {
        var c = TriDetConfiguration(inputDimension: 6, classes: 3)
        (c.embeddingConvolutions, c.stemBlocks, c.branchBlocks) = (1, 1, 2)
        c.windows = [1, 3, 5]
        (c.embeddingDimension, c.neckDimension, c.headDimension, c.hiddenDimension) = (width, width, 8, 24)
        c.regressionRanges = [0...4, 4...8, 8...1000]
        (c.bins, c.tridentHead, c.overlapPower, c.branchDeviation) = (5, trident, 0.5, 0.4)
        (c.priorProbability, c.dropPath) = (0.2, 0)
        c.quality = QualitySettings(branches)
        c.detection.nmsMethod = .none
        c.detection.preNMSThresh = 0
        change(&c)
        let model = TriDet(c), arena = ParameterArena(model)
        arenas.append(arena)
        model.initializeParameters(seed: 3)
        // Distances that ReLU lets through.
        for parameter in arena.parameters where parameter.name == "reg_head.offset_head.conv.bias" { parameter.values.update(repeating: 1) }
        return (model, arena)
    }

    private func batch(_ lengths: [Int], empty: Bool = false) -> PackedBatch { .uneven(lengths, empty: empty, random: &random) }

    private func train(_ model: TriDet, _ arena: ParameterArena, _ batch: PackedBatch) -> [String: Double] {
        let tape = Tape()
        var stream = RandomStream(seed: 0, "test")
        arena.beginGradients()
        let losses = model.losses(batch, targets: model.assignTargets(batch), normalizer: 3, tape: tape, random: &stream)
        tape.backward()
        arena.finishGradients()
        return losses
    }

    func testWideKernels() {
        // round(k (w + 1)) with halves to even, then odd: of the published code.
        for (window, factor, kernel) in [(1, 1.5, 3), (1, 5, 11), (3, 1.2, 5), (5, 2, 13), (15, 1.3, 21), (1, 1.25, 3), (3, 0.1, 1)] {
            XCTAssertEqual(SGPBlock.wideKernel(window: window, factor: factor), kernel, "w \(window), k \(factor)")
        }
    }

    /// Every gradient of a block against finite differences, at stride 1 and 2.
    func testBlockGradients() {
        // No video so short that a group of the norm holds two or three numbers; single operations are checked there.
        for (offsets, stride, downsampling) in [([0, 5, 11], 1, SGPBlock.Downsampling.avg), ([0, 7, 12], 2, .max), ([0, 7, 12], 2, .avg)] {
            let channels = 48
            let block = SGPBlock(
                channels: channels, hidden: 4, window: 3, factor: 1.5, stride: stride, dropPath: 0.1, deviation: 0.5, downsampling: downsampling)
            let pooled = block.namedParameters.map(\.name).filter { $0.hasPrefix("downsample") }
            XCTAssertEqual(pooled, stride > 1 && downsampling == .avg ? ["downsample.1.weight", "downsample.1.bias"] : [])
            block.initializeParameters(seed: 1)
            for (name, parameter) in block.namedParameters {
                // No layer scale of 1e-4, no bias of 0; gates clearly open or shut, so that a small step does not change that.
                let isGate = name == "global_fc.bias"
                for i in parameter.values.indices { parameter.values[i] += isGate ? (i % 3 == 0 ? -3 : 2) : 0.3 * random.normal() }
            }
            // Far apart, so that a small step changes no maximum.
            let count = offsets.last! * channels, order = random.permutation(count)
            let x = testParameter(rows: offsets.last!, columns: channels, order.map { Float($0) / Float(count) * 6 - 3 })
            let checked = [("x", x)] + block.namedParameters.map { ($0.name, $0.parameter.tensor) }
            checkGradients("block of stride \(stride), \(downsampling), \(offsets)", checked, step: 3e-3, tolerance: 2e-2) { tape in
                let pass = ForwardPass(tape: tape, isTraining: false, random: RandomStream(seed: 0, "block"))
                return block(PackedSequence(x, offsets: offsets), pass).tensor
            }
        }
    }

    /// A video's outputs do not depend on those beside it.
    func testVideosDoNotSeeEachOther() {
        for downsampling in SGPBlock.Downsampling.allCases {
            let (model, _) = model { $0.downsampling = downsampling }, lengths = [1, 2, 13, 20], batch = batch(lengths)
            checkVideosDoNotSeeEachOther(batch, model.points(batch.features)) { features in
                let outputs = model(features, .inference())
                return [("logits", outputs.logits), ("start", outputs.start!), ("end", outputs.end!), ("center", outputs.center)]
            }
            for (b, found) in model.detect(batch).enumerated() {
                XCTAssertTrue(found.allSatisfy { $0.segment.start >= 0 && $0.segment.end <= Double(lengths[b]) })
            }
        }
    }

    func testThreadsChangeNoBit() {
        for downsampling in SGPBlock.Downsampling.allCases { checkThreadsChangeNoBit(downsampling) }
    }

    private func checkThreadsChangeNoBit(_ downsampling: SGPBlock.Downsampling) {
        let (model, arena) = model(width: 64) {
            $0.dropPath = 0.3
            $0.inputNoise = 0.1
            $0.downsampling = downsampling
        }
        let batch = batch([333, 129, 258])
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

    /// Every parameter learns, with every kind of quality branch and with either head.
    func testEveryParameterLearns() throws {
        for trident in [true, false] {
            for branches in QualityBranches.allCases {
                let (model, arena) = model(branches: branches, trident: trident), losses = train(model, arena, batch([13, 20]))
                let parts = (losses["classification"] ?? .nan) + (losses["regression"] ?? .nan) + 0.1 * (losses["localization"] ?? 0)
                XCTAssertEqual(try XCTUnwrap(losses["total"]), parts, accuracy: 1e-7)
                XCTAssertEqual(losses.keys.contains("localization"), branches != .none)
                for parameter in arena.parameters {
                    let gradient = try XCTUnwrap(parameter.tensor.gradientArray)
                    let name = "\(trident) \(branches.rawValue) \(parameter.name)"
                    XCTAssertTrue(gradient.contains { $0 != 0 } && gradient.allSatisfy(\.isFinite), name)
                }
            }
        }
    }

    /// The linear layers behind the averages learn too, one per branch block, and are all that is added.
    func testAveragesAddTheirParametersAndNothingElse() throws {
        let (model, arena) = model { $0.downsampling = .avg }
        _ = train(model, arena, batch([13, 20]))
        let added = arena.parameters.filter { $0.name.contains("downsample") }
        XCTAssertEqual(
            added.map(\.name), (0..<2).flatMap { ["backbone.branch.\($0).downsample.1.weight", "backbone.branch.\($0).downsample.1.bias"] })
        XCTAssertEqual(Set(arena.parameters.map(\.name)).subtracting(added.map(\.name)), Set(self.model().1.parameters.map(\.name)))
        for parameter in added {
            let gradient = try XCTUnwrap(parameter.tensor.gradientArray)
            XCTAssertTrue(gradient.contains { $0 != 0 } && gradient.allSatisfy(\.isFinite), parameter.name)
        }
    }

    /// With the published start at 0 the depthwise branches get no gradient, ever: docs/methods.md says so.
    func testBranchesThatBeginAtZeroStayThere() throws {
        let (model, arena) = model { $0.branchDeviation = 0 }
        _ = train(model, arena, batch([13, 20]))
        let names: Set<Substring> = ["psi", "fc", "convw", "convkw", "global_fc"]
        let branches = arena.parameters.filter { !names.isDisjoint(with: $0.name.split(separator: ".")) }
        XCTAssertEqual(branches.count, 3 * 10, "weights and biases of three blocks")
        for parameter in branches { XCTAssertEqual(parameter.tensor.gradientArray?.allSatisfy { $0 == 0 }, true, parameter.name) }
    }

    func testVideosWithoutActions() throws {
        for branches in [QualityBranches.none, .tiouTND] {
            let (model, arena) = model(branches: branches), losses = train(model, arena, batch([1, 7], empty: true))
            XCTAssertEqual(losses["regression"], 0)
            XCTAssertGreaterThan(try XCTUnwrap(losses["classification"]), 0)
            for parameter in arena.parameters {
                let gradient = try XCTUnwrap(parameter.tensor.gradientArray)
                XCTAssertTrue(gradient.allSatisfy(\.isFinite), parameter.name)
                if parameter.name.hasPrefix("start_head") { XCTAssertTrue(gradient.allSatisfy { $0 == 0 }, parameter.name) }
            }
        }
    }

    func testInputNoiseIsOfTrainingAloneAndComesFromTheStream() {
        let (plain, plainArena) = model(), (noisy, noisyArena) = model { $0.inputNoise = 0.2 }
        let batch = batch([13, 20]), first = train(noisy, noisyArena, batch)
        XCTAssertEqual(train(noisy, noisyArena, batch), first)
        XCTAssertNotEqual(train(plain, plainArena, batch), first)
        XCTAssertEqual(noisy.detect(batch), plain.detect(batch))
    }

    func testBranchesAddTheirParametersAndNothingElse() {
        let plain = model().1.parameters.map(\.name)
        XCTAssertEqual(
            model(branches: .tiouTND).1.parameters.map(\.name),
            plain + ["tiou_head", "tnd_head"].flatMap { ["reg_head.\($0).conv.weight", "reg_head.\($0).conv.bias"] })
    }

    func testDetectionsCarryThePartsOfTheirScores() throws {
        let (model, _) = model(branches: .tiouTND), batch = batch([13, 20]), found = model.detectWithParts(batch)
        XCTAssertEqual(found.map { $0.map(\.detection) }, model.detect(batch))
        XCTAssertGreaterThan(found.joined().count, 3)
        for detection in found.joined() {
            XCTAssertEqual(Float(detection.detection.score), detection.jointScore)
            let difference = try XCTUnwrap(detection.overlap) - XCTUnwrap(detection.distance)
            XCTAssertEqual(detection.reliability, max(difference, 1e-3))
        }
    }

    /// The tIoU-weighted focal loss against finite differences, in the logits and in the predicted distances.
    func testOverlapWeightedClassification() throws {
        // Between 0 and 1, and 7 without a pair: mixtures of recordings.
        let classes = 3, pairs = [1, 5, 6], targets: [Float] = [0, 1, 0, 0, 0, 0.7, 0.55, 0.3, 0]
        let logits = testParameter(rows: 3, columns: classes, (0..<9).map { _ in random.normal() })
        let predicted = testParameter(rows: 3, columns: 2, [1, 2, 0.5, 3, 4, 0.4]), wanted: [Float] = [1.5, 1, 0.7, 2.5, 5, 0.2]
        for (power, smoothing) in [(Float(0.2), Float(0)), (1, 0.1), (0, 0)] {
            func loss() -> Double {
                logits.clearGradient()
                predicted.clearGradient()
                return PointLosses.overlapWeightedClassification(
                    logits, targets: targets, labelSmoothing: smoothing, normalizer: 2, pairs: pairs, predicted: predicted, wanted: wanted,
                    power: power)
            }
            _ = loss()
            let gradients = [try XCTUnwrap(logits.gradientArray), try XCTUnwrap(predicted.gradientArray)]
            for (name, tensor, gradient) in [("logit", logits, gradients[0]), ("distance", predicted, gradients[1])] {
                for i in 0..<tensor.count {
                    let value = tensor.values[i]
                    func shifted(_ shift: Float) -> Double {
                        tensor.values[i] = value + shift
                        defer { tensor.values[i] = value }
                        return loss()
                    }
                    XCTAssertEqual(Double(gradient[i]), (shifted(1e-2) - shifted(-1e-2)) / 2e-2, accuracy: 3e-4, "\(name) \(i), power \(power)")
                }
            }
        }
    }
}
