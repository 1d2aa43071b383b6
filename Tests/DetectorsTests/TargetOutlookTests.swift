import Detectors
import PyramidDetectors
import RandomStreams
import TemporalAnnotations
import XCTest

/// What can be learnt of an action, said before training: by the rule that assigns targets.
final class TargetOutlookTests: XCTestCase {
    private func instance(_ start: Float, _ end: Float, _ label: Int = 0) -> GridInstance {
        GridInstance(segment: GridSegment(start: start, end: end), label: label)
    }

    /// An action has an obstacle exactly when no point gets its class.
    func testOutlookIsWhatIsAssigned() {
        let ranges: [[ClosedRange<Float>]] = [
            [0...4, 4...8, 8...16, 16...10000], [0...3, 6...9, 30...50], [0...10000], [5...6, 5...6], [16...64, 0...2, 1...20, 0...10000],
        ]
        var random = RandomStream(seed: 3, "outlook")
        var blocked = 0, free = 0
        for trial in 0..<600 {
            let rows = 1 + random.uniformIndex(below: 70), count = 1 + random.uniformIndex(below: 6)
            let instances = (0..<count).map { label -> GridInstance in
                let start = Float(rows) * (1.4 * random.uniform() - 0.2), scale: Float = label % 2 == 0 ? 3 : 40
                // Every fourth trial on whole and half rows, where ends meet points.
                let snapped = trial % 4 == 0, length = scale * random.uniform()
                return snapped
                    ? instance((2 * start).rounded() / 2, (2 * start).rounded() / 2 + (2 * length).rounded() / 2, label)
                    : instance(start, start + length, label)
            }
            let assigner = CenterSamplingAssigner(
                classes: count, regressionRanges: ranges[trial % ranges.count], sampling: trial % 3 == 0 ? .none : .radius,
                radius: [0.2, 1.5, 4][trial % 3])
            let points = PyramidPoints(rows: [rows], levels: assigner.regressionRanges.count)
            let targets = assigner.assign(points, instances: [instances])
            for index in instances.indices {
                let isLearnt = (0..<points.count).contains { targets.classes[$0 * count + index] == 1 }
                let outlook = assigner.outlook(of: index, among: instances, rows: rows)
                XCTAssertEqual(outlook.obstacle == nil, isLearnt, "trial \(trial), \(instances[index]) of \(instances), \(rows) rows")
                if isLearnt { free += 1 } else { blocked += 1 }
            }
        }
        XCTAssertGreaterThan(blocked, 300)
        XCTAssertGreaterThan(free, 300)
    }

    func testObstacles() {
        let assigner = CenterSamplingAssigner(classes: 1, regressionRanges: [0...4, 4...8, 8...16])
        func obstacle(_ start: Float, _ end: Float, rows: Int, _ assigner: CenterSamplingAssigner) -> TargetObstacle? {
            assigner.outlook(of: 0, among: [instance(start, end)], rows: rows).obstacle
        }
        XCTAssertNil(obstacle(2.5, 5.5, rows: 8, assigner))
        XCTAssertEqual(obstacle(-31.5, -24.5, rows: 8, assigner), .outsideRows)
        XCTAssertEqual(obstacle(7, 12, rows: 8, assigner), .outsideRows, "the end of the last row's position does not count")
        XCTAssertEqual(obstacle(2.1, 2.9, rows: 8, assigner), .betweenRows)
        XCTAssertEqual(obstacle(-0.9, -0.3, rows: 8, assigner), .betweenRows, "within the first row, before its middle")
        XCTAssertEqual(obstacle(-5.9, -5.3, rows: 8, assigner), .outsideRows)
        XCTAssertEqual(obstacle(0.5, 60.5, rows: 80, assigner), .regressionRange)
        let gap = CenterSamplingAssigner(classes: 1, regressionRanges: [0...4, 16...32], sampling: .none)
        XCTAssertEqual(obstacle(3, 13, rows: 80, gap), .regressionRange, "5 to 10 rows")
        let late = CenterSamplingAssigner(classes: 1, regressionRanges: [1000...2000, 1000...2000, 0...1000], sampling: .none)
        XCTAssertEqual(obstacle(4.5, 7.5, rows: 80, late), .betweenPoints, "the third level has points at 4 and 8")
        XCTAssertEqual(obstacle(1.5, 4.5, rows: 4, late), .betweenPoints, "a short recording has one point of the third level")
        let near = CenterSamplingAssigner(classes: 1, regressionRanges: [0...100], radius: 0.25)
        XCTAssertEqual(obstacle(2, 5, rows: 8, near), .centerSampling)
        XCTAssertNil(obstacle(2, 5.9, rows: 8, near))
        let ends = CenterSamplingAssigner(classes: 1, regressionRanges: [7...9], radius: 1.5)
        XCTAssertEqual(obstacle(0, 10, rows: 12, ends), .centerSampling, "its ends' points are in range, its middle's are not")
    }

    func testShorterActionsTakePoints() {
        let assigner = CenterSamplingAssigner(classes: 2, regressionRanges: [0...100], radius: 1)
        let nested = [instance(1.5, 8.5, 0), instance(3.5, 6.5, 1)]
        XCTAssertEqual(assigner.outlook(of: 0, among: nested, rows: 12).obstacle, .shorterActions)
        XCTAssertNil(assigner.outlook(of: 1, among: nested, rows: 12).obstacle)
        let twins = [instance(3.5, 6.5, 0), instance(3.5, 6.5005, 1)]
        for index in 0..<2 { XCTAssertNil(assigner.outlook(of: index, among: twins, rows: 12).obstacle, "nearly equal ones share") }
    }

    /// Two bins from the middle of ten rows: 4 of 10.
    func testReachOfBins() {
        let assigner = CenterSamplingAssigner(classes: 1, regressionRanges: [0...100])
        func reach(_ end: Float, _ bins: Float?) -> Float {
            assigner.outlook(of: 0, among: [instance(0, end)], rows: 40, farthestEnd: bins).reach
        }
        XCTAssertEqual(reach(10, 2), 0.4, accuracy: 1e-6)
        XCTAssertEqual(reach(10, 5), 1)
        XCTAssertEqual(reach(10, nil), 1)
        // A level of twice the stride reaches twice as far.
        let two = CenterSamplingAssigner(classes: 1, regressionRanges: [0...100, 0...100])
        XCTAssertEqual(two.outlook(of: 0, among: [instance(0, 10)], rows: 40, farthestEnd: 2).reach, 0.8, accuracy: 1e-6)

        var triDet = TriDetConfiguration(inputDimension: 4, classes: 2)
        triDet.bins = 7
        XCTAssertEqual(triDet.farthestEnd, 7)
        triDet.tridentHead = false
        XCTAssertNil(triDet.farthestEnd)
        XCTAssertNil(ActionFormerConfiguration(inputDimension: 4, classes: 2).farthestEnd)
    }
}
