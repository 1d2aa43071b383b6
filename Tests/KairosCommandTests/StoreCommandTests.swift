import Foundation
import XCTest

/// `import`, `synthesize` and `inspect` as a user starts them: exit codes, JSON keys and messages.
final class StoreCommandTests: XCTestCase {
    private var folder = ""

    override func setUpWithError() throws {
        folder = NSTemporaryDirectory() + "/kairos-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }
    override func tearDown() { try? FileManager.default.removeItem(atPath: folder) }

    /// The `kairos` beside the tests.
    private func kairos(_ arguments: String...) throws -> (code: Int32, output: String, errors: String) {
        let process = Process()
        let tests = URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath()
        process.executableURL = tests.deletingLastPathComponent().appendingPathComponent("kairos")
        process.arguments = arguments
        let output = Pipe(), errors = Pipe()
        process.standardOutput = output
        process.standardError = errors
        try process.run()
        let texts = [output, errors].map { String(decoding: $0.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self) }
        process.waitUntilExit()
        return (process.terminationStatus, texts[0], texts[1].replacingOccurrences(of: folder, with: "FOLDER"))
    }

    private func object(_ text: String) throws -> [String: Any] {
        try XCTUnwrap(JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any], text)
    }

    func testSynthesizeThenInspect() throws {
        let made = try kairos(
            "synthesize", "--output", folder + "/a.h5", "--videos", "6", "--classes", "3", "--dimension", "8", "--seed", "5",
            "--annotations-output", folder + "/a.json", "--json")
        XCTAssertEqual(made.code, 0, made.errors)
        let summary = try object(made.output)
        XCTAssertEqual(summary["videos"] as? Int, 6)
        XCTAssertEqual(summary["dimension"] as? Int, 8)
        XCTAssertEqual(summary["classes"] as? Int, 3)
        XCTAssertGreaterThan(try XCTUnwrap(summary["rows"] as? Int), 6 * 58)
        XCTAssertGreaterThanOrEqual(try XCTUnwrap(summary["instances"] as? Int), 18)

        let inspected = try kairos("inspect", folder + "/a.h5", "--verify", "--json")
        XCTAssertEqual(inspected.code, 0, inspected.errors)
        let seen = try object(inspected.output)
        XCTAssertEqual(seen["kind"] as? String, "feature store")
        for key in ["videos", "rows", "dimension", "classes", "instances"] { XCTAssertEqual(seen[key] as? Int, summary[key] as? Int, key) }
        XCTAssertEqual(seen["digest"] as? String, summary["digest"] as? String)
        XCTAssertEqual((seen["digest"] as? String)?.count, 64)

        // The annotations written beside it make the same videos.
        let again = try kairos(
            "synthesize", "--output", folder + "/b.h5", "--annotations", folder + "/a.json", "--dimension", "8", "--feature-stride", "15",
            "--window", "30", "--storage", "float32", "--seed", "5", "--json")
        XCTAssertEqual(again.code, 0, again.errors)
        XCTAssertEqual(try object(again.output)["rows"] as? Int, summary["rows"] as? Int)
        XCTAssertEqual(try object(again.output)["digest"] as? String, summary["digest"] as? String)
    }

    func testExitCodes() throws {
        let unwritable = try kairos("synthesize", "--output", folder + "/none/a.h5")
        XCTAssertEqual(unwritable.code, 1)
        XCTAssertEqual(
            unwritable.errors,
            """
            error: the output's folder 'FOLDER/none' does not exist
              where: file 'FOLDER/none/a.h5'
              do: make the folder or choose another output path

            """)
        XCTAssertEqual(try kairos("synthesize", "--output", folder + "/a.h5", "--vidoes", "3").code, 2)
        XCTAssertEqual(try kairos("synthesize", "--output", folder + "/a.h5", "--videos", "0").code, 2)
        XCTAssertEqual(try kairos("import", "sbhar", "--source", folder, "--output", folder + "/a.h5", "--channels", "gyroscope").code, 2)
        let both = try kairos("synthesize", "--output", folder + "/a.h5", "--videos", "3", "--annotations", folder + "/none.json")
        XCTAssertEqual(both.code, 2)
        XCTAssertEqual(
            both.errors, "error: --videos and --annotations were both given\n  do: leave one of them out: the annotations name videos and classes\n")
        XCTAssertEqual(try kairos("import", "sbhar", "--source", folder, "--output", folder + "/a.h5").code, 3)
        try Data("text".utf8).write(to: URL(fileURLWithPath: folder + "/text.h5"))
        let text = try kairos("inspect", folder + "/text.h5")
        XCTAssertEqual(text.code, 3)
        XCTAssertEqual(
            text.errors,
            "error: this is not an HDF5 file\n  where: file 'FOLDER/text.h5'\n  do: give a file that kairos or another HDF5 program has written\n")
        XCTAssertEqual(try FileManager.default.contentsOfDirectory(atPath: folder), ["text.h5"])
    }

    func testHelpHasAnExample() throws {
        for command in [["configuration"], ["configure"], ["import", "sbhar"], ["import", "features"], ["synthesize"], ["inspect"]] {
            let process = try command.count == 2 ? kairos(command[0], command[1], "--help") : kairos(command[0], "--help")
            XCTAssertEqual(process.code, 0)
            let examples = ["kairos \(command.joined(separator: " ")) --", "kairos inspect sbhar.h5", "kairos configure emg.h5"]
            XCTAssertTrue(examples.contains { process.output.contains($0) }, process.output)
        }
    }
}
