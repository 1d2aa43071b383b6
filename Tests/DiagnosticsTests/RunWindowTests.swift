import Diagnostics
import XCTest

final class RunWindowTests: XCTestCase {
    /// The names that `KAIROS_TEST_HOLD` takes have `:` and `;` as separators, and every window belongs to a command.
    func testNamesAndCommands() {
        let names = RunWindow.allCases.map(\.rawValue)
        XCTAssertEqual(Set(names).count, names.count)
        for window in RunWindow.allCases {
            XCTAssertFalse(window.rawValue.contains(":") || window.rawValue.contains(";"), window.rawValue)
            XCTAssertFalse(window.commands.isEmpty, window.rawValue)
        }
        // Without the variable nobody is held.
        for window in RunWindow.allCases { window.pass() }
    }
}
