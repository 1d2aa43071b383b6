import Diagnostics
import Foundation
import XCTest

/// A folder of its own for each test, removed afterwards.
open class FolderTestCase: XCTestCase {
    /// Its path; empty before `setUpWithError`.
    public private(set) var folder = ""

    open override func setUpWithError() throws {
        folder = NSTemporaryDirectory() + "/kairos-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }

    open override func tearDown() { try? FileManager.default.removeItem(atPath: folder) }

    /// The path of a file in the folder.
    public func path(_ name: String) -> String { folder + "/" + name }

    /// Checks the whole text of a failure, with the test's folder written as FOLDER.
    public func assertFailure<Value>(
        _ expected: String, kind: Failure.Kind = .badInput, file: StaticString = #filePath, line: UInt = #line, _ body: () throws -> Value
    ) {
        do {
            _ = try body()
            XCTFail("nothing was thrown, expected:\n\(expected)", file: file, line: line)
        } catch let failure as Failure {
            XCTAssertEqual(failure.description.replacingOccurrences(of: folder, with: "FOLDER"), expected, file: file, line: line)
            XCTAssertEqual(failure.kind, kind, file: file, line: line)
        } catch {
            XCTFail("another error was thrown: \(error)", file: file, line: line)
        }
    }
}
