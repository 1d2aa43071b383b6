import Foundation

extension Pooling {
    /// y [channels] = the largest value of each channel over `rows` of x.
    public static func largest(_ x: UnsafePointer<Float>, channels: Int, rows: ClosedRange<Int>, into y: UnsafeMutablePointer<Float>) {
        y.update(from: x + rows.lowerBound * channels, count: channels)
        for row in rows.dropFirst() {
            let x = x + row * channels
            forEachPiece(0..<channels) { c, n in store(y + c, maximum(load(y + c, n), load(x + c, n)), n) }
        }
    }
}

/// A two-layer perceptron over pairs (a, b), whose first layer is taken apart: `W1 [a; b] = W1a a + W1b b`, so that each member is projected once.
public enum PairComparison {
    /// y [pairs, columns] = a [first member] + b [second member] + bias.
    ///
    /// - Parameters:
    ///   - a: projections of the first members, [rows, columns].
    ///   - b: projections of the second members, [rows, columns].
    ///   - bias: [columns].
    ///   - firsts: rows of `a`, one per pair.
    ///   - seconds: rows of `b`, one per pair.
    ///   - columns: values of a row.
    ///   - y: receives [pairs, columns].
    public static func sums(
        _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, bias: UnsafePointer<Float>, firsts: [Int], seconds: [Int], columns: Int,
        into y: UnsafeMutablePointer<Float>
    ) {
        for pair in firsts.indices {
            let a = a + firsts[pair] * columns, b = b + seconds[pair] * columns, y = y + pair * columns
            forEachPiece(0..<columns) { c, n in store(y + c, load(a + c, n) + load(b + c, n) + load(bias + c, n), n) }
        }
    }

    /// dx [rows, columns] = for every row the sum of the dy rows of its pairs, in the order of the pairs.
    public static func gatherSums(
        _ dy: UnsafePointer<Float>, members: [Int], columns: Int, rows: Int, into dx: UnsafeMutablePointer<Float>
    ) {
        dx.update(repeating: 0, count: rows * columns)
        for (pair, member) in members.enumerated() {
            let dy = dy + pair * columns, dx = dx + member * columns
            forEachPiece(0..<columns) { c, n in store(dx + c, load(dx + c, n) + load(dy + c, n), n) }
        }
    }

    /// result [rows] = mean over the rows of b of `sigmoid(w . max(a + b, 0) + bias)`, the biases of the first layer being in b.
    /// Sums run over b in order, in double precision.
    ///
    /// - Parameters:
    ///   - a: [rows, columns]; b: [others, columns], `others` positive.
    ///   - rows: rows of `a`.
    ///   - b: projections of what is compared with, biases included, [others, columns].
    ///   - others: rows of `b`, positive.
    ///   - columns: values of a row.
    ///   - w: [columns].
    ///   - bias: of the second layer.
    ///   - result: receives [rows].
    public static func meanSimilarity(
        _ a: UnsafePointer<Float>, rows: Int, _ b: UnsafePointer<Float>, others: Int, columns: Int, w: UnsafePointer<Float>, bias: Float,
        into result: UnsafeMutablePointer<Float>
    ) {
        Threads.overRanges(rows, grain: 16) { range in
            for row in range {
                let a = a + row * columns
                var total = 0.0
                for other in 0..<others {
                    let b = b + other * columns
                    var products = Vector()
                    forEachPiece(0..<columns) { c, n in
                        let hidden = load(a + c, n) + load(b + c, n)
                        products = products.addingProduct(hidden.replacing(with: 0, where: hidden .< 0), load(w + c, n))
                    }
                    total += 1 / (1 + exp(-Double(sum(products) + bias)))
                }
                result[row] = Float(total / Double(others))
            }
        }
    }
}
