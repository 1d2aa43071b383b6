import Diagnostics
import StandardRegistry
import TrainingMethods
import XCTest

/// Reads configurations written in the test.
class RunConfigurationTestCase: XCTestCase {
    let minimal = "data:\n  store: s.h5\ntraining:\n  iterations: 10\n"

    func read(_ yaml: String, _ overrides: [String] = []) throws -> RunConfiguration {
        try RunConfiguration(yaml: yaml, file: "run.yaml", overrides: overrides)
    }

    func refused(_ yaml: String, _ overrides: [String] = [], _ expected: String, line: UInt = #line) {
        XCTAssertThrowsError(try read(yaml, overrides), line: line) { error in
            XCTAssertEqual("\(error)", expected, line: line)
            XCTAssertEqual((error as? Failure)?.exitCode, 2, line: line)
        }
    }

    func refused(_ yaml: String, _ expected: String, line: UInt = #line) { refused(yaml, [], expected, line: line) }
}
