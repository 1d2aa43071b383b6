import AdaptivePseudoLabels
import Checkpoints
import Collectives
import Foundation
import NeuralNetworks
import RunRecords
import Training
import XCTest

/// Rounds that begin with a new detector.
extension StagesTests {
    private static let students = [
        "apl.student=restarted", "apl.uncertain=soft", "apl.pretraining_iterations=2", "apl.pretraining_learning_rate=0.01",
    ]

    /// Each round has a schedule of its own, and its own warm-up.
    func testSchedulesOfRestartedStudents() throws {
        let stages = try method(Self.students + ["apl.round_learning_rate=0.2", "apl.round_warmup_iterations=1"]).0.stages
        XCTAssertEqual(stages.map(\.name), ["pre-training", "burn-in", "round 1", "round 2", "round 3"])
        for stage in stages[2...] {
            XCTAssertEqual(stage.firstIteration, 0)
            let rates = (0..<4).map { stage.schedule.rate(at: $0) }
            XCTAssertEqual(rates[0], 0)
            for (i, rate) in rates.dropFirst().enumerated() {
                XCTAssertEqual(rate, 1e-8 + (0.2 - 1e-8) * 0.5 * (1 + cos(Double.pi * Double(i) / 3)), accuracy: 1e-12)
            }
        }
    }

    /// Where their length is not given, students are trained as long as the burn-in, with its schedule.
    func testLengthOfRestartedStudents() throws {
        let stages = try method(Self.students + ["apl.round_iterations=null"]).0.stages
        XCTAssertEqual(stages.map(\.iterations), [2, 10, 10, 10, 10])
        for stage in stages[2...] { XCTAssertEqual(stage.schedule, stages[1].schedule) }
        // A warm-up that is longer than a round ends with it.
        XCTAssertEqual(try method(["apl.student=restarted", "apl.round_iterations=2"]).0.stages[1].schedule.warmupIterations, 2)
        XCTAssertThrowsError(try configuration(["apl.round_iterations=null", "apl.student=continued"])) {
            XCTAssertEqual(
                "\($0)",
                """
                error: the length of a round is not given
                  where: key '--set apl.round_iterations'
                  do: set one of apl.round_iterations and apl.round_epochs, or apl.student to restarted: rounds are then as long as the burn-in
                """)
        }
    }

    private func run(_ overrides: [String], folder: String, resume: Bool = false) throws -> String {
        let overrides =
            [
                "data.max_rows=50", "data.evaluation_subset=null", "data.labeled_fraction=0.4", "training.warmup_iterations=0",
                "training.checkpoint_every=1", "training.keep=100", "apl.round_iterations=2", "apl.rounds=2", "apl.selection_floor=0",
                "training.threads=1",
            ] + overrides
        return try TrainingRun(try configuration(overrides), folder: folder, resume: resume, communicator: try Communicator.world()).run().digest
    }

    /// With learning rates too small to change anything, a student is what it began with: the pre-trained pyramid and heads of its own.
    func testStudentsBeginWithThePyramid() throws {
        let folder = NSTemporaryDirectory() + "kairos-students-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        _ = try run(
            Self.students + ["training.iterations=2", "apl.round_learning_rate=1e-30", "training.weight_decay=0"], folder: folder)
        func weights(_ step: Int) throws -> [String: [Float]] {
            let checkpoint = try RunFolder(folder).readCheckpoint(step: step)
            return try Dictionary(
                uniqueKeysWithValues: checkpoint.parameters.map { ($0.name, try checkpoint.readValues(of: $0.name, .current)) })
        }
        let (pretrained, taught, first, second) = (try weights(2), try weights(4), try weights(6), try weights(8))
        var pyramid = 0, heads = 0
        for (name, values) in pretrained {
            let isPyramid = name.hasPrefix("backbone.") || name.hasPrefix("neck.")
            let isDrawn = name.hasSuffix("conv.weight") && Set(values).count > 2
            if isPyramid {
                pyramid += 1
                for round in [first, second] { for (a, b) in zip(values, round[name] ?? []) { XCTAssertEqual(a, b, accuracy: 1e-20, name) } }
                if isDrawn { XCTAssertNotEqual(values, taught[name], name) }
            } else if isDrawn {
                heads += 1
                XCTAssertNotEqual(first[name], second[name], name)
                XCTAssertNotEqual(first[name], taught[name], name)
            }
        }
        XCTAssertGreaterThan(pyramid, 10)
        XCTAssertGreaterThan(heads, 3)
    }

    /// What students begin with is part of the state: a run that was cut at any step ends in the same bits.
    func testStudentsAfterResuming() throws {
        for overrides in [Self.students, ["apl.student=restarted", "apl.uncertain=ignore"]] {
            let folder = NSTemporaryDirectory() + "kairos-students-\(UUID().uuidString)"
            defer { try? FileManager.default.removeItem(atPath: folder) }
            let whole = try run(overrides + ["training.iterations=2"], folder: folder)
            let checkpoints = RunFolder(folder).checkpoints(keep: 100), steps = checkpoints.steps
            XCTAssertEqual(steps.count, overrides.contains("apl.pretraining_iterations=2") ? 8 : 6)
            for step in steps.dropLast().reversed() {
                checkpoints.removeAll(after: step)
                XCTAssertEqual(try run(overrides + ["training.iterations=2"], folder: folder, resume: true), whole, "after step \(step)")
            }
        }
    }

    /// A run of a version without students and uncertain candidates goes on as it was begun, and is not continued in another way.
    func testRunsOfEarlierVersions() throws {
        let folder = NSTemporaryDirectory() + "kairos-students-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let before = ["training.iterations=2", "apl.student=continued", "apl.uncertain=background"]
        let whole = try run(before, folder: folder)
        let checkpoints = RunFolder(folder).checkpoints(keep: 100)
        checkpoints.removeAll(after: 3)
        let path = checkpoints.file(step: 3), checkpoint = try Checkpoint(path: path)
        let detector = try configuration(before).detector(inputDimension: checkpoint.header.inputDimension, classes: checkpoint.header.classes.count)
        let state = TrainingState(arena: ParameterArena(detector), weightDecay: 0, emaDecay: 0.9, initialLossNormalizer: 1)
        try checkpoint.restore(into: state)
        var header = checkpoint.header
        header.configuration = header.configuration.split(separator: "\n").filter { !$0.contains("  student: ") && !$0.contains("  uncertain: ") }
            .joined(separator: "\n")
        _ = try Checkpoint.write(state, header: header, to: path)
        for change in ["apl.student=restarted", "apl.uncertain=soft"] {
            XCTAssertThrowsError(try run(before + [change], folder: folder, resume: true)) {
                let (key, value) = change == "apl.student=restarted" ? ("student", "continued") : ("uncertain", "background")
                XCTAssertTrue("\($0)".hasPrefix("error: the run was begun with apl.\(key) = \(value), now it is "), "\($0)")
            }
        }
        XCTAssertEqual(try run(before, folder: folder, resume: true), whole)
    }

    func testStateOfStudentsIsChecked() throws {
        let (method, _, _) = try method(Self.students)
        var state = method.state
        state["apl_pyramid"] = [UInt8](repeating: 0, count: 8)
        XCTAssertThrowsError(try method.restore(state)) { XCTAssertTrue("\($0)".contains("'apl_pyramid' has 8 bytes"), "\($0)") }
    }
}
