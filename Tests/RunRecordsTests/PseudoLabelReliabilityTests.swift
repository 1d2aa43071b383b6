import Diagnostics
import Foundation
import RunRecords
import TemporalAnnotations
import XCTest

/// Curves on cases small enough to be worked out by hand.
final class PseudoLabelReliabilityTests: XCTestCase {
    private typealias Bin = PseudoLabelReliability.Bin

    private func label(
        _ video: VideoID, _ start: Double, _ end: Double, _ label: Int, score: Double, classScore: Double = 0.5, tIoU: Double? = nil,
        tND: Double? = nil, similarity: Double? = nil, _ fate: PseudoLabelFate = .rejected
    ) -> PseudoLabel {
        PseudoLabel(
            video: video, segment: Segment(start: start, end: end), label: label, score: score, classScore: classScore, tIoU: tIoU, tND: tND,
            similarity: similarity, fate: fate)
    }

    private let truth = [
        VideoAnnotation(
            id: "a", subset: "Validation", duration: 100, fps: nil,
            instances: [
                ActionInstance(segment: Segment(start: 0, end: 10), label: 0), ActionInstance(segment: Segment(start: 20, end: 30), label: 1),
            ]),
        VideoAnnotation(id: "empty", subset: "Validation", duration: 100, fps: nil, instances: []),
    ]

    func testCurves() {
        let labels = [
            label("a", 0, 10, 0, score: 0.9, classScore: 1, tIoU: 0.5, tND: 0.25),
            // tIoU 1/2 is not above it; middles 2.5 apart, extent 10.
            label("a", 0, 5, 0, score: 0.7, classScore: 0.75, tIoU: 0.25, tND: 0.5, .positive),
            label("a", 20, 30, 0, score: 0.2, classScore: 0.6, tIoU: 1, tND: 0, .removed),
            label("a", 50, 60, 1, score: 0.1, classScore: 0.1, tIoU: 0, tND: 1), label("empty", 0, 1, 0, score: 0.5, classScore: 0.3),
            label("unknown", 0, 1, 0, score: 0.5),
        ]
        let found = PseudoLabelReliability(labels: labels, truth: truth, bins: 2)
        XCTAssertEqual(
            found.score, [Bin(count: 2, claimed: (0.2 + 0.1) / 2, observed: 0), Bin(count: 3, claimed: (0.9 + 0.7 + 0.5) / 3, observed: 1.0 / 3)])
        XCTAssertEqual(
            found.classScore, [Bin(count: 2, claimed: (0.1 + 0.3) / 2, observed: 0), Bin(count: 3, claimed: (1 + 0.75 + 0.6) / 3, observed: 2.0 / 3)])
        XCTAssertEqual(found.tIoU, [Bin(count: 2, claimed: 0.125, observed: 0.25), Bin(count: 2, claimed: 0.75, observed: 1)])
        XCTAssertEqual(found.tND, [Bin(count: 2, claimed: 0.125, observed: 0), Bin(count: 2, claimed: 0.75, observed: (0.0625 + 1) / 2)])
        XCTAssertNil(found.similarityAUC)
        XCTAssertEqual(PseudoLabelReliability.calibrationError(found.tIoU) ?? 0, (2 * 0.125 + 2 * 0.25) / 4, accuracy: 1e-15)
        let nothing = PseudoLabelReliability(labels: [label("unknown", 0, 1, 0, score: 1)], truth: truth)
        XCTAssertEqual(nothing, PseudoLabelReliability())
        XCTAssertNil(PseudoLabelReliability.calibrationError(nothing.score))
        let claims = PseudoLabelReliability(labels: [label("a", 0, 10, 0, score: 1), label("a", 0, 10, 0, score: 0)], truth: truth)
        XCTAssertEqual(claims.score.map(\.count), [1, 0, 0, 0, 0, 0, 0, 0, 0, 1])
    }

    /// Against all pairs.
    func testSimilarity() {
        var state: UInt64 = 7
        func next(_ below: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % below
        }
        for count in [2, 3, 7, 40] {
            for _ in 0..<20 {
                let labels = (0..<count).map { _ in label("a", 0, 10, next(2), score: 0.5, similarity: Double(next(5)) / 4) }
                let right = labels.filter { $0.label == 0 }.compactMap(\.similarity), wrong = labels.filter { $0.label == 1 }.compactMap(\.similarity)
                let found = PseudoLabelReliability(labels: labels, truth: truth).similarityAUC
                guard !right.isEmpty, !wrong.isEmpty else {
                    XCTAssertNil(found)
                    continue
                }
                let sum = right.reduce(0.0) { sum, a in wrong.reduce(sum) { $0 + (a > $1 ? 1 : a == $1 ? 0.5 : 0) } }
                XCTAssertEqual(found ?? -1, sum / Double(right.count * wrong.count), accuracy: 1e-12)
            }
        }
    }

    func testInTheFile() throws {
        let path = NSTemporaryDirectory() + "kairos-reliability-\(UUID().uuidString).json"
        defer { try? FileManager.default.removeItem(atPath: path) }
        let labels = [
            label("a", 0, 10, 0, score: 0.9, tIoU: 0.5, tND: 0.25, similarity: 0.5), label("a", 20, 30, 0, score: 0.3, similarity: 0.25),
        ]
        let classes = ClassMap(names: ["run", "jump"])
        let file = PseudoLabelFile(
            round: 1, labels: labels, thresholds: PseudoLabelThresholds(theta: 0.5),
            reliability: PseudoLabelReliability(labels: labels, truth: truth))
        XCTAssertEqual(file.reliability?.similarityAUC, 1)
        try file.write(classes: classes, to: path)
        XCTAssertEqual(try PseudoLabelFile(path: path, classes: classes), file)
        let text = try String(contentsOfFile: path, encoding: .utf8)
        XCTAssertTrue(text.contains("\"P_tiou\": [[0, 0.0, 0.0], "), text)
        try text.replacingOccurrences(of: "[0, 0.0, 0.0]", with: "[0.5, 0.0, 0.0]").write(toFile: path, atomically: false, encoding: .utf8)
        XCTAssertThrowsError(try PseudoLabelFile(path: path, classes: classes)) {
            XCTAssertTrue(
                "\($0)".hasPrefix("error: 'reliability' in 'external_data' is an object, not an object of lists of [count, claimed, observed]\n"),
                "\($0)")
        }
    }
}
