import Foundation
import RandomStreams
import Sampling
import XCTest

/// Recordings of several steps dealt to the shards by their lengths.
final class BalancedSamplingTests: XCTestCase {
    private func videos(_ count: Int) -> [(index: Int, rows: Int)] { (0..<count).map { (index: 100 + $0, rows: 10 + $0 * 37 % 200) } }

    /// In the windows of an epoch every recording is seen once; every shard gets as many at each step, its longest first.
    func testEachVideoOncePerEpoch() throws {
        for (count, shards, batch, window) in [(64, 2, 4, 4), (60, 3, 3, 5), (17, 1, 1, 17), (24, 4, 8, 3), (7, 7, 7, 2)] {
            let all = videos(count)
            let rows = Dictionary(uniqueKeysWithValues: all.map { ($0.index, $0.rows) })
            let sampler = try TrainingSampler(videos: all, shardCount: shards, batchSize: batch, seed: 5, window: window)
            var seen: [Int: Int] = [:]
            let steps = 3 * count / batch / window * window
            for step in 0..<steps {
                for shard in 0..<shards {
                    let own = sampler.videos(step: step, shard: shard)
                    XCTAssertEqual(own.count, batch / shards)
                    XCTAssertEqual(own.compactMap { rows[$0] }, own.compactMap { rows[$0] }.sorted(by: >))
                    for video in own { seen[video, default: 0] += 1 }
                }
            }
            // Whole epochs, and a part of the next one.
            let epochs = steps * batch / count
            XCTAssertEqual(Set(seen.keys), Set(rows.keys))
            for (video, times) in seen { XCTAssertTrue((epochs...epochs + 1).contains(times), "\(video): \(times) times in \(epochs) epochs") }
            if steps * batch % count == 0 { XCTAssertEqual(Set(seen.values), [epochs]) }
        }
    }

    /// Where the batch divides the recordings, every epoch has each once, whatever the window; without a number it is at most half of an epoch.
    func testEpochsAreWholeForEveryWindow() throws {
        for (count, batch, window) in [(14, 2, 3), (14, 2, nil), (30, 3, 4), (30, 3, 16), (60, 2, nil), (8, 4, nil), (5, 5, 2), (33, 1, 7)]
            as [(Int, Int, Int?)]
        {
            let sampler = try TrainingSampler(videos: videos(count), shardCount: 1, batchSize: batch, seed: 8, window: window)
            let steps = count / batch
            // A window beyond an epoch mixes as many epochs as it needs.
            let block = max(1, ((window ?? 1) * batch + count - 1) / count)
            for first in stride(from: 0, to: 6 * block * steps, by: block * steps) {
                let seen = (first..<first + block * steps).flatMap { sampler.videos(step: $0, shard: 0) }.sorted()
                XCTAssertEqual(
                    seen, videos(count).flatMap { [Int](repeating: $0.index, count: block) }, "\(count), \(batch), \(String(describing: window))")
            }
        }
    }

    /// Without a number: 16 steps, or half of an epoch, in which no step has the same recordings every time.
    func testTheUsualWindow() throws {
        XCTAssertEqual([0, 1, 2, 3, 4, 31, 32, 33, 1000].map(TrainingSampler.window(steps:)), [1, 1, 1, 1, 2, 15, 16, 16, 16])
        for count in [4, 12, 80] {
            let usual = try TrainingSampler(videos: videos(count), shardCount: 2, batchSize: 2, seed: 4, window: nil)
            let named = try TrainingSampler(
                videos: videos(count), shardCount: 2, batchSize: 2, seed: 4, window: TrainingSampler.window(steps: count / 2))
            for step in 0..<50 { XCTAssertEqual(usual.videos(step: step, shard: 1), named.videos(step: step, shard: 1)) }
            let companions = Set((0..<10 * count / 2).map { step in Set((0..<2).flatMap { usual.videos(step: step, shard: $0) }) })
            XCTAssertGreaterThan(companions.count, count / 2 + 1, "\(count) recordings")
        }
    }

    /// The recordings of a step are neighbours in length, and each shard takes those that make the fullest one least full.
    func testStepsTakeNeighboursAndShardsAreLevel() throws {
        // Lengths 1 to 16; two shards of two recordings; four steps are one window.
        let sampler = try TrainingSampler(
            videos: (1...16).map { (index: $0, rows: $0) }, shardCount: 2, batchSize: 4, seed: 3, window: 4)
        let steps = (0..<4).map { step in (0..<2).map { sampler.videos(step: step, shard: $0) } }
        XCTAssertEqual(Set(steps.map { $0.flatMap { $0 }.sorted() }), [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 15, 16]])
        // Of 13 to 16: 16 and 13 against 15 and 14.
        for step in steps {
            let longest = step.flatMap { $0 }.max() ?? 0
            XCTAssertEqual(Set(step), [[longest, longest - 3], [longest - 1, longest - 2]])
        }
        // The order of the steps is drawn, and differs between windows; so is the shard that takes the longest.
        let orders = (0..<20).map { window in (0..<4).map { sampler.videos(step: 4 * window + $0, shard: 0).max() ?? 0 } }
        XCTAssertGreaterThan(Set(orders).count, 10)
    }

    func testAPureFunctionOfSeedAndStep() throws {
        func sampler(_ seed: UInt64, _ window: Int) throws -> TrainingSampler {
            try TrainingSampler(videos: videos(23), shardCount: 2, batchSize: 4, seed: seed, window: window)
        }
        let (one, late, other) = (try sampler(9, 3), try sampler(9, 3), try sampler(10, 3))
        _ = late.videos(step: 40, shard: 1)
        for step in [0, 1, 5, 39] {
            for shard in 0..<2 { XCTAssertEqual(one.videos(step: step, shard: shard), late.videos(step: step, shard: shard)) }
        }
        XCTAssertNotEqual((0..<6).map { one.videos(step: $0, shard: 0) }, (0..<6).map { other.videos(step: $0, shard: 0) })
        // Without a window: as always.
        let plain = try TrainingSampler(videos: videos(23), shardCount: 2, batchSize: 4, seed: 9), unit = try sampler(9, 1)
        for step in 0..<12 { XCTAssertEqual(plain.videos(step: step, shard: 1), unit.videos(step: step, shard: 1)) }
    }

    /// Rows beyond the crop do not count.
    func testCroppedRecordingsCountTheirCrop() throws {
        let all = [(index: 0, rows: 1000), (index: 1, rows: 900), (index: 2, rows: 60), (index: 3, rows: 50)]
        let sampler = try TrainingSampler(videos: all, shardCount: 2, batchSize: 4, seed: 1, window: 2, longest: 100)
        // 100, 100, 60, 50: a long and a short one each. With 1,000 rows, 0 would stand with the last.
        for step in 0..<6 {
            let shards = (0..<2).map { Set(sampler.videos(step: step, shard: $0)) }
            XCTAssertTrue(shards.allSatisfy { $0.intersection([0, 1]).count == 1 || Set(shards.joined()).count < 4 }, "\(shards)")
        }
    }

    /// Share of the time that ranks compute, on lengths like THUMOS14's (log-normal, mean about 1,200 rows, cut at 2,304).
    func testRanksWaitLess() throws {
        var random = RandomStream(seed: 4, "lengths")
        let all = (0..<400).map { (index: $0, rows: min(2304, max(40, Int(exp(6.85 + 0.8 * random.normal()))))) }
        let rows = Dictionary(uniqueKeysWithValues: all.map { ($0.index, $0.rows) })
        func share(ranks: Int, perRank: Int, window: Int) throws -> Double {
            let sampler = try TrainingSampler(videos: all, shardCount: ranks, batchSize: ranks * perRank, seed: 2, window: window)
            var sum = 0, waited = 0
            for step in 0..<64 {
                let loads = (0..<ranks).map { sampler.videos(step: step, shard: $0).reduce(0) { $0 + (rows[$1] ?? 0) } }
                sum += loads.reduce(0, +)
                waited += ranks * (loads.max() ?? 0)
            }
            return Double(sum) / Double(waited)
        }
        XCTAssertLessThan(try share(ranks: 16, perRank: 1, window: 1), 0.7)
        for ranks in [2, 16, 64] {
            XCTAssertGreaterThan(try share(ranks: ranks, perRank: 1, window: 16), 0.92, "\(ranks) ranks")
            XCTAssertGreaterThan(try share(ranks: ranks, perRank: 2, window: 16), 0.98, "\(ranks) ranks")
        }
    }
}
