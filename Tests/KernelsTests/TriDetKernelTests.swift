import Foundation
import Kernels
import RandomStreams
import TestSupport
import XCTest

/// TriDet's kernels against their naive twins, over lengths 0, 1, 2, odd, even and uneven.
final class TriDetKernelTests: XCTestCase {
    private static let packings: [[Int]] = [[0, 1], [0, 2], [0, 1, 3, 8], [0, 7, 7, 9, 16], [0, 131, 132, 260]]
    private var random = RandomStream(seed: 5, "TriDet kernels")

    private func normals(_ count: Int) -> [Float] { (0..<count).map { _ in random.normal() } }

    func testGroupNorm() {
        for offsets in Self.packings + [[0, 700, 1500]] {
            for (channels, groups) in [(1, 1), (6, 3), (16, 16), (34, 2), (48, 16)] {
                let x = normals(offsets.last! * channels).map { 3 + 2 * $0 }, w = normals(channels), b = normals(channels), dy = normals(x.count)
                var statistics = [Float](repeating: .nan, count: 2 * (offsets.count - 1) * channels)
                let y = sameForThreadCounts("group norm \(offsets)") {
                    var y = [Float](repeating: .nan, count: x.count)
                    GroupNorm.forward(x, channels: channels, groups: groups, offsets: offsets, w, b, into: &y, statistics: &statistics)
                    return y
                }
                assertClose(
                    "group norm \(offsets) \(channels) in \(groups)", y,
                    NaiveKernels.groupNorm(x, channels: channels, groups: groups, offsets: offsets, w, b), absolute: 2e-5, relative: 2e-5)
                _ = sameForThreadCounts("group norm backward \(offsets)") {
                    var dx = [Float](repeating: 0.25, count: x.count), dw = [Float](repeating: .nan, count: channels), db = dw
                    GroupNorm.backward(
                        dy, x, statistics: statistics, channels: channels, groups: groups, offsets: offsets, w, dx: &dx, addInput: true, dWeight: &dw,
                        dBias: &db, addWeight: false)
                    return dx + dw + db
                }
            }
        }
    }

    /// A mean far from zero does not spoil the variance.
    func testGroupNormFarFromZero() {
        let offsets = [0, 50], x = normals(50 * 8).map { 1000 + $0 }, ones = [Float](repeating: 1, count: 8), zeros = [Float](repeating: 0, count: 8)
        var y = x, statistics = [Float](repeating: 0, count: 16)
        GroupNorm.forward(x, channels: 8, groups: 2, offsets: offsets, ones, zeros, into: &y, statistics: &statistics)
        assertClose("far from zero", y, NaiveKernels.groupNorm(x, channels: 8, groups: 2, offsets: offsets, ones, zeros), absolute: 1e-3)
    }

    func testSequenceMean() {
        for offsets in Self.packings + [[0, 700, 1500]] {
            for channels in [1, 16, 19] {
                let x = normals(offsets.last! * channels), dy = normals((offsets.count - 1) * channels)
                let y = sameForThreadCounts("mean \(offsets)") {
                    var y = [Float](repeating: .nan, count: dy.count)
                    SequenceMean.forward(x, channels: channels, offsets: offsets, into: &y)
                    return y
                }
                assertClose(
                    "mean \(offsets)", y, NaiveKernels.sequenceMean(x, channels: channels, offsets: offsets), absolute: 2e-6, relative: 1e-5)
                let dx = sameForThreadCounts("mean backward \(offsets)") {
                    var dx = [Float](repeating: .nan, count: x.count)
                    SequenceMean.backward(dy, channels: channels, offsets: offsets, into: &dx, add: false)
                    return dx
                }
                for b in 0..<offsets.count - 1 {
                    for i in offsets[b] * channels..<offsets[b + 1] * channels {
                        XCTAssertEqual(dx[i], dy[b * channels + i % channels] / Float(offsets[b + 1] - offsets[b]), accuracy: 1e-6)
                    }
                }
            }
        }
    }

    func testScalableGranularity() {
        for offsets in Self.packings + [[0, 700, 1500]] {
            for channels in [1, 16, 19] {
                let count = offsets.last! * channels, arrays = (0..<6).map { _ in normals(count) }, gate = normals((offsets.count - 1) * channels)
                let y = sameForThreadCounts("granularity \(offsets)") {
                    var y = [Float](repeating: .nan, count: count)
                    ScalableGranularity.forward(
                        instant: arrays[0], gate: gate, narrow: arrays[1], wide: arrays[2], modulation: arrays[3], x: arrays[4], channels: channels,
                        offsets: offsets, into: &y)
                    return y
                }
                assertClose(
                    "granularity \(offsets)", y,
                    NaiveKernels.scalableGranularity(
                        instant: arrays[0], gate: gate, narrow: arrays[1], wide: arrays[2], modulation: arrays[3], x: arrays[4], channels: channels,
                        offsets: offsets), absolute: 2e-6)
                _ = sameForThreadCounts("granularity backward \(offsets)") {
                    var dGate = [Float](repeating: 0.5, count: gate.count)
                    ScalableGranularity.backwardGate(arrays[5], instant: arrays[0], channels: channels, offsets: offsets, into: &dGate, add: true)
                    return dGate
                }
            }
        }
    }

    func testTridentDistances() {
        for (rows, classes, bins) in [(1, 1, 1), (2, 3, 4), (5, 2, 16), (40, 3, 6)] {
            // The sequence stands between two others, whose logits must not be seen.
            let before = 3, all = before + rows + 4
            let start = normals(all * classes), end = normals(all * classes), center = normals(all * 2 * (bins + 1)).map { 2 * $0 }
            func own(_ values: [Float], _ columns: Int) -> [Float] { Array(values[before * columns..<(before + rows) * columns]) }
            start.withUnsafeBufferPointer { s in
                end.withUnsafeBufferPointer { e in
                    center.withUnsafeBufferPointer { c in
                        let head = TridentOffsets(
                            start: s.baseAddress!, end: e.baseAddress!, center: c.baseAddress!, classes: classes, bins: bins)
                        for row in 0..<rows {
                            for label in 0..<classes {
                                let found = head.distances(.init(row: before + row, label: label, sequence: before..<before + rows))
                                let expected = NaiveKernels.tridentDistances(
                                    start: own(start, classes), end: own(end, classes), center: own(center, 2 * (bins + 1)), rows: rows,
                                    classes: classes, bins: bins, row: row, label: label)
                                XCTAssertEqual(Double(found.start), expected.start, accuracy: 1e-5, "row \(row) of \(rows)")
                                XCTAssertEqual(Double(found.end), expected.end, accuracy: 1e-5, "row \(row) of \(rows)")
                            }
                        }
                    }
                }
            }
        }
    }

    func testOverlapPowerGradient() {
        let target: [Float] = [1, 2, 0.5, 3, 4, 0.1, 2, 2], predicted: [Float] = [1.5, 1, 0.7, 2.5, 5, 0.3, 0.2, 6]
        for power: Float in [0, 0.2, 1, 2.5] {
            var values = [Float](repeating: .nan, count: 4), slope = [Float](repeating: .nan, count: 8)
            DetectionLosses.overlapPower(predicted, target, count: 4, power: power, values: &values, gradient: &slope)
            for i in predicted.indices {
                func value(_ shift: Float) -> Double {
                    var moved = predicted, result = values
                    moved[i] += shift
                    DetectionLosses.overlapPower(moved, target, count: 4, power: power, values: &result, gradient: nil)
                    return Double(result[i / 2])
                }
                XCTAssertEqual(Double(slope[i]), (value(1e-2) - value(-1e-2)) / 2e-2, accuracy: 2e-3, "power \(power), element \(i)")
            }
            // (1 + 1) / (1.5 + 1 + 1 + 2 - 2)
            XCTAssertEqual(values[0], pow(2 / 3.5, power), accuracy: 1e-6)
        }
        // No overlap at all: a bounded slope.
        var value: [Float] = [.nan], slope: [Float] = [.nan, .nan]
        DetectionLosses.overlapPower([0, 0], [1, 2], count: 1, power: 0.2, values: &value, gradient: &slope)
        XCTAssertEqual(value, [0])
        XCTAssertTrue(slope.allSatisfy { $0.isFinite && $0 > 0 }, "\(slope)")
    }
}
