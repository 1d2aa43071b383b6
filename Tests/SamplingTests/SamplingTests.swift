import Detectors
import Diagnostics
import Foundation
import RandomStreams
import Sampling
import TemporalAnnotations
import XCTest

final class SamplingTests: XCTestCase {
    private func videos(_ count: Int) -> [(index: Int, rows: Int)] { (0..<count).map { (index: 100 + $0, rows: 10 + $0 * 37 % 200) } }

    /// Every recording belongs to one shard, and each shard shows each of its recordings once per epoch of its own.
    func testEachVideoOncePerEpoch() throws {
        for (count, shards, batch) in [(42, 2, 2), (4, 2, 2), (17, 4, 8), (9, 3, 3), (5, 1, 2)] {
            let sampler = try TrainingSampler(videos: videos(count), shardCount: shards, batchSize: batch, seed: 5)
            XCTAssertEqual(sampler.shards.flatMap { $0 }.sorted(), Array(100..<100 + count))
            for shard in 0..<shards {
                let own = sampler.shards[shard]
                let steps = 6 * own.count
                let drawn = (0..<steps).flatMap { sampler.videos(step: $0, shard: shard) }
                XCTAssertEqual(drawn.count, steps * batch / shards)
                for epoch in 0..<drawn.count / own.count {
                    XCTAssertEqual(
                        Array(drawn[epoch * own.count..<(epoch + 1) * own.count]).sorted(), own.sorted(),
                        "\(count) videos, shard \(shard), epoch \(epoch)")
                }
            }
        }
    }

    /// Sizes of shards differ by at most one, and their rows by no more than the longest recording.
    func testShardsAreBalanced() throws {
        let all = videos(43)
        let rows = Dictionary(uniqueKeysWithValues: all.map { ($0.index, $0.rows) })
        let sampler = try TrainingSampler(videos: all, shardCount: 4, batchSize: 4, seed: 1)
        let counts = sampler.shards.map(\.count)
        XCTAssertLessThanOrEqual(counts.max()! - counts.min()!, 1)
        let sums = sampler.shards.map { $0.reduce(0) { $0 + rows[$1]! } }
        XCTAssertLessThanOrEqual(sums.max()! - sums.min()!, all.map(\.rows).max()!)
    }

    /// A step's recordings depend on nothing but seed, shard and step.
    func testPositionIsAFunctionOfTheStep() throws {
        let one = try TrainingSampler(videos: videos(11), shardCount: 2, batchSize: 4, seed: 9)
        let late = try TrainingSampler(videos: videos(11), shardCount: 2, batchSize: 4, seed: 9)
        let wanted = (0..<40).map { one.videos(step: $0, shard: 1) }
        for step in (0..<40).reversed() { XCTAssertEqual(late.videos(step: step, shard: 1), wanted[step]) }
        let other = try TrainingSampler(videos: videos(11), shardCount: 2, batchSize: 4, seed: 10)
        XCTAssertNotEqual((0..<40).map { other.videos(step: $0, shard: 1) }, wanted)
        XCTAssertNotEqual(wanted[0...2].flatMap { $0 }, wanted[3...5].flatMap { $0 })
    }

    func testShardWithoutVideos() {
        XCTAssertThrowsError(try TrainingSampler(videos: videos(2), shardCount: 4, batchSize: 4, seed: 0)) { error in
            guard let failure = error as? Failure else { return XCTFail("\(error)") }
            XCTAssertTrue(failure.what.hasPrefix("2 training recordings are too few for 4 virtual shards: 2 would have none ("), failure.what)
            XCTAssertEqual(failure.places, [.key("data.virtual_shards")])
            XCTAssertEqual(failure.advice, "use at most 2 virtual shards, or label more recordings")
            XCTAssertEqual(failure.exitCode, 3)
        }
    }

    func testStepsPerEpoch() throws {
        XCTAssertEqual(try TrainingSampler(videos: videos(200), shardCount: 2, batchSize: 2, seed: 0).stepsPerEpoch, 100)
        XCTAssertEqual(try TrainingSampler(videos: videos(5), shardCount: 2, batchSize: 2, seed: 0).stepsPerEpoch, 2)
        XCTAssertEqual(try TrainingSampler(videos: videos(2), shardCount: 2, batchSize: 8, seed: 0).stepsPerEpoch, 1)
    }

    func testLabeledFractions() throws {
        let names = (0..<42).map { "exp\($0)" }
        for (fraction, count) in [(0.1, 4), (0.2, 8), (0.4, 17), (0.6, 25), (1.0, 42), (0.001, 1)] {
            XCTAssertEqual(try LabeledSubset.choose(names, fraction: fraction, order: nil, seed: 3).count, count)
        }
        let order = ["exp7", "exp3", "exp41", "exp0", "exp1"]
        XCTAssertEqual(try LabeledSubset.choose(names, fraction: 0.1, order: order, seed: 3), [7, 3, 41, 0])
        // A drawn order grows: fewer labels are the beginning of more.
        let few = try LabeledSubset.choose(names, fraction: 0.1, order: nil, seed: 3)
        XCTAssertEqual(Array(try LabeledSubset.choose(names, fraction: 0.4, order: nil, seed: 3).prefix(4)), few)
        XCTAssertNotEqual(try LabeledSubset.choose(names, fraction: 0.1, order: nil, seed: 4), few)
    }

    func testBadLabeledOrders() throws {
        let names = ["a1", "a2", "a3", "a4"]
        func refused(_ order: [String], _ expected: String, line: UInt = #line) {
            XCTAssertThrowsError(try LabeledSubset.choose(names, fraction: 0.5, order: order, seed: 0, file: "o.json"), line: line) {
                XCTAssertEqual("\($0)", expected, line: line)
            }
        }
        refused(
            ["a1"],
            """
            error: the list names 1 recordings, 2 of 4 are to be labelled
              where: file 'o.json', key 'data.labeled_order'
              do: give a longer list or a smaller data.labeled_fraction
            """)
        refused(
            ["a1", "a5"],
            """
            error: the recording is not among the store's 4 training recordings
              where: file 'o.json', video 'a5'
              do: name recordings of the training subset; the nearest is 'a1'
            """)
        refused(
            ["a1", "a1"],
            """
            error: the recording stands in the list twice
              where: file 'o.json', video 'a1'
              do: remove one of the two
            """)
        let path = NSTemporaryDirectory() + "kairos-order-\(UUID().uuidString).json"
        defer { try? FileManager.default.removeItem(atPath: path) }
        for (text, what, place) in [
            ("{\"a\": 1}", "the list of labelled recordings is an object, not a list of names", "line 1, column 1"),
            ("[\"a\",\n7]", "entry 2 of the list of labelled recordings is a number (7), not a name", "line 2"),
        ] {
            try Data(text.utf8).write(to: URL(fileURLWithPath: path))
            XCTAssertThrowsError(try LabeledSubset.readOrder(path)) { error in
                XCTAssertEqual(
                    "\(error)",
                    """
                    error: \(what)
                      where: file '\(path)', key 'data.labeled_order', \(place)
                      do: write it as ["name", "name", ...]
                    """)
            }
        }
        try Data("[\"a\", b]".utf8).write(to: URL(fileURLWithPath: path))
        XCTAssertThrowsError(try LabeledSubset.readOrder(path)) { error in
            XCTAssertEqual(
                "\(error)",
                """
                error: the file is not JSON: 'b' is no JSON value
                  where: file '\(path)', key 'data.labeled_order', line 1, column 7
                  do: check that the path is right and that the file was copied whole
                """)
        }
        try Data("[\"b\", \"a\"]".utf8).write(to: URL(fileURLWithPath: path))
        XCTAssertEqual(try LabeledSubset.readOrder(path), ["b", "a"])
    }

    func testCropsKeepActionsAndCountFromTheirStart() {
        let instances = [
            GridInstance(segment: GridSegment(start: 20, end: 30), label: 1), GridInstance(segment: GridSegment(start: 80, end: 120), label: 2),
        ]
        let cropping = Cropping(maximumRows: 50, keptPart: 0.5, ratio: nil)
        var starts = Set<Int>()
        for step in 0..<200 {
            var random = RandomStream(seed: 1, "crop", 0, step)
            let crop = cropping.crop(rows: 200, instances: instances, halfWindow: 2, random: &random)
            XCTAssertEqual(crop.rows.count, 50)
            XCTAssertGreaterThanOrEqual(crop.rows.lowerBound, 0)
            XCTAssertLessThanOrEqual(crop.rows.upperBound, 200)
            XCTAssertFalse(crop.instances.isEmpty)
            starts.insert(crop.rows.lowerBound)
            for original in instances {
                let start = max(original.segment.start, Float(crop.rows.lowerBound) - 2),
                    end = min(original.segment.end, Float(crop.rows.upperBound) + 2)
                let kept = crop.instances.first { $0.label == original.label }
                XCTAssertEqual(kept != nil, (end - start) / original.segment.length >= 0.5)
                if let kept {
                    XCTAssertEqual(kept.segment, GridSegment(start: start - Float(crop.rows.lowerBound), end: end - Float(crop.rows.lowerBound)))
                }
            }
        }
        XCTAssertGreaterThan(starts.count, 40)
    }

    func testShortRecordingsAreCroppedByRatioAlone() {
        var random = RandomStream(seed: 1, "crop")
        let whole = Cropping(maximumRows: 50, keptPart: 0.5, ratio: nil).crop(rows: 50, instances: [], halfWindow: 0, random: &random)
        XCTAssertEqual(whole.rows, 0..<50)
        let lengths = (0..<300).map { _ in
            Cropping(maximumRows: 500, keptPart: 0.5, ratio: [0.9, 1]).crop(rows: 100, instances: [], halfWindow: 0, random: &random).rows.count
        }
        XCTAssertEqual(Set(lengths), Set(90...100))
    }
}
