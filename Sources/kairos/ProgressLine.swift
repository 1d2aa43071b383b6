import Diagnostics
import Foundation

/// One line on standard error that says how far long work has come, with rate and time left. Appears after two seconds, on a terminal only.
final class ProgressLine {
    private let title: String
    private let unit: String
    private let isShown: Bool
    private let start = Date()
    private var lastDrawn = Date.distantPast
    private var hasDrawn = false

    /// - Parameter isShown: false on ranks other than 0.
    init(_ title: String, unit: String, isShown: Bool = true) {
        self.title = title
        self.unit = unit
        self.isShown = isShown && isatty(2) == 1
    }

    func update(_ done: Int, of total: Int) {
        let now = Date()
        let elapsed = now.timeIntervalSince(start)
        guard isShown, elapsed > 2, done == total || now.timeIntervalSince(lastDrawn) > 0.2 else { return }
        lastDrawn = now
        hasDrawn = true
        let rate = Double(done) / elapsed
        let left = rate > 0 ? Double(total - done) / rate : 0
        let filled = total > 0 ? 30 * done / total : 30
        let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: 30 - filled)
        let text = String(format: "%.1f", rate)
        let line = "\r\(title) [\(bar)] \(done)/\(total) \(unit), \(text)/s, \(Int(left.rounded(.up))) s left \u{1b}[K"
        StandardError.write(line)
    }

    /// Ends the line.
    func finish() { if hasDrawn { StandardError.write("\n") } }
}
