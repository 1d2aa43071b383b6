import Checkpoints
import Foundation
import RunRecords
import TrainingMethods
import XCTest

/// Runs that go on for longer than they were begun for (`--extend`).
final class ExtensionTests: ToyRunTestCase {
    private func longer(_ name: String, to length: Int, _ more: [String] = []) throws {
        _ = try run(name, more + ["training.iterations=\(length)"], resume: true, extends: true).run()
    }

    /// With a rate that does not depend on the length an extended run is one of that length, to the bit, wherever it stood.
    func testExtendedEqualsOneOfThatLength() throws {
        let constant = ["training.schedule=constant"]
        let whole = try run("whole", constant + ["training.iterations=20"]).run()
        for stop in [7, 12] {
            let name = "short\(stop)"
            _ = try run(name, constant).run(stopAfter: stop)
            let training = try run(name, constant + ["training.iterations=20"], resume: true, extends: true)
            XCTAssertEqual(
                Array(training.notes.suffix(2)),
                [
                    "the run is extended from 12 to 20 iterations: learning rates follow the schedule over the new length, step \(stop + 1) is made at 0.01, "
                        + "by the old length it was 0.01",
                    "going on from step \(stop) of 20",
                ])
            let outcome = try training.run()
            XCTAssertEqual([outcome.step, outcome.iterations], [20, 20])
            XCTAssertEqual(outcome.digest, whole.digest, "\(stop)")
            let header = try Checkpoint(path: outcome.checkpoint).header
            XCTAssertEqual(header.configurationDigest, try Checkpoint(path: whole.checkpoint).header.configurationDigest)
            XCTAssertTrue(header.configuration.contains("  iterations: 20\n"))
        }
    }

    /// The cosine is that of the new length; the log says so.
    func testRatesOfTheNewLength() throws {
        let short = try run("cosine").run()
        try longer("cosine", to: 20)
        let records = try RunLog.read(folder + "/cosine/log.jsonl")
        XCTAssertEqual(records.map(\.step), [2, 4, 6, 8, 10, 12, 14, 16, 18, 20])
        // Warm-up of 2 steps, then half a cosine from 0.01 to 1e-8 over the others: at step 14, iteration 13, over 18 steps.
        let expected = 1e-8 + 0.5 * (0.01 - 1e-8) * (1 + cos(Double.pi * 11 / 18))
        XCTAssertEqual(records[6].learningRate, expected, accuracy: 1e-15)
        XCTAssertEqual(records[5].learningRate, 1e-8 + 0.5 * (0.01 - 1e-8) * (1 + cos(Double.pi * 9 / 10)), accuracy: 1e-15)
        let text = try String(contentsOfFile: folder + "/cosine/log.jsonl", encoding: .utf8)
        let line = try XCTUnwrap(text.split(separator: "\n").first { $0.contains("extended_from") })
        let record = try JSONDecoder().decode(ExtensionRecord.self, from: Data(line.utf8))
        XCTAssertEqual([record.step, record.from, record.to], [12, 12, 20])
        XCTAssertEqual(record.stage, "training")
        XCTAssertEqual(record.rate, 1e-8 + 0.5 * (0.01 - 1e-8) * (1 + cos(Double.pi * 10 / 18)), accuracy: 1e-15)
        XCTAssertEqual(record.rateBefore, records[5].learningRate)
        XCTAssertNotEqual(try Checkpoint(path: folder + "/cosine/checkpoints/step-00000020.h5").digest, short.digest)
        XCTAssertEqual(try Checkpoint(path: folder + "/cosine/checkpoints/step-00000020.h5").header.step, 20)
    }

    /// Interrupted, extended runs end in the bits of uninterrupted ones; the same command goes on with them.
    func testExtendedRunsGoOn() throws {
        _ = try run("one").run()
        try longer("one", to: 18)
        _ = try run("two").run()
        _ = try run("two", ["training.iterations=18"], resume: true, extends: true).run(stopAfter: 15)
        let again = try run("two", ["training.iterations=18"], resume: true, extends: true)
        XCTAssertEqual(again.notes.last, "going on from step 15 of 18")
        XCTAssertFalse(again.notes.contains { $0.contains("extended") })
        XCTAssertEqual(try again.run().digest, try Checkpoint(path: folder + "/one/checkpoints/step-00000018.h5").digest)
    }

    /// A job that ends before its first step has not made the run longer; one that has done a step has.
    func testTheLogSaysOnceThatARunIsExtended() throws {
        func lengths() throws -> [Int] {
            try String(contentsOfFile: folder + "/log/log.jsonl", encoding: .utf8).split(separator: "\n").compactMap {
                (try? JSONDecoder().decode(ExtensionRecord.self, from: Data($0.utf8)))?.to
            }
        }
        _ = try run("log").run()
        for length in [16, 18] {
            _ = try run("log", ["training.iterations=\(length)"], resume: true, extends: true).run(stopAfter: 12)
            XCTAssertEqual(try lengths(), [length])
        }
        _ = try run("log", ["training.iterations=18"], resume: true, extends: true).run(stopAfter: 13)
        _ = try run("log", ["training.iterations=18"], resume: true, extends: true).run()
        try longer("log", to: 20)
        XCTAssertEqual(try lengths(), [18, 20])
    }

    func testRefusals() throws {
        refused(
            """
            error: there is no checkpoint to extend the run from
              where: file 'FOLDER/none'
              do: leave --extend out, or name the folder of a run
            """
        ) { try longer("none", to: 20) }
        XCTAssertFalse(FileManager.default.fileExists(atPath: folder + "/none"))
        _ = try run("less").run(stopAfter: 3)
        refused(
            """
            error: the run has 12 iterations, it cannot be extended to 11
              where: file 'FOLDER/less/checkpoints/step-00000003.h5', key '--extend'
              do: give more than 12 iterations
            """
        ) { try longer("less", to: 11) }
        refused(
            """
            error: the run was begun with a length in iterations, now it is in epochs
              where: file 'FOLDER/less/checkpoints/step-00000003.h5', key '--extend'
              do: give the configuration of the run (FOLDER/less/config.yaml)
            """
        ) { _ = try run("less", ["training.iterations=null", "training.epochs=20"], resume: true, extends: true) }
        // Nothing else may change with the length.
        refused(
            """
            error: the run was begun with training.learning_rate = 0.01, now it is 0.02
              where: file 'FOLDER/less/checkpoints/step-00000003.h5', key 'training.learning_rate'
              do: resume with the configuration of the run (FOLDER/less/config.yaml), or choose another --output
            """
        ) { try longer("less", to: 20, ["training.learning_rate=0.02"]) }
        // Without --extend a longer run is another one.
        refused(
            """
            error: the run was begun with training.iterations = 12, now it is 20
              where: file 'FOLDER/less/checkpoints/step-00000003.h5', key 'training.iterations'
              do: resume with the configuration of the run (FOLDER/less/config.yaml), or choose another --output
            """
        ) { _ = try run("less", ["training.iterations=20"], resume: true) }
    }
}
