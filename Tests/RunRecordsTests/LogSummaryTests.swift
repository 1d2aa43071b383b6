import Foundation
import RunRecords
import XCTest

/// Numbers computed by hand.
final class LogSummaryTests: XCTestCase {
    func testStages() {
        func record(_ step: Int, _ stage: String?, _ loss: Double) -> StepRecord {
            StepRecord(
                step: step, epoch: 0, stage: stage, loss: ["total": loss], learningRate: 0, gradientNorm: 0, lossNormalizer: 0, videosPerSecond: 0,
                secondsCompute: 1, secondsWaitingData: 0.5, secondsWaitingMPI: 0.25)
        }
        XCTAssertEqual(
            StageSpan.spans([record(5, "a", 3), record(10, "a", 2), record(12, "b", 1)]),
            [StageSpan(name: "a", steps: 0...10, seconds: 3.5, loss: 2), StageSpan(name: "b", steps: 10...12, seconds: 1.75, loss: 1)])
        XCTAssertEqual(StageSpan.spans([record(1, nil, 3)]).map(\.name), [""])
        XCTAssertEqual(StageSpan.spans([]), [])
    }

    /// Inner events count for themselves, not for the outer ones.
    func testRankShares() throws {
        let path = NSTemporaryDirectory() + "kairos-trace-\(UUID().uuidString).json"
        defer { try? FileManager.default.removeItem(atPath: path) }
        func event(_ name: String, _ category: String, _ step: Int, _ begin: Int, _ duration: Int) -> String {
            #"{"ph":"X","name":"\#(name)","cat":"\#(category)","pid":0,"tid":0,"ts":\#(begin),"dur":\#(duration),"args":{"step":\#(step)}}"#
        }
        let events = [
            event("reading", "files", 0, 0, 500), event("forward", "compute", 1, 1000, 40), event("backward", "compute", 1, 1040, 50),
            event("moving messages", "waiting", 1, 1050, 10), event("optimiser", "compute", 1, 1090, 10),
        ]
        let head = #"{"ph":"M","name":"process_name","pid":0,"args":{"name":"rank 0 on a"}}"#
        try Data("{\"traceEvents\": [\(([head] + events).joined(separator: ", "))]}".utf8).write(to: URL(fileURLWithPath: path))
        let shares = try XCTUnwrap(RankShares(try TimelineTrace(path: path)))
        XCTAssertEqual(shares.seconds, 100e-6, accuracy: 1e-12)
        for (share, expected) in zip(shares.shares, [0.4, 0.4, 0.1, 0, 0, 0.1, 0]) { XCTAssertEqual(share, expected, accuracy: 1e-9) }
    }
}
