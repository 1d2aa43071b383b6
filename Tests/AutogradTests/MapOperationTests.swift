import Autograd
import Kernels
import RandomStreams
import TestSupport
import XCTest

/// Gradients of the operations on maps against finite differences.
final class MapOperationTests: XCTestCase {
    private var random = RandomStream(seed: 3, "map operations")

    override func tearDown() { ComputeContext.current.threads = 1 }

    private func parameter(_ rows: Int, _ columns: Int) -> Tensor {
        testParameter(rows: rows, columns: columns, (0..<rows * columns).map { _ in random.normal() })
    }

    func testConvolution() {
        let triangle = ProposalMap(.startEnd, scale: 4, durations: 4).valid, line = MapRegion(rows: 1, columns: 5)
        let shapes = [
            MapConvolution(input: 2, output: 3, height: 3, width: 3, source: triangle.widened(by: 1), target: triangle, maps: 2),
            MapConvolution(input: 4, output: 2, height: 1, width: 3, groups: 2, source: line, target: line, maps: 2),
            MapConvolution(input: 3, output: 2, height: 1, width: 1, source: triangle, target: triangle, maps: 1),
        ]
        for threads in [1, 2] {
            ComputeContext.current.threads = threads
            for (number, shape) in shapes.enumerated() {
                let x = parameter(shape.maps * shape.source.count, shape.input), b = parameter(1, shape.output)
                let w = parameter(shape.height * shape.width * shape.input / shape.groups, shape.output)
                checkGradients("convolution \(number)", [("x", x), ("w", w), ("b", b)]) {
                    $0.mapConvolution(x, weight: w, bias: b, shape, relu: false)
                }
                // Far from ReLU's kink: all results are positive or all are negative.
                for shift in [Float(60), -60] {
                    let far = testParameter(rows: 1, columns: shape.output, (0..<shape.output).map { $0 == 0 ? -shift : shift })
                    checkGradients("convolution \(number) with ReLU", [("x", x), ("w", w), ("b", far)]) {
                        $0.mapConvolution(x, weight: w, bias: far, shape, relu: true)
                    }
                }
            }
        }
    }

    func testBoundaryMatching() {
        for (layout, scale, durations) in [(ProposalLayout.startEnd, 5, 5), (.durationStart, 6, 3), (.durationStart, 1, 1)] {
            let map = ProposalMap(layout, scale: scale, durations: durations)
            let shape = BoundaryMatching(
                BoundaryMatchingMask(map, samples: 3, pointsPerSample: 2, expansion: 0.5), target: map.valid.widened(by: 1), input: 2, output: 3,
                maps: 2)
            let x = parameter(2 * scale, 2), w = parameter(6, 3)
            let far = testParameter(rows: 1, columns: 3, [40, -40, 50])
            checkGradients("matching \(layout) \(scale)", [("x", x), ("w", w), ("b", far)]) {
                $0.boundaryMatching(x, weight: w, bias: far, shape)
            }
        }
    }

    func testSigmoid() {
        let x = parameter(3, 4)
        checkGradients("sigmoid", [("x", x)]) { $0.sigmoid(x) }
        let y = Tape().sigmoid(Tensor(rows: 1, columns: 3, [0, 100, -100]))
        assertClose("sigmoid", y.array, [0.5, 1, 0], absolute: 1e-7)
    }
}
