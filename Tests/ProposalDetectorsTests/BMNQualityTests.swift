import Autograd
import Detectors
import Foundation
import Kernels
import NeuralNetworks
import PostProcessing
import ProposalDetectors
import RandomStreams
import TemporalAnnotations
import TestSupport
import XCTest

/// ALQA on BMN: the targets of its channel, losses against direct computations, scores; weights of labels and stretches of which nothing is known.
final class BMNQualityTests: XCTestCase, SmallBMNs {
    // MARK: Targets

    /// tND by hand: of cells [0, 1), [0, 2), [0, 3), [0, 4), [1, 2), ... with the segment [1, 3).
    func testDistancesOfASegment() {
        let targets = BMNTargets([[(1, 3)], []], tiny { $0.temporalScale = 4 })
        func square(_ a: Float) -> Float { a * a }
        // Middles 0.5, 1, 1.5, 2 / 1.5, 2, 2.5 / 2.5, 3 / 3.5 against 2; together 3, 3, 3, 4 / 2, 2, 3 / 2, 3 / 3 rows.
        assertClose(
            "tND", Array(targets.distance.prefix(10)),
            [1.5 / 3, 1 / 3, 0.5 / 3, 0, 0.5 / 2, 0, 0.5 / 3, 0.5 / 2, 1 / 3, 1.5 / 3].map(square))
        XCTAssertEqual(Array(targets.distance.dropFirst(10)), [Float](repeating: 0, count: 10))
        XCTAssertEqual(BMNTargets([[(1, 3)]], tiny(.tiou) { $0.temporalScale = 4 }).distance, [])
        XCTAssertEqual(BMNTargets([[(1, 3)]], tiny(.none) { $0.temporalScale = 4 }).distance, [])
    }

    /// Of two segments of equal tIoU the earlier, whatever their order in the list.
    func testTiesGoToTheEarlierSegment() {
        for segments in [[(0.0, 2.0), (3.0, 4.0)], [(3.0, 4.0), (0.0, 2.0)]] as [[BMNTargets.RowSegment]] {
            let settings = tiny { $0.temporalScale = 4 }, targets = BMNTargets([segments], settings)
            // [1, 4) overlaps [0, 2) by 1/4 and [3, 4) by 1/3; [2, 3) overlaps neither: its tND is that to [0, 2).
            let cells = settings.map.proposals.map { [$0.start, $0.end] }
            XCTAssertEqual(targets.distance[cells.firstIndex(of: [2, 3])!], 0.25, accuracy: 1e-6)
            XCTAssertEqual(targets.distance[cells.firstIndex(of: [1, 4])!], Float(1.0 / 9), accuracy: 1e-6)
        }
        // [1, 3) overlaps [0, 2) and [2, 4) by a third each.
        let settings = tiny { $0.temporalScale = 4 }, both = BMNTargets([[(2, 4), (0, 2.0)]], weights: [[0.25, 0.75]], settings)
        let place = settings.map.proposals.firstIndex { $0.start == 1 && $0.end == 3 }!
        XCTAssertEqual(both.distance[place], Float(1.0 / 9), accuracy: 1e-6)
        XCTAssertEqual(both.weights?.regression[place], 0.75)
    }

    /// A row or cell weighs what its label does where it is positive, and nothing where only an ignored stretch would make it positive.
    func testWeights() {
        let settings = tiny { ($0.temporalScale, $0.boundaryAnchor) = (8, .row) }
        let targets = BMNTargets([[(1, 3)], [(4, 6)]], weights: [[0.5], [1]], ignored: [[(5, 8)], [(4, 6), (0, 2)]], settings)
        let weights = targets.weights!
        // Starts cover rows -0.5 to 2.5 of map 0: rows 0 and 1 whole, row 2 by half, which is not more than the threshold; ignored 3.5 to 6.5.
        XCTAssertEqual(Array(weights.start.prefix(8)), [0.5, 0.5, 1, 1, 0, 0, 1, 1])
        XCTAssertEqual(Array(weights.end.prefix(8)), [1, 1, 0.5, 0.5, 1, 1, 1, 0])
        // The label's start stands where the ignored one's does, and counts; the other ignored start covers -1.5 to 1.5.
        XCTAssertEqual(Array(weights.start.dropFirst(8)), [0, 1, 1, 1, 1, 1, 1, 1])
        let proposals = settings.map.proposals
        for (cell, proposal) in proposals.enumerated() {
            let first = (proposal.start, proposal.end) == (1, 3), ignored = (proposal.start, proposal.end) == (5, 8)
            XCTAssertEqual(weights.classification[cell], first ? 0.5 : ignored ? 0 : 1)
            let overlaps = proposal.start < 3 && proposal.end > 1
            XCTAssertEqual(weights.regression[cell], overlaps ? 0.5 : ignored ? 0 : 1)
            let second = proposals.count + cell
            XCTAssertEqual(weights.classification[second], (proposal.start, proposal.end) == (0, 2) ? 0 : 1)
        }
        var sums = targets.counts
        XCTAssertEqual(sums[BMNTargets.Count.rows.rawValue], 8 - 0.5 * 2 - 2 + 8 - 1)
        XCTAssertEqual(sums[BMNTargets.Count.endRows.rawValue], 8 - 0.5 * 2 - 1 + 8 - 2)
        XCTAssertEqual(sums[BMNTargets.Count.starts.rawValue], 2 * 0.5 + 2)
        XCTAssertEqual(sums[BMNTargets.Count.cells.rawValue], 36 - 0.5 - 1 + 36 - 1)
        XCTAssertEqual(sums[BMNTargets.Count.positives.rawValue], 1.5)
        var settled = targets
        let ones = [Float](repeating: 1, count: 72)
        sums += settled.settle(sums, medium: ones, low: ones)
        let expected = settled.taken.indices.reduce(0.0) { settled.taken[$1] ? $0 + Double(weights.regression[$1]) : $0 }
        XCTAssertEqual(sums[BMNTargets.Count.taken.rawValue], expected)
        XCTAssertFalse(settled.taken[proposals.firstIndex { $0.start == 5 && $0.end == 8 }!])
        XCTAssertTrue(settled.taken[proposals.firstIndex { $0.start == 1 && $0.end == 3 }!])
    }

    /// With weights of 1 nothing changes, not even a bit: counts, draws, losses, gradients.
    func testWeightsOfOneChangeNothing() {
        for branches in [QualityBranches.none, .tiou, .tiouTND] {
            for grid in [BMNSettings.Grid.rescaled, .windows] {
                let settings = tiny(branches) { $0.grid = grid }, plain = batch([11, 8, 3])
                var weighed = plain
                weighed.weights = LabelWeights(instances: plain.instances.map { $0.map { _ in 1 } })
                let results = [plain, weighed].map { batch -> [UInt64] in
                    let model = BMN(settings)
                    model.initializeParameters(seed: 3)
                    let arena = ParameterArena(model), tape = Tape()
                    var random = RandomStream(seed: 4, "losses"), targets = model.assignTargets(batch), counts = targets.counts
                    counts += targets.settle(counts, random: &random)
                    let losses = model.losses(batch, normalizers: counts.map { Float($0) }, tape: tape, random: &random)
                    tape.backward()
                    arena.finishGradients()
                    return counts.map(\.bitPattern) + losses.sorted { $0.key < $1.key }.map(\.value.bitPattern)
                        + (0..<arena.count).map { UInt64(arena.gradients[$0].bitPattern) }
                }
                XCTAssertEqual(results[0], results[1])
                XCTAssertTrue(results[0].contains { $0 != 0 })
            }
        }
    }

    // MARK: Losses

    /// Two maps' outputs of made-up probabilities.
    private func outputs(_ settings: BMNSettings, maps: Int) -> BMN.Outputs {
        var random = RandomStream(seed: 9, "outputs")
        func made(_ rows: Int, _ columns: Int) -> Tensor {
            Tensor(rows: rows, columns: columns, (0..<rows * columns).map { _ in 0.05 + 0.9 * random.uniform() })
        }
        let cells = settings.map.proposals.count, scale = settings.temporalScale
        let hasDistance = settings.options.quality.branches == .tiouTND
        return BMN.Outputs(
            start: made(maps * scale, 1), end: made(maps * scale, 1), map: made(maps * cells, 2), distance: hasDistance ? made(maps * cells, 1) : nil,
            classLogits: nil)
    }

    /// The loss of the map as the equations say it, soft labels fixed.
    private func naive(
        _ map: [Double], _ distance: [Double]?, labels: [Double], _ targets: BMNTargets, _ settings: BMNSettings, _ n: [Double]
    ) -> Double {
        let quality = settings.options.quality, cells = targets.overlap.count
        func count(_ what: BMNTargets.Count) -> Double { n[what.rawValue] }
        let r = count(.cells) / count(.positives)
        var classification = 0.0, regression = 0.0, localization = 0.0
        for i in 0..<cells {
            let p = map[2 * i + 1], tiou = map[2 * i], reliability = distance.map { max(tiou - $0[i], 1e-3) } ?? tiou
            let q = quality.focalScore == .joint ? p * reliability : p
            let w = Double(targets.weights?.classification[i] ?? 1)
            if targets.overlap[i] > settings.positiveThreshold {
                classification -= w * 0.5 * r * (labels[i] * log(q + 1e-6) + (1 - labels[i]) * log(1 - q + 1e-6)) / count(.cells)
            } else {
                classification -= w * 0.5 * r / (r - 1) * log(1 - q + 1e-6) / count(.cells)
            }
            guard targets.taken[i] else { continue }
            let v = Double(targets.weights?.regression[i] ?? 1), g = Double(targets.overlap[i])
            regression += v * 0.5 * (tiou - g) * (tiou - g) / count(.taken)
            guard let distance else { continue }
            let y = Double(targets.distance[i])
            localization -= v * (y * log(distance[i] + 1e-6) + (1 - y) * log(1 - distance[i] + 1e-6)) / count(.taken)
        }
        return classification + 10 * regression + 0.1 * localization
    }

    /// Losses and every gradient of the map's channels, against the equations and their finite differences; on P_cls and on the joint score, with one
    /// branch and two, with weights and without.
    func testLossesOfTheMap() throws {
        for branches in [QualityBranches.tiou, .tiouTND] {
            for score in [QualitySettings.FocalScore.joint, .classScore] {
                for isWeighed in [false, true] {
                    let settings = tiny(branches) {
                        $0.temporalScale = 5
                        $0.options.quality.focalScore = score
                        $0.videoClassifier = .file
                    }
                    let maps: [[BMNTargets.RowSegment]] = [[(0, 2), (3, 5)], [(1, 4.05)]]
                    var targets = BMNTargets(
                        maps, weights: isWeighed ? [[1, 0.3], [0.7]] : nil, ignored: isWeighed ? [[(1, 3)], []] : nil, settings)
                    var random = RandomStream(seed: 2, "draws"), counts = targets.counts
                    counts += targets.settle(counts, random: &random)
                    let outputs = outputs(settings, maps: 2), model = BMN(settings)
                    let found = model.seedLosses(outputs, targets: targets, normalizers: counts.map { Float($0) }, tape: Tape())
                    let map = outputs.map.array.map(Double.init), distance = outputs.distance?.array.map(Double.init)
                    let labels = targets.overlap.indices.map { i in distance.map { max(map[2 * i] - $0[i], 1e-3) } ?? map[2 * i] }
                    func loss(_ map: [Double], _ distance: [Double]?) -> Double { naive(map, distance, labels: labels, targets, settings, counts) }
                    let expected = loss(map, distance), boundaries = try XCTUnwrap(found["boundaries"])
                    XCTAssertEqual(try XCTUnwrap(found["total"]) - boundaries, expected, accuracy: 1e-4 * expected)
                    XCTAssertEqual(found["localization"] != nil, branches == .tiouTND)
                    func slopes(_ count: Int, _ at: (Int, Double) -> Double) -> [Float] {
                        (0..<count).map { Float((at($0, 1e-5) - at($0, -1e-5)) / 2e-5) }
                    }
                    assertClose(
                        "map", Array(UnsafeBufferPointer(start: outputs.map.gradientToWrite().pointer, count: map.count)),
                        slopes(map.count) { i, step in
                            var moved = map
                            moved[i] += step
                            return loss(moved, distance)
                        }, absolute: 1e-4, relative: 1e-3)
                    guard let distance, let tensor = outputs.distance else { continue }
                    assertClose(
                        "distance", Array(UnsafeBufferPointer(start: tensor.gradientToWrite().pointer, count: distance.count)),
                        slopes(distance.count) { i, step in
                            var moved = distance
                            moved[i] += step
                            return loss(map, moved)
                        }, absolute: 1e-4, relative: 1e-3)
                }
            }
        }
    }

    /// At its least value P_diou passes no gradient; a probability of 0 or 1 gives no infinity.
    func testEdgesOfTheLosses() {
        let settings = tiny { ($0.temporalScale, $0.videoClassifier) = (2, .file) }
        var targets = BMNTargets([[(0, 1)]], settings), counts = targets.counts
        counts += targets.settle(counts, medium: [1, 1, 1], low: [1, 1, 1])
        let outputs = BMN.Outputs(
            start: Tensor(rows: 2, columns: 1, [0.5, 0.5]), end: Tensor(rows: 2, columns: 1, [0.5, 0.5]),
            map: Tensor(rows: 3, columns: 2, [0, 1, 1, 0, 0.2, 1]), distance: Tensor(rows: 3, columns: 1, [1, 0, 0.4]), classLogits: nil)
        let losses = BMN(settings).seedLosses(outputs, targets: targets, normalizers: counts.map { Float($0) }, tape: Tape())
        XCTAssertTrue(losses.values.allSatisfy(\.isFinite))
        let map = outputs.map.gradientToWrite().pointer, distance = outputs.distance!.gradientToWrite().pointer
        XCTAssertTrue((0..<6).allSatisfy { map[$0].isFinite } && (0..<3).allSatisfy { distance[$0].isFinite })
        // [1, 2) overlaps nothing, is not taken, and is at the least value.
        XCTAssertEqual([map[4], distance[2]], [0, 0])
    }

    // MARK: Network

    /// The channel costs a weight per column and a bias, and changes no other output; without it nothing of it is there.
    func testTheChannelChangesNoOtherOutput() {
        func size(_ branches: QualityBranches) -> Int {
            BMN(tiny(branches) { $0.mapDimension = 128 }).namedParameters.reduce(0) { $0 + $1.parameter.count }
        }
        XCTAssertEqual(size(.tiouTND) - size(.none), 129)
        XCTAssertEqual(size(.tiou), size(.none))
        let with = BMN(tiny()), without = BMN(tiny(.none))
        with.initializeParameters(seed: 5)
        let values = Dictionary(uniqueKeysWithValues: with.namedParameters.map { ($0.name, Array($0.parameter.values)) })
        without.initializeParameters(seed: 6)
        for (name, parameter) in without.namedParameters { for (i, value) in values[name]!.enumerated() { parameter.values[i] = value } }
        let batch = batch([9, 14, 8, 3, 20])
        let a = with(batch.features, .inference()), b = without(batch.features, .inference())
        XCTAssertEqual(a.start.array, b.start.array)
        XCTAssertEqual(a.end.array, b.end.array)
        XCTAssertEqual(a.map.array, b.map.array)
        XCTAssertNil(b.distance)
        // Five maps pass in parts of four without a tape, and whole with one.
        let whole = with(batch.features, ForwardPass(tape: Tape(), isTraining: true, random: RandomStream(seed: 1, "forward")))
        XCTAssertEqual(a.distance?.array, whole.distance?.array)
        XCTAssertEqual(a.distance?.count, 5 * 36)
        XCTAssertEqual(Set(a.distance!.array).count > 100, true)
    }

    // MARK: Scores

    func testJointScores() {
        func proposals(_ branches: QualityBranches, power: Float = 1) -> [BMNDecoding.Proposal] {
            let settings = tiny(branches) {
                $0.temporalScale = 4
                $0.options.quality.power = power
            }
            let distances: [Float] = [0.1, 0.6] + [Float](repeating: 0.2, count: 8)
            return distances.withUnsafeBufferPointer { distances in
                BMNDecoding(settings: settings).proposals(
                    start: [0.9, 0.1, 0.2, 0.1], end: [0.1, 0.2, 0.3, 0.4], map: (0..<20).map { Float($0 % 2 == 0 ? 0.5 : 0.25) },
                    distance: branches == .tiouTND ? distances.baseAddress : nil)
            }
        }
        XCTAssertEqual(Float(proposals(.none)[0].score), 0.9 * 0.2 * 0.25 * 0.5, accuracy: 1e-7)
        XCTAssertEqual(Float(proposals(.tiou)[0].score), 0.9 * 0.2 * 0.25 * 0.5, accuracy: 1e-7)
        XCTAssertEqual(Float(proposals(.tiouTND)[0].score), 0.9 * 0.2 * 0.25 * 0.4, accuracy: 1e-7)
        XCTAssertEqual(Float(proposals(.tiouTND)[1].score), 0.9 * 0.3 * 0.25 * 1e-3, accuracy: 1e-9)
        XCTAssertEqual(Float(proposals(.tiouTND, power: 2)[0].score), 0.9 * 0.2 * 0.25 * 0.16, accuracy: 1e-7)
        XCTAssertEqual(Float(proposals(.tiouTND, power: 0)[1].score), 0.9 * 0.3 * 0.25, accuracy: 1e-7)
        XCTAssertEqual(Float(proposals(.none, power: 0)[0].score), 0.9 * 0.2 * 0.25, accuracy: 1e-7)
    }

    /// Candidates of labels: the segments that detections have, with v P_cls P_diou times what suppression leaves; the best class has v = 1.
    func testCandidatesOfLabels() throws {
        for classes in [1, 2] {
            let settings = tiny {
                $0.videoClasses = classes
                $0.suppression = .test
                ($0.options.detection.nmsMethod, $0.options.detection.maxSegNum, $0.options.detection.preNMSThresh) = (.none, 0, 0)
            }
            let model = BMN(settings)
            model.initializeParameters(seed: 3)
            let batch = batch([16]), found = model.labelCandidates(batch)[0], detections = model.detect(batch)[0]
            let outputs = model(batch.features, .inference())
            XCTAssertEqual(found.count, detections.count)
            XCTAssertEqual(found.count, 28 * classes)
            XCTAssertEqual(found.map(\.detection.score), found.map(\.detection.score).sorted(by: >))
            let logits = outputs.classLogits!.array.map { 1 / (1 + exp(-Double($0))) }, best = logits.max()!
            let order = logits.indices.sorted { logits[$0] > logits[$1] }
            for (cell, proposal) in settings.map.proposals.enumerated() where proposal.end < 8 {
                // Rows of the map are two of the recording's, half a second each.
                let segment = Segment(start: Double(proposal.start), end: Double(proposal.end))
                let own = found.filter {
                    abs($0.detection.segment.start - segment.start) < 1e-5 && abs($0.detection.segment.end - segment.end) < 1e-5
                }
                XCTAssertEqual(Set(own.map(\.detection.label)), Set(order.prefix(classes)))
                let tiou = outputs.map.values[2 * cell], p = outputs.map.values[2 * cell + 1], tnd = outputs.distance!.values[cell]
                for one in own {
                    let v = logits[one.detection.label] / best
                    XCTAssertEqual(one.detection.score, v * Double(p * max(tiou - tnd, 1e-3)), accuracy: 1e-6)
                    XCTAssertEqual(Double(one.classScore), v * Double(p), accuracy: 1e-6)
                    XCTAssertEqual([one.overlap, one.distance, one.reliability], [tiou, tnd, max(tiou - tnd, 1e-3)])
                }
            }
        }
        // Suppression lowers both scores alike.
        let settings = tiny { ($0.suppressionLow, $0.suppressionHigh, $0.videoClassifier) = (0.1, 0.1, .file) }, model = BMN(settings)
        model.initializeParameters(seed: 3)
        let found = model.labelCandidates(batch([16]))[0]
        XCTAssertEqual(found.count, 28)
        XCTAssertTrue(found.allSatisfy { $0.detection.score <= Double($0.jointScore) * (1 + 1e-5) })
        XCTAssertGreaterThan(found.count { $0.detection.score < 0.9 * Double($0.jointScore) }, 5)
        XCTAssertEqual(Set(found.map(\.detection.label)), [0])
    }

    func testClassesOfCandidates() {
        func one(_ score: Double) -> AssessedDetection {
            AssessedDetection(
                detection: Detection(video: VideoID("v"), segment: Segment(start: 0, end: 1), label: 0, score: score),
                gridSegment: GridSegment(start: 0, end: 1), classScore: Float(score), overlap: nil, distance: nil, reliability: nil)
        }
        func list(_ found: [AssessedDetection]) -> [[Double]] {
            found.map { [Double($0.detection.label), $0.detection.score, Double($0.classScore)] }
        }
        let found = [one(0.75), one(0.5)]
        XCTAssertEqual(
            list(AssessedDetection.classified(found, scores: [0.2, 0.1, 0.4], topK: 2)),
            [[2, 0.75, 0.75], [2, 0.5, 0.5], [0, 0.375, 0.375], [0, 0.25, 0.25]])
        XCTAssertEqual(list(AssessedDetection.classified(found, scores: [0.2, 0.2], topK: 1)), [[0, 0.75, 0.75], [0, 0.5, 0.5]])
        XCTAssertEqual(list(AssessedDetection.classified(found, scores: [0, 0], topK: 9)).map { $0[0] }, [0, 1, 0, 1])
        XCTAssertEqual(list(AssessedDetection.classified([], scores: [0.2], topK: 1)), [])
        XCTAssertEqual(list(AssessedDetection.classified(found, scores: [], topK: 1)), [])
    }
}
