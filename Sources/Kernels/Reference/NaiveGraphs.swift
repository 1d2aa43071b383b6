extension NaiveKernels {
    /// The largest value of every channel over a range of rows.
    public static func maximum(_ x: [Float], channels: Int, over range: Range<Int>) -> [Float] {
        (0..<channels).map { c in range.map { x[$0 * channels + c] }.max() ?? -.infinity }
    }

    /// The whole adjacency matrix of one tree, [nodes, nodes], row by row.
    public static func adjacency(_ x: [Float], channels: Int, tree: [Int], children: Int) -> [Double] {
        func row(_ node: Int) -> [Double] { x[tree[node] * channels..<(tree[node] + 1) * channels].map(Double.init) }
        func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
        return tree.indices.flatMap { j in
            tree.indices.map { k -> Double in
                let isChild = j <= children && k > children * j && k <= children * (j + 1)
                guard isChild || (j == k && j <= children) else { return 0 }
                let a = row(j), b = row(k), scale = (dot(a, a) * dot(b, b)).squareRoot()
                return scale > 0 ? max(0, dot(a, b) / scale) / (j == k ? 1 : Double(children)) : 0
            }
        }
    }

    /// `sum_k weights[g, k] x[g * each + k]`, [groups, channels].
    public static func groupSums(_ x: [Float], weights: [Float], each: Int, channels: Int) -> [Float] {
        (0..<weights.count / each).flatMap { g in
            (0..<channels).map { c in
                Float((0..<each).reduce(0.0) { $0 + Double(weights[g * each + $1]) * Double(x[(g * each + $1) * channels + c]) })
            }
        }
    }
}
