import Diagnostics
import Foundation
import XCTest

/// What a job must say about a rank that was stopped or killed in a window.
extension FaultTestCase {
    /// A stopped rank: named after the limit.
    func requireStopMessage(_ window: RunWindow, _ victim: Int, _ code: Int32, _ errors: String, _ what: String, line: UInt = #line) throws {
        let text = plain(errors)
        let expected: String
        switch window {
        case .beforeInit:
            expected =
                "error: MPI_Init has not ended within \(stallSeconds) s on rank \(victim == 0 ? 1 : 0): it waits for rank \(victim) "
                + "(process N on host '\(host)', stopped)\n  where: rank \(victim)\n"
        case .afterInit:
            expected =
                "error: rank \(victim) (process N on host '\(host)', stopped) has not joined the other ranks within \(stallSeconds) s "
                + "of MPI_Init\n  where: rank \(victim)\n"
        case .leaving where victim == 0:
            // The last process: all others are gone, and the system ends it.
            XCTAssertEqual(code, 128 + SIGKILL, "\(what): \(errors)", line: line)
            XCTAssertTrue(errors.contains("exited on signal 9 (Killed)"), "\(what): \(errors)", line: line)
            return
        default:
            expected = "error: rank \(victim) on host '\(host)' (process N) has made no progress for \(stallSeconds) s; "
        }
        XCTAssertEqual(code, 1, "\(what): \(errors)", line: line)
        XCTAssertTrue(text.contains(expected), "\(what): \(errors)", line: line)
        XCTAssertEqual(errors.components(separatedBy: "error: ").count - 1, 1, "\(what): \(errors)", line: line)
        // Where the ranks are is said of watched ones.
        if !expected.hasSuffix("\n") { XCTAssertTrue(errors.contains("', silent"), "\(what): \(errors)", line: line) }
    }

    /// Killed ranks: named at once. Before there is a watch and after the last goodbye the launcher names them.
    func requireDeathMessage(_ window: RunWindow, _ victims: [Int], _ code: Int32, _ errors: String, _ what: String, line: UInt = #line) throws {
        XCTAssertFalse([0, 75].contains(code), "\(what): \(errors)", line: line)
        let isWatched = ![.beforeInit, .afterInit, .leaving].contains(window)
        guard isWatched else {
            XCTAssertTrue(errors.contains("exited on signal 9 (Killed)"), "\(what): \(errors)", line: line)
            return
        }
        // Rank 0 names all, rank 1 names rank 0; when both are dead mpirun ends the others before they speak.
        if victims.contains(0), victims.contains(1) { return }
        for rank in victims.contains(0) ? [0] : victims {
            let text = "rank \(rank) on host '\(host)' \\(process [0-9]+\\) has gone without a word; [0-9.]+ s before it was in '"
            XCTAssertNotNil(errors.range(of: text, options: .regularExpression), "\(what): \(errors)", line: line)
        }
        XCTAssertEqual(errors.components(separatedBy: "error: ").count - 1, 1, "\(what): \(errors)", line: line)
    }
}

extension RunWindow {
    /// Whether a signal comes too late to be heeded by a training, which then ends as usual.
    var isAfterLastResult: Bool {
        [.writingDetections, .evaluating, .writingMetrics, .finished, .beforeFinalize, .afterFinalize, .leaving].contains(self)
    }
}
