import Kernels
import RandomStreams
import TestSupport
import XCTest

/// Kernels over chosen rows and of whole videos' scores against their naive twins.
final class SelectionKernelsTests: XCTestCase {
    private var random = RandomStream(seed: 9, "selection kernels")
    private func normals(_ count: Int) -> [Float] { (0..<count).map { _ in random.normal() } }
    override func tearDown() { ComputeContext.current.threads = 1 }

    func testRowMeans() {
        for threads in [1, 2] {
            ComputeContext.current.threads = threads
            for (rows, channels, groups) in [
                (1, 1, [[0]]), (2, 17, [[1], [0, 1]]), (9, 33, [[0, 8, 8], [3], [1, 2, 3, 4]]),
                (50, 2048, (0..<40).map { i in (0...i % 7).map { (3 * i + $0) % 50 } }),
            ] {
                let x = normals(rows * channels)
                var y = [Float](repeating: .nan, count: groups.count * channels), offsets = [0]
                for group in groups { offsets.append(offsets[offsets.count - 1] + group.count) }
                RowSelection.means(x, channels: channels, members: groups.flatMap { $0 }, offsets: offsets, into: &y)
                assertClose("row means \(rows)x\(channels)", y, NaiveKernels.rowMeans(x, channels: channels, groups: groups))
                // <means(x), y> = <x, backward(y)>.
                var dx = [Float](repeating: 0, count: x.count)
                RowSelection.meansBackward(y, channels: channels, members: groups.flatMap { $0 }, offsets: offsets, to: &dx)
                func product(_ a: [Float], _ b: [Float]) -> Double { zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) } }
                XCTAssertEqual(product(x, dx) / product(y, y), 1, accuracy: 1e-5)
            }
        }
    }

    func testLargestTakesTheEarlierOfEquals() {
        let x: [Float] = [3, 0, 1, 0, 3, 0, 5, 0, 1, 0]
        XCTAssertEqual(RowSelection.largest(x, rows: 0..<5, channels: 2, channel: 0, count: 5), [3, 0, 2, 1, 4])
        XCTAssertEqual(RowSelection.largest(x, rows: 1..<5, channels: 2, channel: 1, count: 2), [1, 2])
        XCTAssertEqual(RowSelection.largest(x, rows: 4..<5, channels: 2, channel: 0, count: 1), [4])
    }

    func testSoftmaxCrossEntropy() {
        for (rows, classes) in [(1, 1), (1, 2), (3, 4), (2, 20)] {
            let x = normals(rows * classes)
            var targets = [Float](repeating: 0, count: x.count)
            for row in 0..<rows { for c in 0..<classes where (c + row) % 3 == 0 { targets[row * classes + c] = 1 / Float((classes + 2) / 3) } }
            var gradient = [Float](repeating: .nan, count: x.count)
            let loss = VideoClassification.softmaxCrossEntropy(x, targets, rows: rows, classes: classes, scale: 2, gradient: &gradient)
            guard classes > 1 else {
                // p = 1: log(1 - p) counts as -100.
                XCTAssertEqual(loss, targets.reduce(0) { $0 + Double(1 - $1) * 100 }, accuracy: 1e-6)
                XCTAssertTrue(gradient.allSatisfy { $0 == 0 })
                continue
            }
            XCTAssertEqual(loss, NaiveKernels.softmaxCrossEntropy(x, targets, classes: classes), accuracy: 1e-6 * loss)
            for i in x.indices {
                func shifted(_ by: Float) -> Double {
                    var moved = x
                    moved[i] += by
                    return NaiveKernels.softmaxCrossEntropy(moved, targets, classes: classes)
                }
                let distance = Double(x[i] + 1e-2) - Double(x[i] - 1e-2)
                XCTAssertEqual(Double(gradient[i]), 2 * (shifted(1e-2) - shifted(-1e-2)) / distance, accuracy: 2e-4)
            }
        }
        // Scores so far apart that p is 0 and 1 stay finite.
        var gradient = [Float](repeating: .nan, count: 2)
        XCTAssertEqual(
            VideoClassification.softmaxCrossEntropy([1000, -1000], [0, 1], rows: 1, classes: 2, scale: 1, gradient: &gradient), 200, accuracy: 1e-9)
        XCTAssertTrue(gradient.allSatisfy(\.isFinite))
    }

    func testQueryContrast() {
        for (rows, columns) in [(2, 3), (3, 1), (5, 16), (9, 33)] {
            let x = normals(rows * columns).map { $0 + 0.2 }
            var gradient = [Float](repeating: .nan, count: x.count)
            let loss = ContrastiveLoss.query(x, rows: rows, columns: columns, temperature: 0.5, gradient: &gradient)
            XCTAssertEqual(loss, NaiveKernels.queryContrast(x, columns: columns, temperature: 0.5), accuracy: 2e-6)
            XCTAssertEqual(ContrastiveLoss.query(x, rows: rows, columns: columns, temperature: 0.5, gradient: nil), loss)
            let scale = max(gradient.map(abs).max() ?? 0, 1e-2)
            for i in x.indices where abs(x[i]) > 0.1 || columns > 1 {
                func shifted(_ steps: Float) -> Double {
                    var moved = x
                    moved[i] += steps * 1e-3
                    return NaiveKernels.queryContrast(moved, columns: columns, temperature: 0.5)
                }
                let numeric = (8 * (shifted(1) - shifted(-1)) - (shifted(2) - shifted(-2))) / 12e-3
                XCTAssertEqual(Double(gradient[i]), numeric, accuracy: 4e-3 * Double(scale), "\(rows)x\(columns), \(i)")
            }
        }
        // Without negatives the key has the whole share.
        XCTAssertEqual(ContrastiveLoss.query([1, 2, 2, 1], rows: 2, columns: 2, temperature: 0.07, gradient: nil), 0, accuracy: 1e-12)
    }
}
