import Autograd
import Kernels
import RandomStreams
import TestSupport
import XCTest

/// Operations of graph convolutions: against naive twins and finite differences.
final class GraphOperationTests: XCTestCase {
    private var random = RandomStream(seed: 6, "graph operations")

    private func parameter(_ rows: Int, _ columns: Int) -> Tensor {
        testParameter(rows: rows, columns: columns, (0..<rows * columns).map { _ in random.normal() })
    }

    func testGroupSums() {
        for (groups, each, channels) in [(1, 1, 1), (3, 2, 5), (2, 5, 17)] {
            let x = parameter(groups * each, channels), weights = Tensor(rows: groups, columns: each, parameter(groups, each).array)
            assertClose(
                "group sums", Tape(recording: false).groupSums(x, weights: weights).array,
                NaiveKernels.groupSums(x.array, weights: weights.array, each: each, channels: channels))
            checkGradients("group sums \(groups)x\(each)", [("x", x)]) { $0.groupSums(x, weights: weights) }
            checkGradients("two uses", [("x", x)]) { $0.sum($0.groupSums(x, weights: weights), $0.gelu($0.groupSums(x, weights: weights))) }
        }
    }

    func testJoinedColumns() {
        let a = parameter(3, 2), b = parameter(3, 1)
        XCTAssertEqual(
            Tape(recording: false).joinedColumns(a, b).array,
            (0..<3).flatMap { [a.values[2 * $0], a.values[2 * $0 + 1], b.values[$0]] })
        checkGradients("joined columns", [("a", a), ("b", b)]) { $0.joinedColumns(a, b) }
        checkGradients("twice the same", [("a", a)]) { $0.joinedColumns(a, $0.sum(a, a)) }
        // A constant receives nothing.
        let constant = Tensor(rows: 3, columns: 4, [Float](repeating: 2, count: 12))
        checkGradients("with a constant", [("a", a)]) { $0.joinedColumns(constant, a) }
        XCTAssertNil(constant.gradient)
    }
}
