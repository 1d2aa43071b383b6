import Kernels
import RandomStreams
import TestSupport
import XCTest

/// The kernels on maps against their naive twins, over regions, groups and odd sizes, with one, two and three threads.
final class BoundaryMatchingKernelTests: XCTestCase {
    private var random = RandomStream(seed: 8, "map kernels")

    private func normals(_ count: Int) -> [Float] { (0..<count).map { _ in random.normal() } }

    private static let whole = MapRegion(rows: 5, columns: 7)
    private static let triangle = ProposalMap(.durationStart, scale: 7, durations: 5).valid

    private var shapes: [MapConvolution] {
        let (whole, triangle) = (Self.whole, Self.triangle), line = MapRegion(rows: 1, columns: 9), large = MapRegion(rows: 40, columns: 33)
        return [
            MapConvolution(input: 3, output: 5, height: 3, width: 3, source: whole, target: whole, maps: 2),
            MapConvolution(input: 3, output: 5, height: 3, width: 3, source: triangle.widened(by: 1), target: triangle, maps: 2),
            MapConvolution(input: 4, output: 2, height: 1, width: 1, source: whole, target: triangle, maps: 1),
            MapConvolution(input: 4, output: 6, height: 1, width: 1, source: triangle, target: triangle, maps: 3),
            MapConvolution(input: 8, output: 12, height: 1, width: 3, groups: 4, source: line, target: line, maps: 3),
            MapConvolution(input: 6, output: 4, height: 1, width: 1, groups: 2, source: line, target: line, maps: 1),
            MapConvolution(input: 70, output: 24, height: 3, width: 3, source: large, target: large, maps: 1),
        ]
    }

    func testConvolution() {
        for (number, shape) in shapes.enumerated() {
            let x = normals(shape.maps * shape.source.count * shape.input), taps = shape.height * shape.width
            let w = normals(taps * shape.input / shape.groups * shape.output), bias = normals(shape.output)
            for relu in [false, true] {
                let y = sameForThreadCounts("convolution \(number)") {
                    var y = [Float](repeating: .nan, count: shape.maps * shape.target.count * shape.output)
                    shape.forward(x, w, bias: bias, into: &y, relu: relu)
                    return y
                }
                assertClose(
                    "convolution \(number)", y, NaiveKernels.mapConvolution(shape, x, w, bias: bias, relu: relu), absolute: 1e-4, relative: 1e-5)
            }
        }
    }

    /// `<dy, conv(x, w)>` is linear in x and in w: its gradients are what the backward kernels say, added to what was there.
    func testConvolutionBackward() {
        for (number, shape) in shapes.enumerated() {
            let taps = shape.height * shape.width, xs = shape.maps * shape.source.count * shape.input
            let ws = taps * shape.input / shape.groups * shape.output
            let x = normals(xs), w = normals(ws), dy = normals(shape.maps * shape.target.count * shape.output), ex = normals(xs), ew = normals(ws)
            for add in [false, true] {
                let found = sameForThreadCounts("convolution backward \(number)") {
                    var dx = [Float](repeating: add ? 0.5 : .nan, count: xs), dw = [Float](repeating: add ? 0.5 : .nan, count: ws)
                    shape.backwardInput(dy, w, into: &dx, add: add)
                    shape.backwardWeight(x, dy, into: &dw, add: add)
                    return dx + dw
                }
                func along(_ direction: [Float], _ result: [Float]) -> Double {
                    zip(dy, result).reduce(0) { $0 + Double($1.0) * Double($1.1) } + (add ? 0.5 * direction.reduce(0) { $0 + Double($1) } : 0)
                }
                let wx = along(ex, NaiveKernels.mapConvolution(shape, ex, w, bias: nil, relu: false))
                let ww = along(ew, NaiveKernels.mapConvolution(shape, x, ew, bias: nil, relu: false))
                XCTAssertEqual(zip(found, ex).reduce(0) { $0 + Double($1.0) * Double($1.1) }, wx, accuracy: 1e-4 * max(100, abs(wx)), "\(number) dx")
                XCTAssertEqual(
                    zip(found[xs...], ew).reduce(0) { $0 + Double($1.0) * Double($1.1) }, ww, accuracy: 1e-4 * max(100, abs(ww)), "\(number) dw")
            }
        }
    }

    func testRegions() {
        XCTAssertEqual(Self.triangle.spans, [0..<7, 0..<6, 0..<5, 0..<4, 0..<3])
        XCTAssertEqual(Self.triangle.widened(by: 1).spans, [0..<7, 0..<7, 0..<7, 0..<6, 0..<5])
        XCTAssertEqual(ProposalMap(.startEnd, scale: 4, durations: 4).valid.widened(by: 1).spans, [0..<4, 0..<4, 0..<4, 1..<4])
        XCTAssertEqual(Self.triangle.place(row: 2, column: 4), 17)
        XCTAssertNil(Self.triangle.place(row: 2, column: 5))
        XCTAssertNil(Self.triangle.place(row: -1, column: 0))
        XCTAssertEqual(ProposalMap(.startEnd, scale: 2, durations: 2).proposals.map { [$0.start, $0.end] }, [[0, 1], [0, 2], [1, 2]])
        XCTAssertEqual(ProposalMap(.durationStart, scale: 2, durations: 2).proposals.map { [$0.start, $0.end] }, [[0, 1], [1, 2], [0, 2]])
    }

    private var matchings: [BoundaryMatching] {
        [
            (ProposalLayout.startEnd, 7, 7, 3, 5, 6, 2), (.durationStart, 9, 5, 4, 8, 64, 1), (.durationStart, 1, 1, 2, 3, 2, 1),
            (.startEnd, 20, 20, 8, 24, 150, 2),
        ]
        .map { layout, scale, durations, samples, input, output, maps in
            let map = ProposalMap(layout, scale: scale, durations: durations)
            return BoundaryMatching(
                BoundaryMatchingMask(map, samples: samples, pointsPerSample: 3, expansion: 0.5), target: map.valid.widened(by: 2), input: input,
                output: output, maps: maps)
        }
    }

    func testBoundaryMatching() {
        for (number, shape) in matchings.enumerated() {
            let x = normals(shape.maps * shape.mask.map.scale * shape.input), w = normals(shape.mask.samples * shape.input * shape.output)
            let bias = normals(shape.output)
            let y = sameForThreadCounts("boundary matching \(number)") {
                var y = [Float](repeating: .nan, count: shape.maps * shape.target.count * shape.output)
                shape.forward(x, w, bias: bias, into: &y)
                return y
            }
            assertClose("matching \(number)", y, NaiveKernels.boundaryMatching(shape, x, w, bias: bias), absolute: 1e-4, relative: 1e-5)
        }
    }

    /// Before ReLU the layer is linear in x and in w: positive numbers alone, so that ReLU does nothing.
    func testBoundaryMatchingBackward() {
        for (number, shape) in matchings.enumerated() {
            let xs = shape.maps * shape.mask.map.scale * shape.input, ws = shape.mask.samples * shape.input * shape.output
            let x = normals(xs).map(abs), w = normals(ws).map(abs), ex = normals(xs).map(abs), ew = normals(ws).map(abs)
            let dy = normals(shape.maps * shape.target.count * shape.output), zeros = [Float](repeating: 0, count: shape.output)
            for add in [false, true] {
                let found = sameForThreadCounts("matching backward \(number)") {
                    var dx = [Float](repeating: add ? 0.5 : .nan, count: xs), dw = [Float](repeating: add ? 0.5 : .nan, count: ws)
                    shape.backward(dy, x, w, dx: &dx, addInput: add, dw: &dw, addWeight: add)
                    return dx + dw
                }
                func along(_ direction: [Float], _ result: [Float]) -> Double {
                    zip(dy, result).reduce(0) { $0 + Double($1.0) * Double($1.1) } + (add ? 0.5 * direction.reduce(0) { $0 + Double($1) } : 0)
                }
                let wx = along(ex, NaiveKernels.boundaryMatching(shape, ex, w, bias: zeros))
                let ww = along(ew, NaiveKernels.boundaryMatching(shape, x, ew, bias: zeros))
                XCTAssertEqual(zip(found, ex).reduce(0) { $0 + Double($1.0) * Double($1.1) }, wx, accuracy: 1e-4 * max(100, abs(wx)), "\(number) dx")
                XCTAssertEqual(
                    zip(found[xs...], ew).reduce(0) { $0 + Double($1.0) * Double($1.1) }, ww, accuracy: 1e-4 * max(100, abs(ww)), "\(number) dw")
            }
        }
    }

    /// Cells that stand for no proposal hold max(0, bias).
    func testCellsAroundTheValidOnes() {
        let shape = matchings[0], valid = shape.mask.map.valid
        var y = [Float](repeating: .nan, count: shape.maps * shape.target.count * shape.output)
        let bias: [Float] = [1, -1, 2, 0, -3, 0.5]
        shape.forward(
            normals(shape.maps * 7 * shape.input), normals(shape.mask.samples * shape.input * shape.output), bias: bias, into: &y)
        var seen = 0
        for (row, span) in shape.target.spans.enumerated() {
            for column in span where valid.place(row: row, column: column) == nil {
                let cell = shape.target.place(row: row, column: column)!
                XCTAssertEqual(Array(y[cell * 6..<cell * 6 + 6]), [1, 0, 2, 0, 0, 0.5])
                seen += 1
            }
        }
        XCTAssertEqual(seen, 6 + 5 + 4 + 3)
    }
}
