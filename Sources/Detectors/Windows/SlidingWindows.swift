import TemporalAnnotations

/// Windows of equal length over a recording, for detectors that see a fixed number of rows: they begin at 0, `stride`, 2 `stride`, ...; one that would
/// run past the end is moved back to end with the recording and is the last. A recording shorter than a window is one window.
///
/// As OpenTAD's `SlidingWindowDataset` cuts them. Where windows overlap by less than half, that leaves out the last rows; here another window ends with
/// the recording then.
public struct SlidingWindows: Hashable, Sendable {
    /// Of a window.
    public var rows: Int
    /// From the beginning of a window to that of the next.
    public var stride: Int
    /// A segment belongs to a window in training when more than this part of it lies between the window's first and last row.
    public static let keptPart = 0.9

    /// Both in rows, at least 1.
    public init(rows: Int, stride: Int) {
        self.rows = rows
        self.stride = stride
    }

    /// Rows of the windows over a recording of `count` rows; where the recording is shorter than a window, all its rows.
    public func ranges(over count: Int) -> [Range<Int>] {
        var result: [Range<Int>] = []
        for index in 0..<max(1, count / stride) {
            let first = index * stride
            guard first + rows <= count else {
                result.append(max(0, count - rows)..<count)
                break
            }
            result.append(first..<first + rows)
        }
        if let last = result.last, last.upperBound < count { result.append(count - rows..<count) }
        return result
    }

    /// What of a segment a window sees, in rows from the window's first; nil: too little of it lies in the window.
    ///
    /// - Parameters:
    ///   - start: in rows of the recording, row t being [t, t + 1).
    ///   - end: likewise.
    ///   - window: rows of the recording.
    ///   - part: more than this must lie in the window.
    public static func kept(start: Double, end: Double, in window: Range<Int>, part: Double = keptPart) -> (start: Double, end: Double)? {
        let low = max(start, Double(window.lowerBound)), high = min(end, Double(window.upperBound - 1))
        guard high > low, (high - low) / max(end - start, 1e-6) > part else { return nil }
        return (low - Double(window.lowerBound), high - Double(window.lowerBound))
    }
}
