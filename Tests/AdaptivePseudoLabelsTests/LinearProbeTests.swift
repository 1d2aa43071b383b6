import AdaptivePseudoLabels
import ContrastivePretraining
import Diagnostics
import Kernels
import RandomStreams
import XCTest

/// The classifier that measures representations: against its optimality conditions, a solved case, and what has no answer.
final class LinearProbeTests: XCTestCase {
    override func tearDown() { ComputeContext.current.threads = 1 }

    /// Rows of several classes around centres; the columns have means and scales far apart.
    private func rows(_ count: Int, columns: Int, classes: Int, spread: Float) -> (x: [Float], labels: [Int]) {
        var random = RandomStream(seed: 2, "probe")
        let centers = (0..<classes * columns).map { _ in random.normal() }
        var x: [Float] = [], labels: [Int] = []
        for row in 0..<count {
            let label = row % classes
            labels.append(label)
            for c in 0..<columns { x.append((centers[label * columns + c] + spread * random.normal()) * Float(c + 1) + Float(10 * c)) }
        }
        return (x, labels)
    }

    /// The gradient at a probe's weights by plain loops in double precision, [classes, columns + 1].
    private func gradient(_ probe: LinearProbe, _ x: [Float], _ labels: [Int], l2: Double) -> [Double] {
        let columns = probe.columns, width = columns + 1, rows = labels.count, classes = probe.present.count
        var z = [Double](repeating: 1, count: rows * width)
        for c in 0..<columns {
            let values = (0..<rows).map { Double(x[$0 * columns + c]) }, mean = values.reduce(0, +) / Double(rows)
            let deviation = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(rows)).squareRoot()
            for row in 0..<rows { z[row * width + c] = deviation > 0 ? (values[row] - mean) / deviation : 0 }
        }
        var gradient = [Double](repeating: 0, count: classes * width)
        for row in 0..<rows {
            let scores = (0..<classes).map { c in (0..<width).reduce(0) { $0 + probe.weights[c * width + $1] * z[row * width + $1] } }
            let sum = scores.reduce(0) { $0 + exp($1) }
            for c in 0..<classes {
                let error = exp(scores[c]) / sum - (probe.present[c] == labels[row] ? 1 : 0)
                for i in 0..<width { gradient[c * width + i] += error * z[row * width + i] / Double(rows) }
            }
        }
        for c in 0..<classes { for i in 0..<columns { gradient[c * width + i] += l2 * probe.weights[c * width + i] } }
        return gradient
    }

    func testGradientIsZeroAtTheEnd() throws {
        for (count, columns, classes, spread, l2) in [(40, 3, 3, Float(1), 1e-2), (201, 17, 5, 2, 1e-3), (30, 1, 2, 1, 0.5), (9, 20, 3, 0.5, 1e-3)] {
            let (x, labels) = rows(count, columns: columns, classes: classes, spread: spread)
            var settings = LinearProbe.Settings()
            settings.l2 = l2
            let probe = try LinearProbe(x, columns: columns, labels: labels, settings: settings)
            XCTAssertTrue(probe.isConverged)
            XCTAssertGreaterThan(probe.iterations, 0)
            let largest = gradient(probe, x, labels, l2: l2).reduce(0) { max($0, abs($1)) }
            XCTAssertLessThan(largest, 2e-5, "\(count) rows, \(columns) columns")
            XCTAssertEqual(largest, probe.largestGradient, accuracy: 1e-6)
            XCTAssertGreaterThan(probe.weights.reduce(0) { max($0, abs($1)) }, 0.05, "the weights have left zero")
        }
    }

    /// Two rows, -1 and 1: the weights are w / 2 and -w / 2 with sigmoid(-w) = l2 w / 2, found by bisection.
    func testTwoRowsAgainstTheSolvedCase() throws {
        var settings = LinearProbe.Settings()
        (settings.l2, settings.tolerance) = (0.1, 1e-7)
        let probe = try LinearProbe([3, 7], columns: 1, labels: [4, 2], settings: settings)
        var low = 0.0, high = 100.0
        for _ in 0..<100 {
            let w = (low + high) / 2
            if 1 / (1 + exp(w)) > 0.1 * w / 2 { low = w } else { high = w }
        }
        XCTAssertEqual(probe.present, [2, 4])
        // Class 2 is at 7, which is 1 when standardized.
        for (found, expected) in zip(probe.weights, [low / 2, 0, -low / 2, 0]) { XCTAssertEqual(found, expected, accuracy: 1e-5) }
        XCTAssertEqual(try probe.predictions([3, 7, 4.9, 5.1]), [4, 2, 4, 2])
    }

    func testSeparableRowsAreAllFound() throws {
        let (x, labels) = rows(90, columns: 8, classes: 3, spread: 0.05)
        let probe = try LinearProbe(x, columns: 8, labels: labels)
        let accuracy = ProbeAccuracy(predictions: try probe.predictions(x), labels: labels, background: 2)
        XCTAssertEqual(accuracy.accuracy, 1)
        XCTAssertEqual(accuracy.meanClassAccuracy, 1)
        XCTAssertEqual(accuracy.actionAccuracy, 1)
    }

    func testThreadsChangeNoBit() throws {
        let (x, labels) = rows(700, columns: 300, classes: 4, spread: 3)
        var settings = LinearProbe.Settings()
        settings.maximumIterations = 30
        let results = try [1, 2, 3].map { threads in
            ComputeContext.current.threads = threads
            let probe = try LinearProbe(x, columns: 300, labels: labels, settings: settings)
            return (probe.weights.map(\.bitPattern), probe.iterations, try probe.predictions(x))
        }
        for other in results.dropFirst() {
            XCTAssertEqual(other.0, results[0].0)
            XCTAssertEqual(other.1, results[0].1)
            XCTAssertEqual(other.2, results[0].2)
        }
    }

    func testItSaysThatItHasNotConverged() throws {
        let (x, labels) = rows(40, columns: 3, classes: 3, spread: 1)
        var settings = LinearProbe.Settings()
        settings.maximumIterations = 2
        let probe = try LinearProbe(x, columns: 3, labels: labels, settings: settings)
        XCTAssertFalse(probe.isConverged)
        XCTAssertEqual(probe.iterations, 2)
        XCTAssertEqual(probe.largestGradient, gradient(probe, x, labels, l2: settings.l2).reduce(0) { max($0, abs($1)) }, accuracy: 1e-6)
    }

    /// One class, one frame, and columns that do not vary: nothing is divided by zero.
    func testFewRows() throws {
        let one = try LinearProbe([1, 2], columns: 2, labels: [3])
        XCTAssertEqual(one.iterations, 0)
        XCTAssertEqual(try one.predictions([5, 6, 7, 8]), [3, 3])
        XCTAssertEqual(try one.predictions([]), [])
        let same = try LinearProbe([1, 5, 2, 5, 3, 5], columns: 2, labels: [0, 0, 0])
        XCTAssertEqual(try same.predictions([9, 9]), [0])
        // The second column is the same everywhere, and however far it moves later it decides nothing.
        let constant = try LinearProbe([1, 5, 2, 5, 8, 5, 9, 5], columns: 2, labels: [0, 0, 1, 1])
        XCTAssertEqual(try constant.predictions([1.5, 1e6, 8.5, -1e6]), [0, 1])
        XCTAssertEqual(constant.weights[1], 0)
    }

    func testRefusals() throws {
        func refused(_ expected: String, line: UInt = #line, _ body: () throws -> Void) {
            XCTAssertThrowsError(try body(), line: line) { XCTAssertEqual("\($0)", expected, line: line) }
        }
        refused(
            """
            error: there is no frame to train the linear probe on
              do: choose recordings that have frames and labels
            """
        ) { _ = try LinearProbe([], columns: 2, labels: []) }
        refused(
            """
            error: the representation of frame 1 holds NaN in column 0
              do: use a checkpoint whose training has not diverged
            """
        ) { _ = try LinearProbe([1, 2, .nan, 4], columns: 2, labels: [0, 1]) }
        let probe = try LinearProbe([1, 2], columns: 1, labels: [0, 1])
        refused(
            """
            error: the representation of frame 2 holds an infinite value in column 0
              do: use a checkpoint whose training has not diverged
            """
        ) { _ = try probe.predictions([1, 2, -.infinity]) }
    }

    func testAccuracy() {
        // Class 0: 2 of 3; class 1: 0 of 1; background 9: 1 of 2. Of six, five are rightly action or background.
        let accuracy = ProbeAccuracy(predictions: [0, 0, 1, 0, 9, 0], labels: [0, 0, 0, 1, 9, 9], background: 9)
        XCTAssertEqual(accuracy.accuracy, 0.5)
        XCTAssertEqual(accuracy.meanClassAccuracy, (2.0 / 3 + 0 + 0.5) / 3, accuracy: 1e-15)
        XCTAssertEqual(accuracy.actionAccuracy, 5.0 / 6, accuracy: 1e-15)
    }

    func testMiddleFrames() {
        XCTAssertEqual(FrameSampling.middles(rows: 9, parts: 3), [1, 4, 7])
        XCTAssertEqual(FrameSampling.middles(rows: 10, parts: 4), [0, 3, 5, 8])
        XCTAssertEqual(FrameSampling.middles(rows: 3, parts: 64), [0, 1, 2])
        XCTAssertEqual(FrameSampling.middles(rows: 1, parts: 1), [0])
        XCTAssertEqual(FrameSampling.middles(rows: 0, parts: 5), [])
    }
}
