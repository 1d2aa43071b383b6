import Diagnostics
import Dispatch
import Foundation
import RandomStreams
import TemporalAnnotations

/// Seeded features that a detector can learn from, but not by a threshold.
///
/// A row is, in units of a noise of standard deviation 1 per value: noise + the video's own shift + for each action the direction of its class,
/// times a strength of the action's own, fading in and out at its ends, with a direction of their own at the ends + now and then, away from the
/// actions, a weak trace of some class. A class direction has the length `strength`, so a matched filter sees an action at about that many standard
/// deviations whatever the dimension; a video's shift lies partly in the classes' directions, so that levels of two videos do not compare.
public final class SyntheticFeatures: FeatureSource, Sendable {
    public let classes: ClassMap
    public let dimension: Int
    public let videos: [VideoPlan]
    private let seed: UInt64
    private let directions: [[Float]]
    private let startDirection: [Float]
    private let endDirection: [Float]

    /// Length of a class direction, in standard deviations of the noise.
    static let strength: Float = 4
    /// Length of the directions that mark starts and ends.
    static let boundaryStrength: Float = 2.5

    /// Features for annotated videos, of their true lengths: as many rows as windows lie inside the video.
    ///
    /// - Parameters:
    ///   - annotations: videos, durations and actions.
    ///   - dimension: columns.
    ///   - stride: frames from row to row.
    ///   - window: frames seen by a row.
    ///   - fps: frames per second of videos whose annotation does not say it.
    ///   - seed: of the values.
    /// - Throws: `Failure`: `.wrongUsage` for numbers out of bounds, `.badInput` for videos without segments or of too many rows.
    public init(annotations: AnnotationSet, dimension: Int, stride: Double, window: Double, fps: Double? = nil, seed: UInt64) throws {
        try FeatureOptions.check("--dimension", dimension, atMost: FeatureLimits.dimension)
        for (name, value) in [("--feature-stride", stride), ("--window", window), ("--fps", fps ?? 1)] { try FeatureOptions.check(name, value) }
        classes = annotations.classes
        self.dimension = dimension
        self.seed = seed
        if let weak = annotations.videos.first(where: \.isWeaklyLabelled) {
            throw Failure.badInput(
                "the video has classes without segments, features are made from segments", at: .video(weak.id.name),
                advice: "give annotations whose actions all have a segment")
        }
        videos = try annotations.videos.map { video in
            guard let rate = video.fps ?? fps else {
                throw Failure.badInput(
                    "the annotations do not say the frames per second of this video", at: .video(video.id.name), advice: "give --fps")
            }
            let rows = max(1, ((video.duration * rate - window) / stride).rounded(.down) + 1)
            guard rows <= Double(FeatureLimits.rows) else {
                throw Failure.badInput(
                    "\(video.duration) s at \(rate) fps with stride \(stride) make \(rows) feature rows, more than \(FeatureLimits.rows)",
                    at: .video(video.id.name), advice: "check the video's duration, the frames per second and --feature-stride")
            }
            return VideoPlan(rows: Int(rows), grid: FeatureGrid(fps: rate, stride: stride, window: window), annotation: video)
        }
        directions = (0..<classes.count).map { Self.direction(seed, "class", $0, dimension, length: Self.strength) }
        startDirection = Self.direction(seed, "start", 0, dimension, length: Self.boundaryStrength)
        endDirection = Self.direction(seed, "end", 0, dimension, length: Self.boundaryStrength)
    }

    /// Random annotations: `videos` recordings of 30 to 90 s, two thirds of them "Validation" (for training, as in THUMOS14), the rest "Test"; in
    /// each 3 to 8 actions of 1 to 10 s that do not touch.
    ///
    /// - Throws: `Failure.wrongUsage` for numbers out of bounds.
    public static func annotations(videos: Int, classes: Int, fps: Double = 30, seed: UInt64) throws -> AnnotationSet {
        try FeatureOptions.check("--videos", videos, atMost: FeatureLimits.videos)
        try FeatureOptions.check("--classes", classes, atMost: FeatureLimits.classes)
        let training = (2 * videos + 1) / 3
        let width = max(4, String(videos).count)
        let entries = (0..<videos).map { index in
            var stream = RandomStream(seed: seed, "synthetic annotations", index)
            let duration = Double((stream.uniform(30, 90) * 10).rounded()) / 10
            let count = 3 + stream.uniformIndex(below: 6)
            let slot = duration / Double(count)
            let instances = (0..<count).compactMap { place -> ActionInstance? in
                let longest = min(10, slot - 1)
                let length = exp(Double(stream.uniform()) * log(longest))
                let start = Double(place) * slot + 0.5 + Double(stream.uniform()) * (slot - 1 - length)
                let label = stream.uniformIndex(below: classes)
                let segment = Segment(start: (start * 100).rounded() / 100, end: ((start + length) * 100).rounded() / 100)
                return ActionInstance(segment: segment, label: label)
            }
            let number = String(repeating: "0", count: width - String(index + 1).count) + String(index + 1)
            return VideoAnnotation(
                id: VideoID("synthetic_\(number)"), subset: index < training ? "Validation" : "Test", duration: duration, fps: fps,
                instances: instances)
        }
        let names = (0..<classes).map { "action_\($0)" }
        return AnnotationSet(version: "kairos synthetic, seed \(seed)", classes: ClassMap(names: names), videos: entries)
    }

    /// Computes the rows from the seed and the video's number, in parallel; nothing is read. It does not throw.
    public func readRows(ofVideo index: Int, into target: UnsafeMutablePointer<Float>) throws {
        let video = videos[index]
        let shift = self.shift(ofVideo: index)
        let parts = self.parts(ofVideo: index)
        let block = 32
        let blocks = (video.rows + block - 1) / block
        // Safe: every block fills rows of its own.
        nonisolated(unsafe) let target = target
        DispatchQueue.concurrentPerform(iterations: blocks) { number in
            for row in number * block..<min((number + 1) * block, video.rows) {
                fill(target + row * dimension, video: index, row: row, shift: shift, parts: parts)
            }
        }
    }

    // MARK: Parts

    /// A direction with a strength, in force between two grid positions.
    private struct Part {
        var start: Float
        var end: Float
        var label: Int
        var strength: Float
        /// Whether starts and ends are marked.
        var isAction: Bool
    }

    private func parts(ofVideo index: Int) -> [Part] {
        let video = videos[index]
        var stream = RandomStream(seed: seed, "synthetic parts", index)
        var parts = video.annotation.instances.map { instance in
            let grid = video.grid.gridSegment(instance.segment)
            return Part(start: grid.start, end: grid.end, label: instance.label, strength: stream.uniform(0.6, 1.4), isAction: true)
        }
        guard classes.count > 0 else { return parts }
        for _ in 0..<(1 + video.rows / 100) {
            let length = stream.uniform(4, 20)
            let start = stream.uniform(0, Float(video.rows))
            let part = Part(
                start: start, end: start + length, label: stream.uniformIndex(below: classes.count), strength: stream.uniform(0.2, 0.5),
                isAction: false)
            if !parts.contains(where: { $0.isAction && $0.start < part.end && part.start < $0.end }) { parts.append(part) }
        }
        return parts
    }

    private func shift(ofVideo index: Int) -> [Float] {
        var stream = RandomStream(seed: seed, "synthetic shift", index)
        var shift = (0..<dimension).map { _ in 0.3 * stream.normal() }
        for direction in directions {
            let share = 0.25 * stream.normal()
            for column in 0..<dimension { shift[column] += share * direction[column] }
        }
        return shift
    }

    private func fill(_ target: UnsafeMutablePointer<Float>, video: Int, row: Int, shift: [Float], parts: [Part]) {
        NormalNumbers.fill(target, count: dimension, seed: seed, video: video, row: row)
        for column in 0..<dimension { target[column] += shift[column] }
        let position = Float(row)
        for part in parts where part.start - 3 < position && position < part.end + 3 {
            // A window half inside an action shows half of it: over the first and last two rows the strength rises and falls.
            let inside = min(1, max(0, 0.5 + 0.5 * min(position - part.start, part.end - position)))
            add(directions[part.label], part.strength * inside, to: target)
            guard part.isAction else { continue }
            add(startDirection, max(0, 1 - abs(position - part.start) / 2), to: target)
            add(endDirection, max(0, 1 - abs(position - part.end) / 2), to: target)
        }
    }

    private func add(_ direction: [Float], _ factor: Float, to target: UnsafeMutablePointer<Float>) {
        guard factor > 0 else { return }
        direction.withUnsafeBufferPointer { source in
            for column in 0..<dimension { target[column] += factor * source[column] }
        }
    }

    private static func direction(_ seed: UInt64, _ purpose: String, _ index: Int, _ dimension: Int, length: Float) -> [Float] {
        var stream = RandomStream(seed: seed, "synthetic \(purpose)", index)
        let values = (0..<dimension).map { _ in stream.normal() }
        let norm = values.reduce(0) { $0 + $1 * $1 }.squareRoot()
        return values.map { $0 * length / max(norm, .leastNormalMagnitude) }
    }
}

/// Normal numbers in bulk: 16 random bits choose one of 65,536 quantiles.
enum NormalNumbers {
    /// The quantiles of the standard normal distribution at (i + 0.5) / 65,536, by Newton steps on `erfc`.
    private static let quantiles: [Float] = (0..<65536).map { index in
        let probability = (Double(index) + 0.5) / 65536
        var value = 0.0
        for _ in 0..<40 {
            let density = exp(-0.5 * value * value) / (2 * Double.pi).squareRoot()
            let step = (0.5 * erfc(-value / 2.0.squareRoot()) - probability) / max(density, 1e-12)
            value -= min(0.5, max(-0.5, step))
            if abs(step) < 1e-12 { break }
        }
        return Float(value)
    }

    static func fill(_ target: UnsafeMutablePointer<Float>, count: Int, seed: UInt64, video: Int, row: Int) {
        var stream = RandomStream(seed: seed, "synthetic noise", video, row)
        quantiles.withUnsafeBufferPointer { quantiles in
            var column = 0
            while column < count {
                let bits = stream.nextBits()
                target[column] = quantiles[Int(bits & 0xffff)]
                if column + 1 < count { target[column + 1] = quantiles[Int(bits >> 16)] }
                column += 2
            }
        }
    }
}
