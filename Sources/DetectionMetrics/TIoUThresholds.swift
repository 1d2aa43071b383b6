import Diagnostics
import Foundation

/// Reads tIoU thresholds as users write them: `0.5`, `0.3,0.5,0.7`, or `FIRST:STEP:LAST` with both ends included.
///
/// - Throws: `Failure` (`.wrongUsage`) when the text is neither or a threshold is not in (0, 1].
public func tiouThresholds(_ text: String) throws -> [Double] {
    let wrong = Failure.wrongUsage(
        "the tIoU thresholds '\(text)' are not FIRST:STEP:LAST or a list of numbers in (0, 1]", advice: "write for instance 0.3:0.1:0.7 or 0.5,0.75")
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    let thresholds: [Double]
    if parts.count == 3 {
        guard let first = Double(parts[0]), let step = Double(parts[1]), let last = Double(parts[2]), first.isFinite, last.isFinite, step > 1e-6,
            last >= first, (last - first) / step < 1e4
        else { throw wrong }
        let intervals = Int(((last - first) / step + 1e-9).rounded(.down))
        // As NumPy's linspace spaces them, so that thresholds and with them every comparison equal the published ones.
        let end = abs(first + Double(intervals) * step - last) < 1e-9 ? last : first + Double(intervals) * step
        let spacing = intervals > 0 ? (end - first) / Double(intervals) : 0
        thresholds = (0...intervals).map { $0 == intervals && intervals > 0 ? end : first + Double($0) * spacing }
    } else if parts.count == 1 {
        let numbers = text.split(separator: ",", omittingEmptySubsequences: false).map { Double($0.trimmingCharacters(in: .whitespaces)) }
        guard !numbers.contains(nil) else { throw wrong }
        thresholds = numbers.compactMap { $0 }
    } else {
        throw wrong
    }
    guard !thresholds.isEmpty, thresholds.allSatisfy({ $0 > 0 && $0 <= 1 }) else { throw wrong }
    return thresholds
}
