/// Sums over neighbours in trees, weighted by how alike their features are: the product A X of P-GCN's first graph convolution (Zeng et al., "Graph
/// Convolutional Networks for Temporal Action Localization", ICCV 2019, equations 1 and 5).
///
/// A tree is a root, its c children, and c children of each of these in their order: 1 + c + c^2 nodes. Row j <= c of its adjacency matrix is 1 at j and
/// 1 / c at the children of j, times the cosine of the features, at least 0. The rows of the leaves are 0. The cosine with a row of zeros is 0.
public struct TreeAggregation: Hashable, Sendable {
    /// c.
    public var children: Int
    /// Nodes that have children: the root and its children.
    public var inner: Int { 1 + children }
    /// Of a tree.
    public var nodes: Int { 1 + children * inner }

    /// - Parameter children: of the root and of each of its children; at least 1.
    public init(children: Int) { self.children = children }

    /// - Parameters:
    ///   - x: [rows, channels].
    ///   - rows: of x.
    ///   - channels: values of a row.
    ///   - trees: the nodes of the trees, `nodes` rows of x each.
    ///   - sums: receives [trees, inner, channels]: the rows of A X that are not 0.
    ///   - weights: receives [trees, inner]: the root's row of A, whose other entries are 0.
    public func callAsFunction(
        _ x: UnsafePointer<Float>, rows: Int, channels: Int, trees: [Int], sums: UnsafeMutablePointer<Float>, weights: UnsafeMutablePointer<Float>
    ) {
        guard children > 0, trees.count % nodes == 0, trees.allSatisfy({ 0 <= $0 && $0 < rows }) else {
            KernelFault.end("trees of \(nodes) nodes among \(rows) rows, given \(trees.count)")
        }
        let count = trees.count / nodes, terms = count * inner * inner
        KernelCounter.count(.reduction, operations: 4 * terms * channels, bytes: 4 * (trees.count + count * inner) * channels) {
            var lengths = [Float](repeating: 0, count: rows)
            for node in Set(trees) { lengths[node] = Self.product(x + node * channels, x + node * channels, channels).squareRoot() }
            Threads.overRanges(count, grain: 4) { range in
                for tree in range {
                    let own = trees[tree * nodes..<(tree + 1) * nodes]
                    aggregate(x, channels, own, lengths, into: sums + tree * inner * channels, weights: weights + tree * inner)
                }
            }
        }
    }

    private func aggregate(
        _ x: UnsafePointer<Float>, _ channels: Int, _ tree: ArraySlice<Int>, _ lengths: [Float], into sums: UnsafeMutablePointer<Float>,
        weights: UnsafeMutablePointer<Float>
    ) {
        for j in 0..<inner {
            let center = tree[tree.startIndex + j], y = sums + j * channels
            for place in 0...children {
                let node = place == 0 ? center : tree[tree.startIndex + j * children + place]
                let scale = lengths[center] * lengths[node], row = x + node * channels
                let cosine = scale > 0 ? max(0, Self.product(x + center * channels, row, channels) / scale) : 0
                let weight = place == 0 ? cosine : cosine / Float(children)
                if j == 0 { weights[place] = weight }
                forEachPiece(0..<channels) { c, n in
                    let term = load(row + c, n) * weight
                    store(y + c, place == 0 ? term : load(y + c, n) + term, n)
                }
            }
        }
    }

    private static func product(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ count: Int) -> Float {
        var total = Vector()
        forEachPiece(0..<count) { c, n in total += load(a + c, n) * load(b + c, n) }
        return sum(total)
    }
}

/// Weighted sums of neighbouring rows.
public enum GroupSums {
    /// y [groups, channels]: `sum_k weights[g, k] x[g * each + k]`.
    ///
    /// - Parameters:
    ///   - x: [groups * each, channels].
    ///   - weights: [groups, each].
    ///   - groups: their number.
    ///   - each: rows of a group; at least 1.
    ///   - channels: values of a row.
    ///   - y: receives [groups, channels].
    public static func forward(
        _ x: UnsafePointer<Float>, _ weights: UnsafePointer<Float>, groups: Int, each: Int, channels: Int, into y: UnsafeMutablePointer<Float>
    ) {
        KernelCounter.count(.reduction, operations: 2 * groups * each * channels, bytes: 4 * groups * (each + 1) * channels) {
            Threads.overRanges(groups, grain: 16) { range in
                for group in range {
                    let x = x + group * each * channels, weights = weights + group * each, y = y + group * channels
                    forEachPiece(0..<channels) { c, n in
                        var total = load(x + c, n) * weights[0]
                        for k in 1..<max(each, 1) { total += load(x + k * channels + c, n) * weights[k] }
                        store(y + c, total, n)
                    }
                }
            }
        }
    }

    /// dx [groups * each, channels]: stores `weights[g, k] dy[g]`, or adds it.
    public static func backward(
        _ dy: UnsafePointer<Float>, _ weights: UnsafePointer<Float>, groups: Int, each: Int, channels: Int, into dx: UnsafeMutablePointer<Float>,
        add: Bool
    ) {
        KernelCounter.count(.reduction, operations: groups * each * channels, bytes: 4 * groups * (each + 1) * channels) {
            Threads.overRanges(groups * each, grain: 32) { range in
                for row in range {
                    let dy = dy + row / each * channels, dx = dx + row * channels, weight = weights[row]
                    forEachPiece(0..<channels) { c, n in
                        let term = load(dy + c, n) * weight
                        store(dx + c, add ? load(dx + c, n) + term : term, n)
                    }
                }
            }
        }
    }
}
