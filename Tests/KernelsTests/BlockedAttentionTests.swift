import Diagnostics
import Kernels
import RandomStreams
import TestSupport
import XCTest

/// Attention over all positions without a matrix of all pairs: against the naive twin, against the path with kept probabilities, over thread counts.
final class BlockedAttentionTests: XCTestCase {
    private var random = RandomStream(seed: 4, "blocked attention")

    override func tearDown() {
        ComputeContext.current.threads = 1
        ComputeContext.current.backend = .openblas
    }

    private func normals(_ count: Int) -> [Float] { (0..<count).map { _ in random.normal() } }

    private func forward(_ q: [Float], _ k: [Float], _ v: [Float], _ shape: GlobalAttention.Shape, keeps: Bool) -> [Float] {
        var out = [Float](repeating: .nan, count: q.count)
        var probabilities = [Float](repeating: .nan, count: max(1, shape.probabilityCount))
        var scratch = [Float](repeating: .nan, count: max(1, shape.forwardScratchCount(keepsProbabilities: keeps)))
        probabilities.withUnsafeMutableBufferPointer {
            GlobalAttention.forward(q, k, v, shape, into: &out, probabilities: keeps ? $0.baseAddress : nil, scratch: &scratch)
        }
        return out
    }

    /// Lengths around the pieces of 256 rows, shorter than a head is wide, empty; heads narrower and wider than the vector.
    func testForwardHasTheBitsOfThePathThatKeepsProbabilities() {
        for backend in MatrixMultiplyBackend.allCases {
            ComputeContext.current.backend = backend
            for (offsets, heads, headChannels) in [
                ([0, 1], 2, 3), ([0, 255, 255, 511], 2, 16), ([0, 257, 260], 1, 83), ([0, 513, 770], 4, 8), ([0, 300, 310], 1, 512),
                ([0, 1030], 2, 16),
            ] {
                let count = offsets.last! * heads * headChannels
                let q = normals(count), k = normals(count), v = normals(count)
                let shape = GlobalAttention.Shape(heads: heads, headChannels: headChannels, offsets: offsets)
                ComputeContext.current.threads = 1
                let expected = forward(q, k, v, shape, keeps: true).map(\.bitPattern)
                for threads in 1...3 {
                    ComputeContext.current.threads = threads
                    XCTAssertEqual(forward(q, k, v, shape, keeps: false).map(\.bitPattern), expected, "\(backend) \(offsets) \(threads)")
                    // Sequences too long to be kept, beside one that is kept.
                    let long = GlobalAttention.Shape(heads: heads, headChannels: headChannels, offsets: offsets, longestKept: 256)
                    XCTAssertEqual(forward(q, k, v, long, keeps: true).map(\.bitPattern), expected, "\(backend) \(offsets) \(threads)")
                }
            }
        }
        ComputeContext.current.backend = .openblas
        let offsets = [0, 270, 281], count = 281 * 34, q = normals(count), k = normals(count), v = normals(count)
        assertClose(
            "attention in blocks",
            forward(q, k, v, GlobalAttention.Shape(heads: 2, headChannels: 17, offsets: offsets), keeps: false),
            NaiveKernels.attention(q, k, v, heads: 2, headChannels: 17, reach: nil, relative: nil, offsets: offsets), absolute: 3e-6, relative: 2e-5)
    }

    func testBackwardIsThatOfKeptProbabilitiesForEveryNumberOfThreads() {
        for backend in MatrixMultiplyBackend.allCases {
            ComputeContext.current.backend = backend
            for (offsets, heads, headChannels) in [([0, 5, 9], 2, 3), ([0, 300, 400], 2, 16), ([0, 1100], 2, 8), ([0, 40, 40, 560], 1, 83)] {
                let count = offsets.last! * heads * headChannels
                let q = normals(count), k = normals(count), v = normals(count), dy = normals(count)
                func gradients(longestKept: Int) -> [[Float]] {
                    let shape = GlobalAttention.Shape(heads: heads, headChannels: headChannels, offsets: offsets, longestKept: longestKept)
                    var out = [Float](repeating: .nan, count: count), probabilities = [Float](repeating: .nan, count: max(1, shape.probabilityCount))
                    var scratch = [Float](
                        repeating: .nan, count: max(1, shape.forwardScratchCount(keepsProbabilities: true), shape.backwardScratchCount))
                    var dq = out, dk = out, dv = out
                    GlobalAttention.forward(q, k, v, shape, into: &out, probabilities: &probabilities, scratch: &scratch)
                    GlobalAttention.backward(
                        dy, q, k, v, probabilities: probabilities, shape, scratch: &scratch, dq: &dq, dk: &dk, dv: &dv)
                    return [dq, dk, dv]
                }
                ComputeContext.current.threads = 1
                let kept = gradients(longestKept: 4096), blocked = gradients(longestKept: 60)
                for (name, (a, b)) in zip(["dq", "dk", "dv"], zip(kept, blocked)) {
                    assertClose("\(backend) \(offsets) \(name)", b, a, absolute: 3e-6, relative: 2e-5)
                }
                for threads in 2...3 {
                    ComputeContext.current.threads = threads
                    XCTAssertEqual(gradients(longestKept: 60), blocked, "\(backend) \(offsets) \(threads)")
                }
            }
        }
    }

    /// What the switch is there for: memory of a long sequence grows with its length, not with the square of it.
    func testScratchIsBlocksOfRows() {
        ComputeContext.current.threads = 2
        defer { ComputeContext.current.threads = 1 }
        let long = GlobalAttention.Shape(heads: 4, headChannels: 128, offsets: [0, 100_000])
        XCTAssertEqual(long.probabilityCount, 0)
        XCTAssertEqual(long.forwardScratchCount(keepsProbabilities: false), 2 * 256 * 100_000)
        XCTAssertEqual(long.backwardScratchCount, 2 * 4 * 512 * 100_000)
        let usual = GlobalAttention.Shape(heads: 4, headChannels: 128, offsets: [0, 2304])
        XCTAssertEqual(usual.probabilityCount, 4 * 2304 * 2304)
        XCTAssertEqual(usual.forwardScratchCount(keepsProbabilities: true), 0)
        XCTAssertEqual(usual.backwardScratchCount, 2304 * 2304)
    }

    /// The watch must see that a process gets on within one long recording: once for every block of 256 query rows at least.
    func testBlocksAreProgress() {
        let rows = 1_100, channels = 4, values = [Float](repeating: 0.5, count: rows * channels)
        let shape = GlobalAttention.Shape(heads: 1, headChannels: channels, offsets: [0, rows])
        var out = [Float](repeating: 0, count: rows * channels)
        var scratch = [Float](repeating: 0, count: shape.forwardScratchCount(keepsProbabilities: false))
        let before = Activity.snapshot.changes
        GlobalAttention.forward(values, values, values, shape, into: &out, probabilities: nil, scratch: &scratch)
        XCTAssertGreaterThanOrEqual(Activity.snapshot.changes - before, 5)
    }
}
