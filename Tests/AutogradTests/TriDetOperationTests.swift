import Autograd
import Kernels
import RandomStreams
import TestSupport
import XCTest

/// Gradients of TriDet's operations against finite differences, over sequences of length 1, 2, odd, even and uneven.
final class TriDetOperationTests: XCTestCase {
    private var random = RandomStream(seed: 2, "TriDet operations")

    override func tearDown() { ComputeContext.current.threads = 1 }

    private func parameter(_ rows: Int, _ columns: Int) -> Tensor {
        testParameter(rows: rows, columns: columns, (0..<rows * columns).map { _ in random.normal() })
    }

    /// Every packing with one thread and with two.
    private func forPackings(_ body: ([Int]) -> Void) {
        for threads in [1, 2] {
            ComputeContext.current.threads = threads
            for offsets in OperationGradientTests.packings { body(offsets) }
        }
    }

    func testGroupNorm() {
        forPackings { offsets in
            for (channels, groups) in [(4, 2), (16, 16), (6, 1)] where offsets.last! > 1 || channels > groups {
                let x = parameter(offsets.last!, channels), w = parameter(1, channels), b = parameter(1, channels)
                // One element alone, or two, give statistics at which a step is no longer small.
                guard zip(offsets, offsets.dropFirst()).allSatisfy({ ($1 - $0) * channels / groups > 2 }) else { continue }
                let checked = [("x", x), ("weight", w), ("bias", b)]
                checkGradients("group norm \(offsets) \(channels) in \(groups)", checked, step: 5e-3, tolerance: 5e-3) {
                    $0.groupNorm(PackedSequence(x, offsets: offsets), groups: groups, weight: w, bias: b).tensor
                }
            }
        }
    }

    /// Without weight and bias: the same as with ones and zeros, in values and in the gradient of the input.
    func testGroupNormWithoutParameters() {
        forPackings { offsets in
            let x = parameter(offsets.last!, 6), packed = PackedSequence(x, offsets: offsets)
            let ones = testParameter(rows: 1, columns: 6, [Float](repeating: 1, count: 6))
            let zeros = testParameter(rows: 1, columns: 6, [Float](repeating: 0, count: 6))
            func result(_ norm: (Tape) -> PackedSequence) -> [[Float]] {
                x.clearGradient()
                let tape = Tape(), y = norm(tape).tensor, (gradient, _) = y.gradientToWrite()
                for i in 0..<y.count { gradient[i] = Float(i % 7) - 2.5 }
                tape.backward()
                return [y.array, x.gradientArray ?? []]
            }
            XCTAssertEqual(result { $0.groupNorm(packed, groups: 2) }, result { $0.groupNorm(packed, groups: 2, weight: ones, bias: zeros) })
        }
    }

    /// A group of one element is its bias, whatever the element: its gradient is zero.
    func testGroupNormOfOneElement() {
        let x = parameter(1, 16), w = parameter(1, 16), b = parameter(1, 16), tape = Tape()
        let y = tape.groupNorm(PackedSequence(x, offsets: [0, 1]), groups: 16, weight: w, bias: b).tensor
        XCTAssertEqual(y.array, b.array)
        let (gradient, _) = y.gradientToWrite()
        gradient.update(repeating: 1, count: y.count)
        tape.backward()
        XCTAssertEqual(x.gradientArray, [Float](repeating: 0, count: 16))
        XCTAssertEqual(b.gradientArray, [Float](repeating: 1, count: 16))
    }

    func testSequenceMean() {
        forPackings { offsets in
            let x = parameter(offsets.last!, 5)
            checkGradients("mean \(offsets)", [("x", x)]) { $0.sequenceMean(PackedSequence(x, offsets: offsets)).tensor }
        }
    }

    func testScalableGranularity() {
        forPackings { offsets in
            let rows = offsets.last!, arrays = (0..<5).map { _ in parameter(rows, 3) }, gate = parameter(offsets.count - 1, 3)
            let names = ["instant", "narrow", "wide", "modulation", "x"]
            checkGradients("granularity \(offsets)", Array(zip(names, arrays)).map { ($0, $1) } + [("gate", gate)]) {
                let x = PackedSequence(arrays[4], offsets: offsets)
                return $0.scalableGranularity(
                    instant: arrays[0], gate: gate, narrow: arrays[1], wide: arrays[2], modulation: arrays[3], x
                ).tensor
            }
        }
    }

    func testTridentOffsets() {
        for offsets in OperationGradientTests.packings {
            for (classes, bins) in [(1, 1), (3, 4)] {
                let rows = offsets.last!
                let start = parameter(rows, classes), end = parameter(rows, classes), center = parameter(rows, 2 * (bins + 1))
                // Every place, one of them twice.
                var places = (0..<offsets.count - 1).flatMap { b in
                    (offsets[b]..<offsets[b + 1]).flatMap { row in
                        (0..<classes).map { TridentOffsets.Place(row: row, label: $0, sequence: offsets[b]..<offsets[b + 1]) }
                    }
                }
                places.append(places[0])
                checkGradients("trident \(offsets)", [("start", start), ("end", end), ("center", center)], tolerance: 4e-3) {
                    $0.tridentOffsets(start: start, end: end, center: center, at: places)
                }
            }
        }
    }

    /// Nothing asked for: gradients of zero, not none.
    func testTridentOffsetsWithoutPlaces() {
        let start = parameter(3, 2), end = parameter(3, 2), center = parameter(3, 4), tape = Tape()
        let y = tape.tridentOffsets(start: start, end: end, center: center, at: [])
        _ = y.gradientToWrite()
        tape.backward()
        for tensor in [start, end, center] { XCTAssertEqual(tensor.gradientArray, [Float](repeating: 0, count: tensor.count)) }
    }

    func testDetachedStopsTheGradient() {
        let x = parameter(3, 2), w = parameter(2, 2), tape = Tape()
        let apart = tape.detached(PackedSequence(x, offsets: [0, 1, 3]))
        XCTAssertEqual(apart.tensor.array, x.array)
        XCTAssertEqual(apart.offsets, [0, 1, 3])
        let y = tape.linear(apart.tensor, weight: w, bias: nil)
        y.gradientToWrite().pointer.update(repeating: 1, count: y.count)
        tape.backward()
        XCTAssertNil(x.gradientArray)
        XCTAssertNotNil(w.gradientArray)
    }
}
