import Autograd
import XCTest

/// Compares the gradients of an operation with finite differences.
///
/// The loss is `sum(r * y)` with fixed random r. Differences are taken by the five-point rule, so that their error is far below the tolerance
/// although the forward pass is float32.
///
/// - Parameters:
///   - inputs: tensors over their own storage, whose gradients are checked at every element.
///   - build: runs the operation; must give the same result for the same inputs.
public func checkGradients(
    _ name: String, _ inputs: [(name: String, tensor: Tensor)], step: Float = 2e-2, tolerance: Float = 2e-3, file: StaticString = #filePath,
    line: UInt = #line, _ build: (Tape) -> Tensor
) {
    var state: UInt64 = 0x1234_5678
    func random() -> Float {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Float(Int32(truncatingIfNeeded: state >> 32)) / Float(Int32.max)
    }
    let tape = Tape()
    for input in inputs { input.tensor.clearGradient() }
    let y = build(tape)
    let weights = (0..<y.count).map { _ in random() }
    let (gradient, _) = y.gradientToWrite()
    for i in 0..<y.count { gradient[i] = weights[i] }
    tape.backward()

    func loss() -> Double {
        let y = build(Tape(recording: false))
        return (0..<y.count).reduce(0.0) { $0 + Double(weights[$1]) * Double(y.values[$1]) }
    }
    for (inputName, tensor) in inputs {
        guard let analytic = tensor.gradientArray else {
            XCTFail("\(name): no gradient reached \(inputName)", file: file, line: line)
            continue
        }
        let scale = max(analytic.map(abs).max() ?? 0, 1e-2)
        for i in 0..<tensor.count {
            let original = tensor.values[i]
            func shifted(_ steps: Float) -> Double {
                tensor.values[i] = original + steps * step
                return loss()
            }
            let numeric = Float((8 * (shifted(1) - shifted(-1)) - (shifted(2) - shifted(-2))) / (12 * Double(step)))
            tensor.values[i] = original
            if !(abs(numeric - analytic[i]) <= tolerance * scale) {
                XCTFail("\(name): d/d\(inputName)[\(i)] is \(analytic[i]), finite differences say \(numeric)", file: file, line: line)
                return
            }
        }
    }
}

/// A tensor whose values and gradient live in storage of its own that is never freed: for tests.
public func testParameter(rows: Int, columns: Int, _ values: [Float]) -> Tensor {
    let storage = UnsafeMutablePointer<Float>.allocate(capacity: 2 * values.count)
    storage.initialize(repeating: 0, count: 2 * values.count)
    for (i, value) in values.enumerated() { storage[i] = value }
    return Tensor(rows: rows, columns: columns, values: storage, gradient: storage + values.count)
}

/// Compares arrays element by element: |a - b| <= absolute + relative * |b|.
public func assertClose(
    _ name: String, _ a: [Float], _ b: [Float], absolute: Float = 1e-6, relative: Float = 1e-5, file: StaticString = #filePath,
    line: UInt = #line
) {
    guard a.count == b.count else { return XCTFail("\(name): \(a.count) values, expected \(b.count)", file: file, line: line) }
    var worst: (index: Int, excess: Float)?
    for i in a.indices {
        let excess = abs(a[i] - b[i]) - (absolute + relative * abs(b[i]))
        if !(excess <= 0), worst == nil || !(excess <= worst!.excess) { worst = (i, excess) }
    }
    if let worst {
        XCTFail("\(name): element \(worst.index) is \(a[worst.index]), expected \(b[worst.index])", file: file, line: line)
    }
}
