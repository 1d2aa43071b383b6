import Foundation
import XCTest

/// `launch/thresholds`: what small runs do, in counts that do not depend on the clock.
final class ThresholdTests: CommandTestCase {
    private func thresholds(_ arguments: String...) throws -> Ended {
        try start(root.appendingPathComponent("launch/thresholds"), ["--program", executable.path] + arguments)
    }

    /// Operations, bytes, buffers, allocations and messages of every detector and method, on 1 and 2 ranks.
    func testNoCountIsAboveItsThreshold() throws {
        let ended = try thresholds()
        XCTAssertEqual(ended.code, 0, ended.output + ended.errors)
        XCTAssertTrue(ended.output.hasSuffix(" cases, no count above its threshold\n"), ended.output)
    }

    func testACountAboveItsThresholdIsNamed() throws {
        let kept = try String(contentsOf: root.appendingPathComponent("launch/checks/thresholds.json"), encoding: .utf8)
        let lines = try kept.split(separator: "\n").filter { $0.contains("infer actionformer") }.map { line in
            let number = try XCTUnwrap(line.firstMatch(of: #/"operations":([0-9]+)/#)?.output.1)
            return line.replacingOccurrences(of: "\"operations\":\(number)", with: "\"operations\":1000")
                .replacingOccurrences(of: "\"buffers\":", with: "\"buffers\":9")
        }
        try write("{\n" + lines.joined(separator: "\n") + "\n}\n", "low.json")
        let ended = try thresholds("--thresholds", folder + "/low.json", "--only", "infer actionformer")
        XCTAssertEqual(ended.code, 1, ended.errors)
        XCTAssertTrue(ended.output.contains(#/infer actionformer, 1 rank: operations: [0-9]+, at most 1000 allowed \(\+[0-9.]+ %\)\n/#), ended.output)
        XCTAssertTrue(
            ended.output.contains(#/infer actionformer, 2 ranks: buffers: [0-9]+, fewer than the threshold of 9[0-9]+: write/#), ended.output)
        XCTAssertTrue(ended.output.hasSuffix("2 counts above their thresholds or without one\n"), ended.output)
    }
}
