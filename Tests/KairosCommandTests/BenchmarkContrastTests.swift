import Foundation
import XCTest

/// `benchmark contrast` as a user starts it.
final class BenchmarkContrastTests: CommandTestCase {
    private let small = ["--frames", "8", "--columns", "6", "--width", "10", "--repetitions", "1"]

    func testSizesDoNotGrowAboveTheCaps() throws {
        let report = try object(
            try start(executable, ["benchmark", "contrast", "--recordings", "2,8,32,2048", "--global-frames", "64", "--json"] + small))
        let sizes = try XCTUnwrap(report["sizes"] as? [[String: Any]])
        func numbers(_ name: String) -> [Int?] { sizes.map { $0[name] as? Int } }
        XCTAssertEqual(numbers("recordings"), [2, 8, 32, 2048])
        XCTAssertEqual(numbers("rows"), [16, 64, 256, 16_384])
        XCTAssertEqual(numbers("drawn"), [16, 64, 64, 64])
        XCTAssertEqual(numbers("clusters"), [4, 16, 16, 16])
        XCTAssertEqual(numbers("messages")[0], 0)
        XCTAssertEqual(numbers("bytes")[0], 0)
        // One rank of 1,024: what travels is near its limit, messages grow with the logarithm of the ranks.
        let bytes = numbers("bytes").compactMap { $0 }, messages = numbers("messages").compactMap { $0 }
        XCTAssertGreaterThan(bytes[1], 0)
        // Losses and counts of 1,024 ranks, a number each.
        XCTAssertLessThan(bytes[3] - 4 * 8 * 1_024, 2 * bytes[1])
        XCTAssertLessThanOrEqual(messages[3], 5 * messages[1] + 50)
        for size in sizes {
            XCTAssertGreaterThan(try XCTUnwrap(size["seconds"] as? Double), 0)
            XCTAssertGreaterThanOrEqual(try XCTUnwrap(size["peak_mib"] as? Double), 0)
        }
        let all = try object(
            try start(executable, ["benchmark", "contrast", "--recordings", "32", "--global-frames", "0", "--clusters", "5", "--json"] + small))
        let size = try XCTUnwrap((all["sizes"] as? [[String: Any]])?.first)
        XCTAssertEqual(size["drawn"] as? Int, 256)
        XCTAssertEqual(size["clusters"] as? Int, 5)
    }

    func testTextAndErrors() throws {
        let text = try start(executable, ["benchmark", "contrast", "--recordings", "2,4"] + small)
        XCTAssertEqual(text.code, 0, text.errors)
        XCTAssertEqual(text.output.split(separator: "\n").count, 4, text.output)
        XCTAssertTrue(text.output.hasPrefix("2 recordings of 8 frames per rank, 6 input features, embeddings of 10, 1 threads\n"), text.output)
        for (options, message) in [
            (["--recordings", "2,3"], "--recordings must be multiples of --per-rank (2), separated by commas, not '2,3'"),
            (["--recordings", "2,,4"], "--recordings must be multiples of --per-rank (2), separated by commas, not '2,,4'"),
            (["--per-rank", "0"], "--per-rank must be at least 1, not 0"), (["--clusters", "1"], "--clusters must be at least 2, not 1"),
            (["--recordings", "33554432"], "--recordings must be at most 16777216, not 33554432"),
        ] {
            let wrong = try start(executable, ["benchmark", "contrast"] + options)
            XCTAssertEqual(wrong.code, 2)
            XCTAssertTrue(wrong.errors.contains(message), wrong.errors)
        }
        let two = try mpirun(2, ["benchmark", "contrast"])
        XCTAssertEqual(two.code, 2)
        XCTAssertTrue(two.errors.contains("error: 'kairos benchmark contrast' works on one rank, 2 were started"), two.errors)
    }
}
