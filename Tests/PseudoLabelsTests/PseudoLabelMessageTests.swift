import Diagnostics
import PseudoLabels
import RunRecords
import TemporalAnnotations
import XCTest

/// Pseudo-labels as bytes: every fate with every combination of numbers, each in a byte of its own.
final class PseudoLabelMessageTests: XCTestCase {
    private var labels: [PseudoLabel] {
        var result: [PseudoLabel] = []
        for fate in PseudoLabelFate.allCases {
            for parts in 0..<16 {
                let isExact = parts & 8 != 0
                func number(_ value: Double) -> Double { isExact ? value + 1e-12 : value }
                result.append(
                    PseudoLabel(
                        video: VideoID(parts % 3 == 0 ? "b" : "ä"), segment: Segment(start: 0.1, end: 2), label: parts, score: number(0.5),
                        classScore: 0.25, tIoU: parts & 1 == 0 ? nil : 0.75, tND: parts & 2 == 0 ? nil : number(0.125),
                        similarity: parts & 4 == 0 ? nil : 1, fate: fate))
            }
        }
        return result
    }

    private func decoded(_ bytes: [UInt8]) throws -> [PseudoLabel] {
        let message = try PseudoLabelMessage(bytes)
        var result: [PseudoLabel] = []
        for run in message.runs { try message.decode(run, into: &result) }
        return result
    }

    func testEveryFateAndEveryNumber() throws {
        XCTAssertEqual(try decoded(PseudoLabelMessage.encode(labels[...])), labels)
        XCTAssertEqual(Set(labels.map(\.fate)), Set(PseudoLabelFate.allCases))
        // A label with all numbers, beside the name's length, the name and the count.
        let one = labels.filter { $0.label == 7 }.prefix(1)
        XCTAssertEqual(PseudoLabelMessage.encode(one).count, 4 + 2 + 4 + 42)
    }

    /// The second byte of a label is its fate alone: one that is none is refused, as are flags that no label has.
    func testBytesThatNoLabelHas() throws {
        let label = PseudoLabel(video: "v", segment: Segment(start: 0, end: 1), label: 0, score: 0.5, classScore: 0.5, fate: .rejected)
        var bytes = PseudoLabelMessage.encode([label])
        let flags = 4 + 1 + 4, fate = flags + 1
        XCTAssertEqual(Array(bytes[flags...fate]), [0, 3])
        func refused(_ what: String, line: UInt = #line) {
            XCTAssertThrowsError(try decoded(bytes), line: line) {
                XCTAssertEqual(
                    "\($0)", "error: a message of pseudo-labels has \(what), which no label has\n  do: start the same program on every rank",
                    line: line)
            }
        }
        bytes[fate] = 4
        refused("the fate 4")
        bytes[fate] = 255
        refused("the fate 255")
        bytes[fate] = 0
        XCTAssertEqual(try decoded(bytes)[0].fate, .positive)
        bytes[flags] = 16
        refused("flags 16")
    }
}
