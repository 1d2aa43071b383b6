import Autograd
import Kernels
import RandomStreams
import TestSupport
import XCTest

/// Operations of weakly supervised training: against naive twins and finite differences.
final class SelectionTests: XCTestCase {
    private var random = RandomStream(seed: 4, "selection")

    private func parameter(_ rows: Int, _ columns: Int) -> Tensor {
        testParameter(rows: rows, columns: columns, (0..<rows * columns).map { _ in random.normal() })
    }

    func testRowMeans() {
        for (rows, columns, groups) in [
            (1, 1, [[0]]), (3, 2, [[2], [0, 1, 2], [2]]), (7, 19, [[6, 0], [3], [3, 3, 1], [5, 4, 2, 1, 0]]),
        ] {
            let x = parameter(rows, columns)
            assertClose(
                "row means", Tape(recording: false).rowMeans(x, groups: groups).array,
                NaiveKernels.rowMeans(x.array, channels: columns, groups: groups))
            checkGradients("row means \(rows)x\(columns)", [("x", x)]) { $0.rowMeans(x, groups: groups) }
            // A second use adds to the first one's gradient.
            checkGradients("two uses", [("x", x)]) { $0.sum($0.rowMeans(x, groups: groups), $0.gelu($0.rowMeans(x, groups: groups))) }
        }
    }

    func testTopMeans() {
        for (lengths, counts, channels) in [([1], [1], 1), ([2], [1], 3), ([7, 1, 4], [3, 1, 4], 5), ([13, 6], [2, 5], 18)] {
            var offsets = [0]
            for length in lengths { offsets.append(offsets[offsets.count - 1] + length) }
            // Values so far apart that no difference step changes their order.
            let count = offsets[offsets.count - 1] * channels, order = random.permutation(count)
            let x = PackedSequence(
                testParameter(rows: count / channels, columns: channels, order.map { 0.2 * Float($0) - 0.1 * Float(count) }), offsets: offsets)
            assertClose(
                "top means \(lengths)", Tape(recording: false).topMeans(x, counts: counts).array,
                NaiveKernels.topMeans(x.tensor.array, channels: channels, offsets: offsets, counts: counts), absolute: 1e-5)
            checkGradients("top means \(lengths)", [("x", x.tensor)]) { $0.topMeans(x, counts: counts) }
        }
    }
}
