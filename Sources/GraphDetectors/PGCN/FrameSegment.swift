import Foundation
import TemporalAnnotations

/// An interval of a recording in frames of its feature grid.
package struct FrameSegment: Hashable, Sendable {
    package var start: Double
    package var end: Double

    package init(start: Double, end: Double) {
        self.start = start
        self.end = end
    }

    /// A segment in seconds. Whole frames stay whole: what the conversion rounds is undone.
    package init(_ segment: Segment, fps: Double) {
        func frames(_ seconds: Double) -> Double {
            let exact = seconds * fps, whole = exact.rounded()
            return abs(exact - whole) < 1e-4 ? whole : exact
        }
        self.init(start: frames(segment.start), end: frames(segment.end))
    }

    /// The part before the recording's end; nil: there is none, or the segment has no length.
    package func cut(to frames: Double) -> FrameSegment? {
        length > 0 && start < frames ? FrameSegment(start: start, end: min(end, frames)) : nil
    }

    package var length: Double { end - start }
    package var center: Double { 0.5 * (start + end) }

    /// The published code's tIoU of proposals, whose last frames belong to them.
    package func inclusiveTIoU(_ other: FrameSegment) -> Double {
        let shared = max(0, min(end, other.end) - max(start, other.start) + 1)
        return shared / (length + 1 + other.length + 1 - shared)
    }

    /// The distance of the centres over the frames from the first start to the last end.
    package func distance(_ other: FrameSegment) -> Double {
        let span = max(end, other.end) - min(start, other.start) + 1
        return abs(center - other.center) / span
    }

    /// tIoU with an action.
    package func tIoU(_ other: FrameSegment) -> Double {
        let shared = min(end, other.end) - max(start, other.start)
        return shared > 0 ? shared / (max(end, other.end) - min(start, other.start)) : 0
    }

    /// tND, the temporal normalised distance from an action: the square of the distance of the centres over the frames from the first start to the last
    /// end (APL, Eq. 1). 0 where both are one point.
    package func tND(_ other: FrameSegment) -> Double {
        let span = max(end, other.end) - min(start, other.start), part = span > 0 ? (center - other.center) / span : 0
        return part * part
    }

    /// Moved by the first offset in lengths, and e^(second offset) as long.
    package func moved(by offsets: SIMD2<Double>) -> FrameSegment {
        let middle = center + length * offsets[0], half = 0.5 * length * exp(offsets[1])
        return FrameSegment(start: middle - half, end: middle + half)
    }

    /// The part of this segment that lies in another.
    package func coveredPart(by other: FrameSegment) -> Double {
        let shared = min(end, other.end) - max(start, other.start)
        return shared > 0 ? shared / length : 0
    }
}
