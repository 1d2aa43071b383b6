import Diagnostics
import Foundation
import XCTest

final class TimelineTests: XCTestCase {
    func testCoveredTime() {
        XCTAssertEqual(Timeline.covered([]), 0)
        XCTAssertEqual(Timeline.covered([(5, 9), (1, 3), (2, 4), (6, 7)]), 7)
        XCTAssertEqual(Timeline.covered([(1, 2), (2, 3), (1, 3)]), 2)
    }

    /// A step by hand, in milliseconds.
    private func recorded(mostEvents: Int = 100) -> Timeline {
        var time: UInt64 = 0
        let timeline = Timeline(rank: 3, host: "node \"7\"", mostEvents: mostEvents) { time * 1_000_000 }
        timeline.during(.activity(.readingFile)) { time += 5 }
        timeline.beginStep(1)
        timeline.during(.forward) { time += 10 }
        var sent: UInt64 = 0
        timeline.during(.backward) {
            time += 4
            sent = time
            timeline.during(.moving) { time += 1 }
            time += 5
        }
        timeline.during(.gradientWait, 0) {
            timeline.during(.activity(.wait), 1) { time += 10 }
        }
        timeline.transferred(bucket: 0, round: "pieces", from: sent * 1_000_000)
        timeline.during(.optimizer) { time += 2 }
        time += 3
        timeline.endStep()
        return timeline
    }

    func testSummary() throws {
        let summary = recorded().summary
        XCTAssertEqual(summary.steps, 1)
        for (found, expected) in [
            (summary.seconds, 35.0), (summary.secondsForward, 10), (summary.secondsBackward, 9), (summary.secondsRanks, 11), (summary.secondsData, 0),
            (summary.secondsOptimizer, 2), (summary.secondsTransfer, 16), (summary.secondsExposed, 11),
        ] { XCTAssertEqual(found, expected * 1e-3, accuracy: 1e-12) }
        XCTAssertEqual(try XCTUnwrap(summary.hidden), 5.0 / 16, accuracy: 1e-12)
        XCTAssertNil(Timeline.Summary().hidden)
        XCTAssertEqual(summary.since(Timeline.Summary()), summary)
        XCTAssertEqual(summary.since(summary), Timeline.Summary())
    }

    func testTrace() throws {
        let object = try XCTUnwrap(JSONSerialization.jsonObject(with: recorded().traceJSON()) as? [String: Any])
        let events = try XCTUnwrap(object["traceEvents"] as? [[String: Any]])
        func all(_ phase: String) -> [[String: Any]] { events.filter { $0["ph"] as? String == phase } }
        XCTAssertEqual((all("M").first?["args"] as? [String: Any])?["name"] as? String, "rank 3 on node \"7\"")
        XCTAssertEqual(
            all("X").map { $0["name"] as? String },
            ["reading a file", "forward", "backward", "moving messages", "waiting for gradients", "MPI_Wait for rank 1", "optimiser"])
        XCTAssertEqual(all("X").map { $0["ts"] as? Double }, [0, 5_000, 15_000, 19_000, 25_000, 25_000, 35_000])
        XCTAssertEqual(all("X").map { $0["dur"] as? Double }, [5_000, 10_000, 10_000, 1_000, 10_000, 10_000, 2_000])
        XCTAssertEqual(Set(all("X").map { $0["pid"] as? Int }), [3])
        XCTAssertEqual(all("b").map { $0["name"] as? String }, ["bucket 0: pieces"])
        XCTAssertEqual(all("b").map { $0["ts"] as? Double }, [19_000])
        XCTAssertEqual(all("e").map { $0["ts"] as? Double }, [35_000])
    }

    /// The file has room for so many events; steps beyond still count.
    func testFullFile() throws {
        let timeline = recorded(mostEvents: 3)
        XCTAssertEqual(timeline.droppedSteps, 1)
        XCTAssertEqual(timeline.summary.seconds, 0.035, accuracy: 1e-12)
        let object = try XCTUnwrap(JSONSerialization.jsonObject(with: timeline.traceJSON()) as? [String: Any])
        let events = try XCTUnwrap(object["traceEvents"] as? [[String: Any]])
        XCTAssertEqual(events.filter { $0["ph"] as? String == "X" }.map { $0["name"] as? String }, ["reading a file"])
    }

    /// Off, nothing is kept and everything is done.
    func testOff() throws {
        XCTAssertNil(Timeline.current)
        XCTAssertEqual(Timeline.during(.forward) { 7 }, 7)
        Timeline.start(rank: 0, host: "h")
        defer { Timeline.stop() }
        Timeline.current?.beginStep(1)
        XCTAssertEqual(Timeline.during(.forward) { 7 }, 7)
        // Another thread's doing is not this timeline's.
        let done = expectation(description: "other thread")
        Thread.detachNewThread {
            Timeline.during(.backward) {}
            done.fulfill()
        }
        wait(for: [done], timeout: 120)
        Timeline.current?.endStep()
        let text = String(decoding: try XCTUnwrap(Timeline.current).traceJSON(), as: UTF8.self)
        XCTAssertTrue(text.contains("\"forward\"") && !text.contains("\"backward\""), text)
    }
}
