import Foundation

/// Progress of something that takes more than two seconds: a bar with rate and time left on a terminal, elsewhere a line every half minute. Writes to
/// standard error.
public final class ProgressBar {
    private let title: String
    private let unit: String
    private var total: Int
    private let isTerminal: Bool
    private let isSilent: Bool
    private let write: (String) -> Void
    private let now: () -> Double
    private let began: Double
    private let first: Int
    private var lastShown: Double
    private var hasDrawn = false

    /// - Parameters:
    ///   - title: the work in progress.
    ///   - total: of the work.
    ///   - done: what is done already (a resumed run).
    ///   - unit: what is counted.
    ///   - isSilent: all ranks but the first.
    ///   - isTerminal: whether lines may be written over.
    ///   - now: seconds, from any start.
    ///   - write: takes the text.
    public init(
        _ title: String, total: Int, done: Int = 0, unit: String = "steps", isSilent: Bool = false, isTerminal: Bool = isatty(2) == 1,
        now: @escaping () -> Double = { ProcessInfo.processInfo.systemUptime },
        write: @escaping (String) -> Void = { StandardError.write($0) }
    ) {
        self.title = title
        self.total = total
        self.unit = unit
        self.isSilent = isSilent
        self.isTerminal = isTerminal
        self.now = now
        self.write = write
        first = done
        began = now()
        lastShown = began
    }

    /// Shows `done` of the total, at most ten times a second on a terminal and every half minute elsewhere; nothing in the first two seconds.
    ///
    /// - Parameters:
    ///   - done: units so far.
    ///   - total: where it was not known before; nil: as it was.
    ///   - detail: what is worth knowing beside the count.
    public func update(_ done: Int, of total: Int? = nil, detail: String = "") {
        guard !isSilent else { return }
        self.total = total ?? self.total
        let time = now()
        guard time - began >= 2, time - lastShown >= (isTerminal ? 0.1 : 30) else { return }
        lastShown = time
        show(done, detail, time)
    }

    /// Draws the last state and ends the line.
    public func finish(_ done: Int? = nil, detail: String = "") {
        guard !isSilent, hasDrawn else { return }
        show(done ?? total, detail, now())
        if isTerminal { write("\n") }
    }

    private func show(_ done: Int, _ detail: String, _ time: Double) {
        hasDrawn = true
        let rate = Double(done - first) / max(time - began, 1e-9)
        let left = rate > 0 ? Self.duration(Double(total - done) / rate) : "?"
        let tail = String(format: "%d/%d %@, %.1f/s, %@ left", done, total, unit, rate, left) + (detail.isEmpty ? "" : ", " + detail)
        if isTerminal {
            let filled = total > 0 ? 24 * done / total : 24
            let bar = String(repeating: "=", count: filled) + String(repeating: " ", count: 24 - filled)
            write("\r\u{1B}[K\(title) [\(bar)] \(tail)")
        } else {
            write("\(title): \(tail)\n")
        }
    }

    /// "12 s", "3 min 5 s", "2 h 7 min".
    package static func duration(_ seconds: Double) -> String {
        let whole = Int(seconds.rounded())
        if whole < 60 { return "\(whole) s" }
        if whole < 3600 { return "\(whole / 60) min \(whole % 60) s" }
        return "\(whole / 3600) h \(whole % 3600 / 60) min"
    }
}
