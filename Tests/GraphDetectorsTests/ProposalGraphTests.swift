import Autograd
import GraphDetectors
import Kernels
import RandomStreams
import TemporalAnnotations
import TestSupport
import XCTest

/// What the golden numbers do not reach: graphs of few proposals, duplicates, draws, features, pools.
final class ProposalGraphTests: XCTestCase {
    override func tearDown() { ComputeContext.current.threads = 1 }

    private func segments(_ ends: [(Double, Double)]) -> [FrameSegment] { ends.map { FrameSegment(start: $0.0, end: $0.1) } }

    func testGraphsOfFewProposals() {
        var random = RandomStream(seed: 3, "few")
        var alone = ProposalGraph(segments([(4, 9)]), rules: .init())
        XCTAssertEqual(alone.candidates(of: 0), [Int](repeating: 0, count: 10))
        XCTAssertEqual(alone.tree(root: 0, random: &random), [Int](repeating: 0, count: 21))
        XCTAssertEqual(ProposalGraph([], rules: .init()).proposals, [])
        // Two apart: each is the other's surroundings, and its own context.
        let apart = ProposalGraph(segments([(0, 10), (20, 30)]), rules: .init())
        XCTAssertEqual(apart.context(of: 1), [Int](repeating: 1, count: 8))
        XCTAssertEqual(apart.surrounding(of: 1), [0, 0])
        // They touch: the last frame belongs to a proposal.
        XCTAssertEqual(ProposalGraph(segments([(0, 10), (10, 20)]), rules: .init()).surrounding(of: 0), [0, 0])
        XCTAssertEqual(ProposalGraph(segments([(0, 10), (11, 20)]), rules: .init()).surrounding(of: 0), [1, 1])
    }

    /// The same proposal several times: each is context of the others, the first of them first.
    func testDuplicates() {
        let graph = ProposalGraph(segments([(0, 99), (0, 99), (0, 99), (0, 89), (0, 10)]), rules: .init())
        XCTAssertEqual(graph.context(of: 1), [0, 2, 3, 0, 2, 3, 0, 2])
        XCTAssertEqual(graph.context(of: 3), [0, 1, 2, 0, 1, 2, 0, 1])
        XCTAssertEqual(graph.surrounding(of: 1), [1, 1])
        // Two lie equally far away.
        let even = ProposalGraph(segments([(50, 60), (20, 30), (80, 90), (79, 91)]), rules: .init())
        XCTAssertEqual(even.surrounding(of: 0), [3, 1])
    }

    /// Every candidate is drawn as often as any other, none twice by one node; the same stream draws the same tree.
    func testDraws() {
        var rules = ProposalGraph.Rules()
        (rules.contextCount, rules.surroundingCount, rules.children) = (0, 6, 3)
        let proposals = segments((0..<7).map { (Double(100 * $0), Double(100 * $0 + 50)) })
        var graph = ProposalGraph(proposals, rules: rules), counts = [Int](repeating: 0, count: 7)
        var random = RandomStream(seed: 5, "draws"), again = random
        let first = graph.tree(root: 2, random: &random)
        XCTAssertEqual(first, graph.tree(root: 2, random: &again))
        for _ in 0..<2000 {
            let tree = graph.tree(root: 2, random: &random)
            XCTAssertEqual(tree.count, 13)
            for j in 0...3 {
                let own = tree[(1 + 3 * j)..<(4 + 3 * j)]
                XCTAssertEqual(Set(own).count, 3)
                XCTAssertFalse(own.contains(tree[j]))
            }
            for node in tree[1...3] { counts[node] += 1 }
        }
        XCTAssertEqual(counts[2], 0)
        for node in [0, 1, 3, 4, 5, 6] { XCTAssertEqual(Double(counts[node]), 1000, accuracy: 100) }
    }

    func testFramesOfSeconds() {
        // 857 / 30 * 30 is not 857 in binary.
        XCTAssertEqual(FrameSegment(Segment(start: 857.0 / 30, end: 0.1), fps: 30), FrameSegment(start: 857, end: 3))
        XCTAssertEqual(FrameSegment(Segment(start: 0.25, end: 1), fps: 30).start, 7.5)
    }

    /// Rows every 8 frames that see 64: the first is that of the first frame, the last that whose window reaches the end.
    func testRowsOfStretches() {
        let grid = FeatureGrid(fps: 30, stride: 8, window: 64)
        func rows(_ start: Double, _ end: Double, _ count: Int = 100) -> Range<Int> {
            ProposalFeatures.rows(of: FrameSegment(start: start, end: end), grid: grid, count: count)
        }
        XCTAssertEqual(rows(0, 64), 0..<1)
        XCTAssertEqual(rows(0, 65), 0..<2)
        XCTAssertEqual(rows(80, 160), 10..<13)
        XCTAssertEqual(rows(80, 90), 10..<11)
        XCTAssertEqual(rows(-5, -1), 0..<1)
        XCTAssertEqual(rows(5000, 6000), 99..<100)
        XCTAssertEqual(rows(700, 6000), 87..<100)
        XCTAssertEqual(rows(0, 6000, 1), 0..<1)
    }

    /// Before, within and behind, against a search over the rows; the same for any number of threads.
    func testFeatures() {
        let rows = 60, columns = 5, grid = FeatureGrid(fps: 10, stride: 2, window: 4)
        var random = RandomStream(seed: 8, "features")
        let x = (0..<rows * columns).map { _ in random.normal() }
        let proposals = segments([(10, 40), (0, 3), (100, 120), (55.5, 57), (0, 120)])
        func features(_ threads: Int) -> ProposalFeatures {
            ComputeContext.with {
                $0.threads = threads
            } do: {
                let result = ProposalFeatures(proposals: 6, columns: columns)
                let maxima = RangeMaxima(x, rows: rows, channels: columns)
                result.fill(proposals, at: 1, from: .init(maxima: maxima, grid: grid, frames: 120), margin: 0.5)
                return result
            }
        }
        let found = features(1)
        XCTAssertEqual(features(3).completeness.array[(3 * columns)...], found.completeness.array[(3 * columns)...])
        for (i, proposal) in proposals.enumerated() {
            let half = 0.5 * (proposal.end - proposal.start)
            let stretches = [
                (max(0, proposal.start - half).rounded(.down), proposal.start), (proposal.start, proposal.end),
                (proposal.end, min(120, proposal.end + half).rounded(.down)),
            ]
            var expected: [Float] = []
            for (start, end) in stretches {
                // The first row, and those that begin in the stretch up to the first whose window ends at or behind its end.
                let first = min(Int(start / 2), rows - 1)
                var last = first
                while last + 1 < rows, Double(2 * last + 4) < end { last += 1 }
                expected += NaiveKernels.maximum(x, channels: columns, over: first..<last + 1)
            }
            XCTAssertEqual(Array(found.completeness.array[(i + 1) * 3 * columns..<(i + 2) * 3 * columns]), expected, "\(proposal)")
            XCTAssertEqual(Array(found.activity.array[(i + 1) * columns..<(i + 2) * columns]), Array(expected[columns..<2 * columns]))
        }
    }

    /// 500 proposals of a recording: graph, all trees, all features.
    func testTimeOf500Proposals() {
        let rows = 2000, columns = 1024, grid = FeatureGrid(fps: 30, stride: 8, window: 64), frames = 16_000.0
        var random = RandomStream(seed: 1, "500")
        let proposals = (0..<500).map { _ -> FrameSegment in
            let start = Double(random.uniformIndex(below: 14_000))
            return FrameSegment(start: start, end: min(frames, start + 30 + Double(random.uniformIndex(below: 2000))))
        }
        let x = (0..<rows * columns).map { Float($0 % 1013) }
        let clock = ContinuousClock()
        var trees: [Int] = []
        let drawing = clock.measure {
            var graph = ProposalGraph(proposals, rules: .init())
            trees = proposals.indices.flatMap { graph.tree(root: $0, random: &random) }
        }
        let pooling = clock.measure {
            let features = ProposalFeatures(proposals: 500, columns: columns), maxima = RangeMaxima(x, rows: rows, channels: columns)
            features.fill(proposals, at: 0, from: .init(maxima: maxima, grid: grid, frames: frames), margin: 0.5)
            XCTAssertEqual(features.activity.rows, 500)
        }
        XCTAssertEqual(trees.count, 500 * 21)
        print("500 proposals: graph and trees \(drawing), features of 2000 x 1024 rows \(pooling)")
        // Far above what it takes; a search over all rows for every proposal takes longer.
        XCTAssertLessThan(drawing, .milliseconds(500))
        XCTAssertLessThan(pooling, .seconds(2))
    }

    func testPools() {
        let actions = [
            ProposalPools.Action(segment: FrameSegment(start: 100, end: 200), label: 2),
            ProposalPools.Action(segment: FrameSegment(start: 300, end: 340), label: 0),
            ProposalPools.Action(segment: FrameSegment(start: 500, end: 500), label: 1),
            ProposalPools.Action(segment: FrameSegment(start: 1200, end: 1300), label: 1),
        ]
        let pools = ProposalPools(
            segments([(110, 200), (0, 50), (100, 120), (320, 1200), (150, 250), (0, 10), (1000, 1100), (40, 30)]), actions: actions, frames: 1000,
            thresholds: .init())
        // The first proposal, then the actions within the recording.
        XCTAssertEqual(pools.segments[pools.foreground], segments([(110, 200), (100, 200), (300, 340)])[...])
        XCTAssertEqual(pools.labels[pools.foreground], [2, 2, 0])
        XCTAssertEqual(pools.proposed, 0..<1)
        // 20 of 100 frames of the action; 20 of 700 frames lie in the action, cut to the recording: 0.0294 of it.
        XCTAssertEqual(pools.segments[pools.incomplete], segments([(100, 120), (320, 1000)])[...])
        XCTAssertEqual(pools.labels[pools.incomplete], [2, 0])
        // The other one without overlap covers 0.01 of the recording.
        XCTAssertEqual(pools.segments[pools.background], segments([(0, 50)])[...])
        XCTAssertEqual(pools.labels[pools.background], [-1])
        XCTAssertEqual(pools.offsets[0].x, -5.0 / 91, accuracy: 1e-12)
        XCTAssertEqual(pools.offsets[0].y, log(101.0 / 91), accuracy: 1e-12)
        XCTAssertEqual(pools.offsets[1], SIMD2())
        let none = ProposalPools([], actions: [], frames: 10, thresholds: .init())
        XCTAssertTrue(none.segments.isEmpty && none.foreground.isEmpty)
    }

    func testStatistics() {
        XCTAssertEqual(OffsetStatistics([]), OffsetStatistics(mean: SIMD2(), deviation: SIMD2(1, 1)))
        XCTAssertEqual(OffsetStatistics([SIMD2(1, 2)]), OffsetStatistics(mean: SIMD2(1, 2), deviation: SIMD2(1, 1)))
        XCTAssertEqual(OffsetStatistics([SIMD2(1, 2), SIMD2(3, -2)]), OffsetStatistics(mean: SIMD2(2, 0), deviation: SIMD2(1, 2)))
    }
}
