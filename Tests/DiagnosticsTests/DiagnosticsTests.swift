import Diagnostics
import Foundation
import XCTest

final class DiagnosticsTests: XCTestCase {
    private var folder = ""

    override func setUpWithError() throws {
        folder = NSTemporaryDirectory() + "/kairos-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }
    override func tearDown() { try? FileManager.default.removeItem(atPath: folder) }

    func testMessage() {
        let failure = Failure.badInput("row 3 holds a NaN", at: .rank(1), .file("a.h5"), .video("v"), .step(4), advice: "extract the features again")
        XCTAssertEqual(
            failure.description,
            """
            error: row 3 holds a NaN
              where: rank 1, file 'a.h5', video 'v', step 4
              do: extract the features again
            """)
        XCTAssertEqual(failure.exitCode, 3)
        XCTAssertEqual(Failure.wrongUsage("x", advice: "y").description, "error: x\n  do: y")
        XCTAssertEqual(Failure.wrongUsage("x", advice: "y").exitCode, 2)
        XCTAssertEqual(Failure.failed("x", advice: "y").exitCode, 1)
        let interrupted = Interruption.failure(.user1, "in burn-in")
        XCTAssertEqual(interrupted.description, "interrupted: SIGUSR1 came in burn-in\n  do: start the same command again")
        XCTAssertEqual(interrupted.exitCode, 75)
    }

    func testNearestName() {
        let keys = ["learning_rate", "weight_decay", "iterations"]
        XCTAssertEqual(nearestName(to: "lernin_rate", among: keys), "learning_rate")
        XCTAssertEqual(nearestName(to: "Iteration", among: keys), "iterations")
        XCTAssertNil(nearestName(to: "momentum", among: keys))
        XCTAssertNil(nearestName(to: "x", among: []))
        XCTAssertEqual(editDistance("kitten", "sitting"), 3)
        XCTAssertEqual(editDistance("", "abc"), 3)
    }

    func testAFileIsReplacedWholeOrNotAtAll() throws {
        let path = folder + "/a.txt"
        try replaceFile(at: path, with: Data("first".utf8))
        struct Interrupted: Error {}
        XCTAssertThrowsError(
            try replaceFile(at: path) { part in
                try Data("half".utf8).write(to: URL(fileURLWithPath: part))
                throw Interrupted()
            })
        XCTAssertEqual(try String(contentsOfFile: path, encoding: .utf8), "first")
        XCTAssertEqual(try FileManager.default.contentsOfDirectory(atPath: folder), ["a.txt"])
        try replaceFile(at: path, with: Data("second".utf8))
        XCTAssertEqual(try String(contentsOfFile: path, encoding: .utf8), "second")
    }

    func testAnOutputInAMissingFolder() {
        XCTAssertThrowsError(try replaceFile(at: folder + "/none/a.txt", with: Data())) { error in
            XCTAssertEqual(
                "\(error)".replacingOccurrences(of: folder, with: "FOLDER"),
                """
                error: the output's folder 'FOLDER/none' does not exist
                  where: file 'FOLDER/none/a.txt'
                  do: make the folder or choose another output path
                """)
        }
        _ = FileManager.default.createFile(atPath: folder + "/file", contents: nil)
        XCTAssertThrowsError(try requireWritablePlace(of: folder + "/file/a.txt")) { error in
            XCTAssertEqual((error as? Failure)?.what.replacingOccurrences(of: folder, with: "FOLDER"), "'FOLDER/file' is a file, not a folder")
        }
    }
}
