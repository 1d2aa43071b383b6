import Autograd
import Detectors
import NeuralNetworks
import ProposalDetectors
import RandomStreams
import TestSupport
import XCTest

/// What BMN gives to be contrasted, and what its classifier of recordings learns from.
final class BMNLevelsTests: XCTestCase, SmallBMNs {
    /// Rows of a recording have the base's features of their place in the map, or the mean over the windows that see them.
    func testLevels() {
        for settings in [tiny(), tiny { $0.grid = .windows }] {
            let model = BMN(settings)
            model.initializeParameters(seed: 3)
            let batch = batch([13, 3]), pass = ForwardPass(tape: Tape(), isTraining: true, random: RandomStream(seed: 1, "forward"))
            let outputs = model(batch.features, pass), level = model.levels(outputs, pass), alone = model.pyramid(batch.features, .inference())
            XCTAssertEqual(level.count, 1)
            XCTAssertEqual(level[0].offsets, batch.features.offsets)
            XCTAssertEqual(level[0].tensor.array, alone[0].tensor.array)
            let base = outputs.base!.features.array, width = 8
            func row(_ map: Int, _ t: Int) -> [Float] { Array(base[(8 * map + t) * width..<(8 * map + t + 1) * width]) }
            func ofRow(_ t: Int) -> [Float] { Array(level[0].tensor.array[t * width..<(t + 1) * width]) }
            if settings.grid == .rescaled {
                for t in 0..<13 { XCTAssertEqual(ofRow(t), row(0, Int((Double(t) + 0.5) * 8 / 13))) }
                for t in 0..<3 { XCTAssertEqual(ofRow(13 + t), row(1, Int((Double(t) + 0.5) * 8 / 3))) }
            } else {
                // Windows begin at 0, 4 and 5.
                XCTAssertEqual(ofRow(3), row(0, 3))
                assertClose("two windows", ofRow(4), zip(row(0, 4), row(1, 0)).map { 0.5 * ($0 + $1) })
                assertClose("three windows", ofRow(7), zip(zip(row(0, 7), row(1, 3)), row(2, 2)).map { ($0.0 + $0.1 + $1) / 3 })
                XCTAssertEqual(ofRow(12), row(2, 7))
                for t in 0..<3 { XCTAssertEqual(ofRow(13 + t), row(3, t)) }
            }
        }
    }

    /// The levels' parameters are the base's, and learn from them.
    func testLevelsTeachTheBaseAlone() {
        let model = BMN(tiny())
        model.initializeParameters(seed: 3)
        let arena = ParameterArena(model), tape = Tape()
        let level = model.pyramid(batch([13]).features, ForwardPass(tape: tape, isTraining: true, random: RandomStream(seed: 1, "forward")))[0]
        arena.beginGradients()
        level.tensor.gradientToWrite().pointer.update(repeating: 1, count: level.tensor.count)
        tape.backward()
        arena.finishGradients()
        for (name, parameter) in model.namedParameters {
            let isBase = model.levelParameters.contains { name.hasPrefix($0) }
            XCTAssertEqual(name.hasPrefix("x_1d_b"), isBase)
            let gradients = UnsafeBufferPointer(start: arena.gradients + parameter.arenaOffset, count: parameter.count)
            XCTAssertEqual(gradients.contains { $0 != 0 }, isBase, name)
        }
    }

    /// Classes that are predictions do not teach the classifier of recordings.
    func testPredictedClassesTeachNoClassifier() {
        var batch = batch([13, 9])
        XCTAssertEqual(BMN(tiny()).assignTargets(batch).isClassified, [true, true])
        batch.classes = .unknown
        let targets = BMN(tiny()).assignTargets(batch)
        XCTAssertEqual(targets.isClassified, [false, false])
        XCTAssertEqual(targets.counts[BMNTargets.Count.classified.rawValue], 0)
        XCTAssertEqual(batch.parts(2).map(\.classes), [.unknown, .unknown])
        batch.classes = .known([[], [2, 0]])
        let known = BMN(tiny()).assignTargets(batch)
        XCTAssertEqual(known.isClassified, [false, true])
        XCTAssertEqual(known.classes, [0, 0, 0, 1, 0, 1])
        XCTAssertEqual(batch.parts(2).map(\.classes), [.known([[]]), .known([[2, 0]])])
    }
}
