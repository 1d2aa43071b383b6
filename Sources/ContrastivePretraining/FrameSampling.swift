import Detectors
import RandomStreams
import TemporalAnnotations

/// Which frames of a video take part in contrastive pre-training.
public enum FrameSampling {
    /// One random frame of each of `min(parts, rows)` equal parts, ascending: part i is rows `i * rows / parts ..< (i + 1) * rows / parts`.
    public static func frames(rows: Int, parts: Int = 64, random: inout RandomStream) -> [Int] {
        let parts = min(parts, rows)
        return (0..<max(0, parts)).map { i in
            let begin = i * rows / parts, end = (i + 1) * rows / parts
            return begin + random.uniformIndex(below: end - begin)
        }
    }

    /// The middle frame of each of `min(parts, rows)` equal parts, ascending; of two middle ones the first. No randomness.
    public static func middles(rows: Int, parts: Int) -> [Int] {
        let parts = min(parts, rows)
        return (0..<max(0, parts)).map { i in (i * rows / parts + (i + 1) * rows / parts - 1) / 2 }
    }

    /// The class of each frame after pre-training: that of the shortest instance it lies in (ends included; of equal ones the first), or
    /// `background`.
    ///
    /// - Parameters:
    ///   - frames: rows; row t stands at grid position t.
    ///   - instances: on the grid of the rows.
    ///   - ignored: frames in these, but in no instance, are of class -1.
    ///   - background: the class of frames in no instance.
    public static func labels(frames: [Int], instances: [GridInstance], ignored: [GridSegment] = [], background: Int) -> [Int] {
        frames.map { frame in
            var label = ignored.contains { $0.start <= Float(frame) && Float(frame) <= $0.end } ? -1 : background, shortest = Float.infinity
            for instance in instances where instance.segment.start <= Float(frame) && Float(frame) <= instance.segment.end {
                if instance.segment.length < shortest {
                    shortest = instance.segment.length
                    label = instance.label
                }
            }
            return label
        }
    }

    /// The actions that the contrast may learn classes from, and the stretches that it leaves alone, per video.
    ///
    /// A contrast has no weight per frame, so labels that count less than 1 (uncertain ones) give no class: their frames are neither their action
    /// nor background (choice).
    ///
    /// - Parameters:
    ///   - instances: per video, on its grid.
    ///   - weights: of these instances; nil: all count 1, and nothing is ignored.
    package static func certain(
        _ instances: [[GridInstance]], weights: LabelWeights?
    ) -> (instances: [[GridInstance]], ignored: [[GridSegment]]) {
        guard let weights else { return (instances, instances.map { _ in [] }) }
        var certain: [[GridInstance]] = [], ignored = weights.ignored
        for (video, (own, counts)) in zip(instances, weights.instances).enumerated() {
            certain.append(zip(own, counts).filter { $1 >= 1 }.map(\.0))
            ignored[video] += zip(own, counts).filter { $1 < 1 }.map(\.0.segment)
        }
        return (certain, ignored)
    }
}
