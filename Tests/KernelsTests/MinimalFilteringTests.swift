import Kernels
import RandomStreams
import XCTest

/// Minimal filtering against sums in double precision, and against direct products.
final class MinimalFilteringTests: XCTestCase {
    private let input = 67, output = 70
    private lazy var random = RandomStream(seed: 7, "minimal filtering")

    private func numbers(_ count: Int) -> [Float] { (0..<count).map { _ in random.uniform(-1, 1) } }

    /// Lengths 1 to 9, those around a piece, and several short ones beside a long one.
    private let layouts: [[Int]] =
        (1...9).map { [$0] } + [[1, 1, 1], [2, 5, 3, 4], [7, 1, 30, 2], [255], [256], [257], [3, 600, 1, 5], [2_049, 6]]

    private func offsets(_ lengths: [Int]) -> [Int] { lengths.reduce(into: [0]) { $0.append(($0.last ?? 0) + $1) } }

    /// In double precision, from the definition.
    private func forward(_ x: [Float], _ w: [Float], _ offsets: [Int]) -> [Double] {
        var y = [Double](repeating: 0, count: (offsets.last ?? 0) * output)
        for sequence in 0..<offsets.count - 1 {
            for t in offsets[sequence]..<offsets[sequence + 1] {
                for j in 0..<3 where t + j - 1 >= offsets[sequence] && t + j - 1 < offsets[sequence + 1] {
                    for i in 0..<input {
                        let value = Double(x[(t + j - 1) * input + i])
                        for o in 0..<output { y[t * output + o] += value * Double(w[(j * input + i) * output + o]) }
                    }
                }
            }
        }
        return y
    }

    private func norm(_ values: [Double]) -> Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }

    /// The norm of the difference, as a part of the norm: about 4e-7 for float32 sums of 512 products, 1.2e-6 by minimal filtering.
    private func error(_ values: [Float], _ expected: [Double]) -> Double {
        norm(zip(values, expected).map { Double($0) - $1 }) / max(norm(expected), 1e-30)
    }

    func testForwardAgainstTheDefinition() throws {
        for lengths in layouts where lengths.reduce(0, +) <= 700 {
            let offsets = offsets(lengths), rows = offsets[offsets.count - 1]
            let filter = try XCTUnwrap(MinimalFiltering(Convolution(input: input, output: output, kernel: 3, offsets: offsets)))
            let x = numbers(rows * input), w = numbers(3 * input * output), bias = numbers(output)
            var u = [Float](repeating: .nan, count: filter.weightScratchCount), y = [Float](repeating: .nan, count: rows * output)
            filter.forward(x, w, scratch: &u, bias: bias, into: &y)
            let expected = forward(x, w, offsets).enumerated().map { $1 + Double(bias[$0 % output]) }
            XCTAssertLessThan(error(y, expected), 2e-6, "\(lengths)")
        }
    }

    /// Gradients of the definition: sums over x, w and dy are the same number whatever is differentiated.
    func testGradientsAgainstDirectProducts() throws {
        for lengths in layouts {
            let offsets = offsets(lengths), rows = offsets[offsets.count - 1]
            let shape = Convolution(input: input, output: output, kernel: 3, offsets: offsets), filter = try XCTUnwrap(MinimalFiltering(shape))
            let x = numbers(rows * input), w = numbers(3 * input * output), dy = numbers(rows * output)
            var u = [Float](repeating: .nan, count: filter.weightScratchCount), scratch = [Float](repeating: .nan, count: filter.gradientScratchCount)
            for add in [false, true] {
                let before = add ? numbers(rows * input) : [Float](repeating: .nan, count: rows * input)
                let beforeWeight = add ? numbers(3 * input * output) : [Float](repeating: .nan, count: 3 * input * output)
                var dx = before, expectedX = before, dw = beforeWeight, expectedW = beforeWeight, gradient = dy
                filter.backwardInput(dy, w, scratch: &u, into: &dx, add: add)
                shape.backwardInput(dy, w, into: &expectedX, add: add)
                filter.backwardWeight(x, dy, scratch: &scratch, into: &dw, add: add)
                shape.backwardWeight(x, &gradient, into: &expectedW, add: add)
                XCTAssertLessThan(error(dx, expectedX.map(Double.init)), 2e-6, "\(lengths), add \(add)")
                XCTAssertLessThan(error(dw, expectedW.map(Double.init)), 2e-6, "\(lengths), add \(add)")
            }
        }
    }

    /// Input channels in more than one part; outputs whose transformed weights lie further apart than they are wide.
    func testWideLayers() throws {
        for (input, output) in [(530, 64), (20, 512), (530, 1_024)] {
            let shape = Convolution(input: input, output: output, kernel: 3, offsets: [0, 9, 40]), filter = try XCTUnwrap(MinimalFiltering(shape))
            let x = numbers(40 * input), before = numbers(3 * input * output)
            var dy = numbers(40 * output), scratch = [Float](repeating: .nan, count: filter.gradientScratchCount)
            var u = [Float](repeating: .nan, count: filter.weightScratchCount)
            var y = [Float](repeating: .nan, count: 40 * output), direct = y, dx = [Float](repeating: .nan, count: 40 * input), directX = dx
            let w = numbers(3 * input * output), bias = numbers(output)
            filter.forward(x, w, scratch: &u, bias: bias, into: &y)
            shape.forward(x, w, bias: bias, into: &direct)
            XCTAssertLessThan(error(y, direct.map(Double.init)), 2e-6)
            filter.backwardInput(dy, w, scratch: &u, into: &dx, add: false)
            shape.backwardInput(dy, w, into: &directX, add: false)
            XCTAssertLessThan(error(dx, directX.map(Double.init)), 2e-6)
            for add in [false, true] {
                var dw = before, expected = before
                filter.backwardWeight(x, dy, scratch: &scratch, into: &dw, add: add)
                shape.backwardWeight(x, &dy, into: &expected, add: add)
                XCTAssertLessThan(error(dw, expected.map(Double.init)), 2e-6)
            }
        }
    }

    /// Whatever the threads, the same bits.
    func testThreadsChangeNoBit() throws {
        let offsets = offsets([3, 600, 1, 5, 1_400]), rows = 2_009
        let filter = try XCTUnwrap(MinimalFiltering(Convolution(input: input, output: output, kernel: 3, offsets: offsets)))
        let x = numbers(rows * input), w = numbers(3 * input * output), dy = numbers(rows * output)
        _ = sameForThreadCounts("minimal filtering") {
            var u = [Float](repeating: .nan, count: filter.weightScratchCount), y = [Float](repeating: .nan, count: rows * output)
            var dx = [Float](repeating: .nan, count: rows * input), dw = [Float](repeating: .nan, count: 3 * input * output)
            var scratch = [Float](repeating: .nan, count: filter.gradientScratchCount)
            filter.forward(x, w, scratch: &u, into: &y)
            filter.backwardInput(dy, w, scratch: &u, into: &dx, add: false)
            filter.backwardWeight(x, dy, scratch: &scratch, into: &dw, add: false)
            return y + dx + dw
        }
    }

    /// What is computed for a recording does not depend on those beside it, but for the library's rounding of products of other sizes.
    func testNothingCrossesTheEndOfARecording() throws {
        let shape = Convolution(input: input, output: output, kernel: 3, offsets: [0, 5, 12]), filter = try XCTUnwrap(MinimalFiltering(shape))
        var x = numbers(12 * input)
        let w = numbers(3 * input * output)
        var u = [Float](repeating: 0, count: filter.weightScratchCount), before = [Float](repeating: 0, count: 12 * output), after = before
        filter.forward(x, w, scratch: &u, into: &before)
        for i in 5 * input..<12 * input { x[i] = 1e6 }
        filter.forward(x, w, scratch: &u, into: &after)
        XCTAssertEqual(before[..<(5 * output)], after[..<(5 * output)])
    }

    func testNarrowLayersAreDirect() {
        for (kernel, input, output, gains) in [
            (3, 16, 16, true), (3, 2_048, 512, true), (1, 512, 512, false), (3, 15, 512, false), (3, 512, 15, false),
        ] {
            XCTAssertEqual(MinimalFiltering.gains(kernel: kernel, input: input, output: output), gains)
            XCTAssertEqual(MinimalFiltering(Convolution(input: input, output: output, kernel: kernel, offsets: [0, 9])) != nil, gains)
        }
    }
}
