import Collectives
import Diagnostics
import PseudoLabels
import RandomStreams
import RunRecords
import TemporalAnnotations
import XCTest

/// Pseudo-labels between however many ranks `mpirun` started: what arrives is what one rank alone would have.
final class PseudoLabelExchangeTests: XCTestCase {
    private var world: Communicator!

    override func setUpWithError() throws {
        world = try Communicator.world()
        try world.barrier()
    }

    /// Labels of a recording, with and without the optional numbers, some of which need all bits of a double.
    private func labels(of video: Int, count: Int) -> [PseudoLabel] {
        var random = RandomStream(seed: 5, "labels", video)
        return (0..<count).map { i in
            let start = Double(random.uniform()) * 100
            let isExact = i % 3 == 0
            func score() -> Double { Double(random.uniform()) + (isExact ? 1e-12 : 0) }
            return PseudoLabel(
                // The names' order is not that of their numbers.
                video: VideoID("vidéo \((video * 7) % 11)-\(video)"), segment: Segment(start: start, end: start + 0.1),
                label: i % 4 == 3 ? 4_000_000_000 : i % 5,
                score: score(), classScore: score(), tIoU: i % 2 == 0 ? score() : nil, tND: i % 4 == 0 ? score() : nil,
                similarity: i % 5 == 0 ? nil : score(), fate: PseudoLabelFate.allCases[i % 4])
        }
    }

    private let counts = [3, 0, 17, 1, 40, 5, 0, 9, 2, 30, 8]

    private var expected: [PseudoLabel] {
        let videos = counts.indices.map { labels(of: $0, count: counts[$0]) }.filter { !$0.isEmpty }
        return videos.sorted { $0[0].video < $1[0].video }.flatMap { $0 }
    }

    /// Recordings dealt in turn, forwards or backwards; messages of one label, of a few, of all.
    func testGatherGivesTheSameForEveryRankCount() throws {
        for isReversed in [false, true] {
            for labelsPerMessage in [1, 4, PseudoLabelExchange.labelsPerMessage] {
                let owned = counts.indices.filter { (isReversed ? counts.count - $0 : $0) % world.size == world.rank }
                let mine = (isReversed ? owned.reversed() : owned).flatMap { labels(of: $0, count: counts[$0]) }
                var bytes = -1
                let all = try PseudoLabelExchange.gather(mine, communicator: world, labelsPerMessage: labelsPerMessage) { bytes = $0 }
                if world.isRoot {
                    XCTAssertEqual(all, expected, "\(labelsPerMessage) labels per message")
                    XCTAssertEqual(bytes > 0, world.size > 1)
                } else {
                    XCTAssertNil(all)
                    XCTAssertEqual(bytes, -1)
                }
            }
        }
        XCTAssertEqual(expected.count, 115)
    }

    func testNothingToGather() throws {
        let all = try PseudoLabelExchange.gather([], communicator: world)
        XCTAssertEqual(all, world.isRoot ? [] : nil)
        XCTAssertEqual(try PseudoLabelExchange.broadcast([], communicator: world), [])
        // Labels on the last rank alone.
        let last = world.rank == world.size - 1 ? labels(of: 0, count: 3) : []
        XCTAssertEqual(try PseudoLabelExchange.gather(last, communicator: world), world.isRoot ? labels(of: 0, count: 3) : nil)
    }

    func testBroadcastGivesEveryRankTheSameBits() throws {
        for labelsPerMessage in [1, 4, PseudoLabelExchange.labelsPerMessage] {
            // The others pass something else on purpose.
            let own = world.isRoot ? expected : labels(of: 0, count: 2)
            let found = try PseudoLabelExchange.broadcast(own, communicator: world, labelsPerMessage: labelsPerMessage)
            XCTAssertEqual(found, expected, "\(labelsPerMessage) labels per message")
            XCTAssertEqual(found.map(\.score.bitPattern), expected.map(\.score.bitPattern))
            XCTAssertEqual(found.map(\.segment.start.bitPattern), expected.map(\.segment.start.bitPattern))
        }
    }

    func testNumbersThatAreNotFiniteTravel() throws {
        let odd = PseudoLabel(
            video: "v", segment: Segment(start: -.infinity, end: .greatestFiniteMagnitude), label: 0, score: .infinity, classScore: -0.0, tIoU: .nan,
            tND: .leastNonzeroMagnitude, fate: .removed)
        let found = try PseudoLabelExchange.broadcast([odd], communicator: world)
        XCTAssertEqual(found.count, 1)
        XCTAssertEqual(found[0].segment, odd.segment)
        XCTAssertEqual(found[0].score, .infinity)
        XCTAssertEqual(found[0].classScore.sign, .minus)
        XCTAssertEqual(found[0].tIoU?.isNaN, true)
        XCTAssertEqual(found[0].tND, .leastNonzeroMagnitude)
        XCTAssertNil(found[0].similarity)
    }

    /// A label that cannot travel is an error on all ranks, and the next exchange works.
    func testAClassThatIsNoClass() throws {
        var mine = labels(of: world.rank, count: 4)
        let last = world.size - 1
        if world.rank == last { mine[2].label = -1 }
        XCTAssertThrowsError(try PseudoLabelExchange.gather(mine, communicator: world)) {
            let rank = world.size > 1 ? "rank \(last), " : ""
            let expected =
                "error: a pseudo-label has class -1\n  where: \(rank)video '\(labels(of: last, count: 1)[0].video)'\n"
                + "  do: classes are numbered from 0 to 4294967295"
            XCTAssertEqual(($0 as? Failure)?.description, expected)
        }
        try testGatherGivesTheSameForEveryRankCount()
    }
}
