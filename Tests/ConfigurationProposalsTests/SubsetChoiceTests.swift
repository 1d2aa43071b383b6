import ConfigurationProposals
import FeatureStore
import TemporalAnnotations
import TestSupport
import XCTest

final class SubsetChoiceTests: FolderTestCase {
    /// Subsets with so many recordings with and without actions.
    private func subsets(_ parts: [(String, labelled: Int, empty: Int)]) -> [StoreStatistics] {
        parts.map { name, labelled, empty in
            let grid = FeatureGrid(fps: 30, stride: 15, window: 30)
            let videos = (0..<labelled + empty).map { number in
                let instances = number < labelled ? [ActionInstance(segment: Segment(start: 1, end: 2), label: 0)] : []
                return StoredVideo(
                    firstRow: 0, rows: 10, grid: grid,
                    annotation: VideoAnnotation(
                        id: VideoID("\(name)\(number)"), subset: Subset(rawValue: name), duration: 5.5, fps: 30, instances: instances))
            }
            return StoreStatistics(videos, classes: ClassMap(names: ["run"]), dimension: 4, subset: name)
        }
    }

    private func choice(
        _ parts: [(String, labelled: Int, empty: Int)], training: String? = nil, evaluation: String? = nil
    ) throws -> SubsetChoice {
        try SubsetChoice(subsets(parts), training: training, evaluation: evaluation, store: path("s.h5"))
    }

    func testNamesDecide() throws {
        let emg = try choice([("Training", 43, 0), ("Validation", 21, 0)])
        XCTAssertEqual(emg.training, "Training")
        XCTAssertEqual(emg.trainingReason, "named for training: 43 recordings, 43 with actions")
        XCTAssertEqual(emg.evaluation, "Validation")
        XCTAssertEqual(emg.evaluationReason, "21 recordings that are not learnt from, 21 with actions")
        let thumos = try choice([("Test", 212, 0), ("Validation", 200, 0)])
        XCTAssertEqual(thumos.training, "Validation")
        XCTAssertEqual(thumos.evaluation, "Test")
        // The test recordings of ActivityNet have no annotations.
        let activityNet = try choice([("testing", 0, 5), ("training", 10, 0), ("validation", 5, 0)])
        XCTAssertEqual(activityNet.training, "training")
        XCTAssertEqual(activityNet.evaluation, "validation")
        let unnamed = try choice([("a", 3, 0), ("b \"c\"", 7, 0)])
        XCTAssertEqual(unnamed.training, "b \"c\"")
        XCTAssertEqual(unnamed.evaluation, "a")
    }

    func testOneSubsetIsNotEvaluated() throws {
        let one = try choice([("all", 3, 1)])
        XCTAssertEqual(one.training, "all")
        XCTAssertEqual(one.trainingReason, "the only subset with actions: 4 recordings, 3 with actions")
        XCTAssertNil(one.evaluation)
        XCTAssertEqual(one.evaluationReason, "no other subset has recordings with actions: the run says nothing of how good it is")
    }

    func testGivenNames() throws {
        let parts = [("a", labelled: 3, empty: 0), ("b", labelled: 7, empty: 0), ("c", labelled: 0, empty: 2)]
        let given = try choice(parts, training: "A", evaluation: "c")
        XCTAssertEqual(given.training, "a")
        XCTAssertEqual(given.evaluation, "c")
        assertFailure(
            """
            error: the store has no subset 'd'
              where: file 'FOLDER/s.h5', key '--training-subset'
              do: give one of 'a', 'b', 'c'
            """, kind: .wrongUsage
        ) { try choice(parts, training: "d") }
    }

    func testSubsetsWithoutActionsAreRefused() {
        let parts = [("a", labelled: 3, empty: 0), ("c", labelled: 0, empty: 2)]
        assertFailure(
            """
            error: there is nothing to learn: none of the 2 recordings of the subset 'c' has an action
              where: file 'FOLDER/s.h5', key '--training-subset'
              do: give one of 'a'
            """
        ) { try choice(parts, training: "c") }
        assertFailure(
            """
            error: there is nothing to learn: no recording of the store has an action
              where: file 'FOLDER/s.h5'
              do: make the store with annotations (kairos import features --annotations)
            """
        ) { try choice([("c", labelled: 0, empty: 2)]) }
    }
}
