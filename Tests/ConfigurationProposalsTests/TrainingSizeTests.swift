import ConfigurationProposals
import XCTest

final class TrainingSizeTests: XCTestCase {
    /// 43 recordings of 1,180 rows: a step of about 2,048 rows has one, at least a recording for each of the two shards; 30 x 43 / 2 = 645 steps.
    func testSizeOfEMGGestures() {
        let size = TrainingSize(recordings: 43, shards: 2, medianRows: 1180, actions: 430)
        XCTAssertEqual(size.batch, 2)
        XCTAssertEqual(size.iterations, 700)
        XCTAssertEqual(size.warmup, 35)
        XCTAssertEqual(size.width, 128)
        XCTAssertEqual(size.learningRate, 1e-3)
    }

    func testBatches() {
        func batch(_ recordings: Int, _ shards: Int, _ rows: Double) -> Int {
            TrainingSize(recordings: recordings, shards: shards, medianRows: rows, actions: 1).batch
        }
        XCTAssertEqual(batch(1, 1, 1), 1)
        XCTAssertEqual(batch(400, 2, 80), 16)
        XCTAssertEqual(batch(400, 3, 80), 15)
        XCTAssertEqual(batch(60, 2, 80), 6)
        XCTAssertEqual(batch(12, 2, 80), 2)
        XCTAssertEqual(batch(400, 8, 2000), 8)
    }

    func testLengths() {
        func iterations(_ recordings: Int) -> Int { TrainingSize(recordings: recordings, shards: 2, medianRows: 2000, actions: 1).iterations }
        XCTAssertEqual(iterations(4), 600)
        XCTAssertEqual(iterations(200), 3000)
        XCTAssertEqual(iterations(201), 3100)
        XCTAssertEqual(iterations(1_000_000), 20_000)
    }

    func testWidths() {
        func width(_ actions: Int) -> Int { TrainingSize(recordings: 10, shards: 2, medianRows: 100, actions: actions).width }
        XCTAssertEqual([0, 499, 500, 4999, 5000].map(width), [128, 128, 256, 256, 512])
    }

    func testShards() {
        XCTAssertEqual(TrainingSize.shards(ranks: 1, recordings: 1), 1)
        XCTAssertEqual(TrainingSize.shards(ranks: 1, recordings: 40), 2)
        XCTAssertEqual(TrainingSize.shards(ranks: 4, recordings: 4), 4)
        XCTAssertNil(TrainingSize.shards(ranks: 4, recordings: 3))
    }

    func testCrops() {
        XCTAssertNil(TrainingSize.maximumRows(longest: 4608, longestAction: 10))
        XCTAssertEqual(TrainingSize.maximumRows(longest: 100_000, longestAction: 10), 4608)
        XCTAssertEqual(TrainingSize.maximumRows(longest: 100_000, longestAction: 2000), 8000)
        XCTAssertEqual(TrainingSize.maximumRows(longest: 5000, longestAction: 5000), 5000)
    }
}
