import Kernels
import RandomStreams
import TestSupport
import XCTest

/// Kernels of graph convolutions and maxima over ranges of rows against their naive twins.
final class GraphKernelTests: XCTestCase {
    private var random = RandomStream(seed: 13, "graph kernels")
    private func normals(_ count: Int) -> [Float] { (0..<count).map { _ in random.normal() } }
    override func tearDown() { ComputeContext.current.threads = 1 }

    /// Every range of short matrices; ranges of a long one that end within blocks, at their ends, and cover several levels.
    func testRangeMaxima() {
        for (rows, channels) in [(1, 1), (7, 3), (8, 17), (20, 33), (1100, 5)] {
            let x = normals(rows * channels)
            let ranges =
                rows < 100
                ? (0..<rows).flatMap { first in (first + 1...rows).map { first..<$0 } }
                : [0..<1100, 0..<1, 1099..<1100, 7..<9, 8..<16, 64..<128, 63..<129, 512..<1024, 511..<1025, 1..<1099, 600..<604]
            let found = sameForThreadCounts("maxima of \(rows)") {
                let maxima = RangeMaxima(x, rows: rows, channels: channels)
                var y = [Float](repeating: .nan, count: ranges.count * channels)
                y.withUnsafeMutableBufferPointer { y in
                    for (i, range) in ranges.enumerated() { maxima.maximum(over: range, into: y.baseAddress! + i * channels) }
                }
                return y
            }
            XCTAssertEqual(found, ranges.flatMap { NaiveKernels.maximum(x, channels: channels, over: $0) }, "\(rows) x \(channels)")
        }
    }

    func testTreeAggregation() {
        for (rows, channels, children, count) in [(1, 1, 1, 1), (3, 5, 2, 4), (9, 33, 4, 7), (4, 16, 3, 1), (30, 130, 4, 40)] {
            let tree = TreeAggregation(children: children)
            XCTAssertEqual(tree.nodes, 1 + children + children * children)
            var x = normals(rows * channels)
            // A row of zeros is like nothing.
            for c in 0..<channels { x[(rows - 1) * channels + c] = 0 }
            let trees = (0..<count * tree.nodes).map { _ in random.uniformIndex(below: rows) }
            let found = sameForThreadCounts("aggregation of \(rows)") {
                var sums = [Float](repeating: .nan, count: count * tree.inner * channels)
                var weights = [Float](repeating: .nan, count: count * tree.inner)
                tree(x, rows: rows, channels: channels, trees: trees, sums: &sums, weights: &weights)
                return sums + weights
            }
            var sums: [Float] = [], weights: [Float] = []
            for t in 0..<count {
                let own = Array(trees[t * tree.nodes..<(t + 1) * tree.nodes])
                let adjacency = NaiveKernels.adjacency(x, channels: channels, tree: own, children: children)
                for j in 0..<tree.inner {
                    sums += (0..<channels).map { c in
                        Float(own.indices.reduce(0.0) { $0 + adjacency[j * own.count + $1] * Double(x[own[$1] * channels + c]) })
                    }
                }
                weights += adjacency[..<tree.inner].map { Float($0) }
                XCTAssertTrue(adjacency[(tree.inner)..<own.count].allSatisfy { $0 == 0 })
            }
            assertClose("aggregation of \(rows)", found, sums + weights, absolute: 2e-6, relative: 1e-5)
        }
        TreeAggregation(children: 2)(
            [1], rows: 1, channels: 1, trees: [], sums: UnsafeMutablePointer(bitPattern: 64)!, weights: UnsafeMutablePointer(bitPattern: 64)!)
    }

    func testGroupSums() {
        for (groups, each, channels) in [(1, 1, 1), (3, 5, 17), (40, 2, 64), (0, 5, 3)] {
            let x = normals(groups * each * channels), weights = normals(groups * each)
            let found = sameForThreadCounts("group sums") {
                var y = [Float](repeating: .nan, count: groups * channels)
                GroupSums.forward(x, weights, groups: groups, each: each, channels: channels, into: &y)
                return y
            }
            assertClose("group sums", found, NaiveKernels.groupSums(x, weights: weights, each: each, channels: channels), absolute: 2e-6)
        }
    }
}
