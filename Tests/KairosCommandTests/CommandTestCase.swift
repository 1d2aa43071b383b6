import Foundation
import XCTest

/// A test with a folder of its own that starts `kairos` as a user does, alone and under mpirun.
class CommandTestCase: XCTestCase {
    private(set) var folder = ""
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    override func setUpWithError() throws {
        folder = NSTemporaryDirectory() + "/kairos-train-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }
    override func tearDown() { try? FileManager.default.removeItem(atPath: folder) }

    typealias Ended = (code: Int32, output: String, errors: String)

    var executable: URL {
        URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath().deletingLastPathComponent().appendingPathComponent("kairos")
    }

    func kairos(_ arguments: String...) throws -> Ended { try start(executable, arguments) }

    func mpirun(_ ranks: Int, _ arguments: String...) throws -> Ended { try mpirun(ranks, arguments) }

    func mpirun(_ ranks: Int, _ arguments: [String]) throws -> Ended {
        try start(root.appendingPathComponent("launch/mpirun"), ["\(ranks)", executable.path] + arguments)
    }

    func start(_ program: URL, _ arguments: [String]) throws -> Ended {
        let process = Process()
        process.executableURL = program
        process.arguments = arguments
        // Other tests of this process start MPI, which leaves its marks in the environment.
        let marks = ["OMPI_", "PMIX_", "PMI_", "ORTE_", "OPAL_"]
        process.environment = ProcessInfo.processInfo.environment.filter { variable in !marks.contains { variable.key.hasPrefix($0) } }
        // Through files: pipes of several ranks could fill up.
        let paths = ["out", "err"].map { folder + "/" + $0 }
        for path in paths { FileManager.default.createFile(atPath: path, contents: nil) }
        process.standardOutput = FileHandle(forWritingAtPath: paths[0])
        process.standardError = FileHandle(forWritingAtPath: paths[1])
        try process.run()
        process.waitUntilExit()
        let texts = try paths.map { try String(contentsOfFile: $0, encoding: .utf8) }
        return (process.terminationStatus, texts[0], texts[1].replacingOccurrences(of: folder, with: "FOLDER"))
    }

    func object(_ ended: Ended, line: UInt = #line) throws -> [String: Any] {
        XCTAssertEqual(ended.code, 0, ended.errors, line: line)
        return try XCTUnwrap(JSONSerialization.jsonObject(with: Data(ended.output.utf8)) as? [String: Any], ended.output, line: line)
    }

    func file(_ path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: folder + "/" + path)) }
}
