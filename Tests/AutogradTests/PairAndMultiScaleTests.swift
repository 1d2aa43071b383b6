import Autograd
import RandomStreams
import TestSupport
import XCTest

/// Operations of semi-supervised training: against finite differences and against the plain way of writing them.
final class PairAndMultiScaleTests: XCTestCase {
    private var random = RandomStream(seed: 2, "pairs")

    private func parameter(_ rows: Int, _ columns: Int) -> Tensor {
        testParameter(rows: rows, columns: columns, (0..<rows * columns).map { _ in random.normal() })
    }

    func testPairedLinearIsALinearLayerOnConcatenatedRows() {
        let a = parameter(4, 5), b = parameter(3, 5), weight = parameter(10, 18), bias = parameter(1, 18)
        let firsts = [0, 3, 3, 1, 0], seconds = [2, 2, 0, 0, 2]
        func row(_ x: Tensor, _ i: Int) -> [Float] { Array(x.array[i * 5..<i * 5 + 5]) }
        var joined: [Float] = []
        for (first, second) in zip(firsts, seconds) { joined += row(a, first) + row(b, second) }
        let tape = Tape(recording: false)
        assertClose(
            "paired linear", tape.pairedLinear(a, b, firsts: firsts, seconds: seconds, weight: weight, bias: bias).array,
            tape.linear(Tensor(rows: 5, columns: 10, joined), weight: weight, bias: bias).array, absolute: 1e-5)
        checkGradients("paired linear", [("a", a), ("b", b), ("weight", weight), ("bias", bias)]) {
            $0.pairedLinear(a, b, firsts: firsts, seconds: seconds, weight: weight, bias: bias)
        }
        checkGradients("pairs within one set", [("a", a), ("weight", weight)]) {
            $0.pairedLinear(a, a, firsts: [0, 1, 3], seconds: [1, 0, 3], weight: weight, bias: bias)
        }
    }

    func testMultiScaleRows() {
        for lengths in [[1], [2], [7, 1, 8], [13, 6]] {
            var offsets = [0]
            for length in lengths { offsets.append(offsets[offsets.count - 1] + length) }
            var levels: [PackedSequence] = []
            for _ in 0..<4 {
                levels.append(PackedSequence(parameter(offsets[offsets.count - 1], 3), offsets: offsets))
                offsets = stridedOffsets(offsets, stride: 2)
            }
            // All rows, some twice, none of the second sequence.
            let frames = lengths.enumerated().map { b, length in b == 1 ? [] : Array(0..<length) + [length - 1] }
            let y = Tape(recording: false).multiScaleRows(levels, frames: frames)
            XCTAssertEqual(y.columns, 12)
            var row = 0
            for (b, list) in frames.enumerated() {
                XCTAssertEqual(y.rows(of: b).count, list.count)
                for t in list {
                    for (l, level) in levels.enumerated() {
                        // Up-sampled the plain way: floor(t / 2^l).
                        var source = t
                        for _ in 0..<l { source = source / 2 }
                        for c in 0..<3 {
                            XCTAssertEqual(y.tensor.values[row * 12 + l * 3 + c], level.tensor.values[(level.offsets[b] + source) * 3 + c])
                        }
                    }
                    row += 1
                }
            }
            checkGradients("multi-scale rows \(lengths)", levels.enumerated().map { ("level \($0)", $1.tensor) }) {
                $0.multiScaleRows(levels, frames: frames).tensor
            }
        }
    }
}
