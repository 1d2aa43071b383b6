import Diagnostics
import TemporalAnnotations
import XCTest

final class ClassSelectionTests: XCTestCase {
    private let all = ClassMap(names: ["walk", "sit", "stand"])

    func testOtherActionsBecomeBackground() throws {
        func instance(_ label: Int) -> ActionInstance { ActionInstance(segment: Segment(start: Double(label), end: 9), label: label) }
        let videos = [[0, 1, 2, 0], [1], []].enumerated().map { index, labels in
            VideoAnnotation(id: VideoID("v\(index)"), subset: "Test", duration: 9, fps: nil, instances: labels.map(instance))
        }
        var selection = try ClassSelection(["stand", "walk"], among: all)
        let selected = selection.select(AnnotationSet(version: "1", classes: all, videos: videos, notes: ["n"]))
        XCTAssertEqual(selected.classes.names, ["stand", "walk"])
        XCTAssertEqual(selected.videos.map { $0.instances.map(\.label) }, [[1, 0, 1], [], []])
        XCTAssertEqual(selected.videos[0].instances.map(\.segment.start), [0, 2, 0])
        XCTAssertEqual([selection.backgroundInstances, selection.backgroundClasses], [2, 1])
        XCTAssertEqual(selected.notes, ["n"])
    }

    func testUnknownNames() {
        func refuses(_ names: [String], among classes: ClassMap, _ expected: String, line: UInt = #line) {
            XCTAssertThrowsError(try ClassSelection(names, among: classes), line: line) { error in
                XCTAssertEqual("\(error)", expected, line: line)
                XCTAssertEqual((error as? Failure)?.exitCode, 2, line: line)
            }
        }
        refuses(
            ["walk", "Sit"], among: all,
            "error: --classes names 'Sit', which the data do not have; their classes are walk, sit, stand\n  do: did you mean 'sit'?")
        refuses(
            ["swimming"], among: all,
            "error: --classes names 'swimming', which the data do not have; their classes are walk, sit, stand\n  do: choose among these classes")
        refuses(["sit", "sit"], among: all, "error: --classes names 'sit' twice\n  do: name every class once")
        refuses(
            ["a"], among: ClassMap(names: (10..<40).map { "class \($0)" }),
            "error: --classes names 'a', which the data do not have; their classes are "
                + (10..<30).map { "class \($0)" }.joined(separator: ", ") + " and 10 more\n  do: choose among these classes")
        refuses(
            ["a"], among: ClassMap(names: []),
            "error: --classes names 'a', which the data do not have; their classes are none\n  do: choose among these classes")
    }
}
