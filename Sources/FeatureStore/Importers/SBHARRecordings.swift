import Diagnostics
import Foundation
import TemporalAnnotations

/// The raw recordings of "Smartphone-Based Recognition of Human Activities and Postural Transitions" (Reyes-Ortiz et al. 2015, UCI) as temporal
/// action localization (Bock et al. 2024): a feature row is one window of 50 samples, flattened sample by sample, every 25 samples.
///
/// The folder holds `RawData/{acc,gyro}_expXX_userYY.txt` (one sample per line, 50 Hz; acceleration in g, angular velocity in rad/s; kept as they
/// are), `RawData/labels.txt` (experiment, user, activity, first sample, last sample), `activity_labels.txt` and `Test/subject_id_test.txt`.
public final class SBHARRecordings: FeatureSource {
    /// Which sensors make up a row.
    public enum Channels: String, CaseIterable, Sendable {
        /// x y z of the accelerometer: 150 values per row.
        case acceleration
        /// x y z of the accelerometer, then x y z of the gyroscope: 300 values per row.
        case all
    }

    /// Samples per second.
    public static let sampleRate = 50
    /// Samples per row.
    public static let window = 50
    /// Samples between rows.
    public static let stride = 25

    public private(set) var classes: ClassMap
    /// Samples of a window times channels: a row is the raw window, sample by sample.
    public let dimension: Int
    public private(set) var videos: [VideoPlan] = []
    private let channels: Channels
    private var pieces: [Piece] = []
    private var loaded: (recording: String, samples: [Float])?
    private let folder: String

    /// A recording, or a clip of one.
    private struct Piece {
        let recording: String
        /// Samples of the whole recording.
        let total: Int
        let samples: Range<Int>
    }

    /// - Parameters:
    ///   - folder: the unpacked data set.
    ///   - channels: which sensors.
    ///   - clipSeconds: cuts recordings into clips of this length, named `exp01_user01_clip003`, each with the parts of the actions that lie
    ///     in it; a last clip shorter than one window is left out.
    /// - Throws: `Failure`: `.wrongUsage` for a clip length out of bounds, `.badInput` for files that are missing, malformed or do not fit together.
    public init(folder: String, channels: Channels = .acceleration, clipSeconds: Double? = nil) throws {
        self.folder = folder
        self.channels = channels
        dimension = Self.window * (channels == .all ? 6 : 3)
        if let clipSeconds, !(clipSeconds.isFinite && clipSeconds * Double(Self.sampleRate) >= Double(Self.window)) {
            throw Failure.wrongUsage(
                "clips of \(clipSeconds) s are shorter than one window of \(Self.window) samples (1 s)", advice: "give --clip-seconds at least 1")
        }
        if let clipSeconds, clipSeconds > FeatureLimits.duration {
            throw Failure.wrongUsage(
                "--clip-seconds is \(clipSeconds), more than \(Int(FeatureLimits.duration))", advice: "leave it out to keep recordings whole")
        }
        let files = try SBHARFolder(folder)
        classes = try files.classes()
        let testUsers = try files.testUsers()
        let labels = try files.labels(classCount: classes.count)
        var faults = ImportFaults()
        let recordings = try files.recordings()
        for recording in recordings {
            let id = VideoID(recording.name)
            guard let total = try faults.attempt(.file, id, { try Self.samples(of: recording.name, files, channels) }) else { continue }
            let actions = labels[recording.name] ?? []
            guard try faults.attempt(.segment, id, { try Self.check(actions, of: recording.name, total: total, files) }) != nil else { continue }
            let subset: Subset = testUsers.contains(recording.user) ? "Test" : "Validation"
            let clip = clipSeconds.map { Int(($0 * Double(Self.sampleRate)).rounded()) } ?? total
            for (number, first) in Swift.stride(from: 0, to: total, by: clip).enumerated() {
                let samples = first..<min(first + clip, total)
                guard samples.count >= Self.window else { continue }
                let name = clipSeconds == nil ? recording.name : recording.name + String(format: "_clip%03d", number)
                let piece = Piece(recording: recording.name, total: total, samples: samples)
                add(name, piece, subset, actions, file: files.path("acc_\(recording.name)"))
            }
        }
        for (name, failure) in files.missingRecordings(of: labels) { faults.add(.missing, VideoID(name), failure) }
        try faults.check("recordings", of: Set(recordings.map(\.name)).union(labels.keys).count, at: [.file(folder)])
    }

    /// Samples of a recording, once its files have been looked at.
    private static func samples(of name: String, _ files: SBHARFolder, _ channels: Channels) throws -> Int {
        let total = try files.sampleCount("acc_\(name)")
        guard total >= window else {
            throw Failure.badInput(
                "the recording has \(total) samples, one window has \(window)", at: .file(files.path("acc_\(name)")), .video(name),
                advice: "copy the file again, or remove the recording and its labels")
        }
        if channels == .all { try files.requireFile("gyro_\(name)") }
        return total
    }

    private static func check(_ actions: [SBHARFolder.Action], of name: String, total: Int, _ files: SBHARFolder) throws {
        for action in actions where action.last > total {
            throw Failure.badInput(
                "the activity ends at sample \(action.last), the recording '\(name)' has \(total)", at: .file(files.labelsPath),
                .line(action.line), advice: "check that labels and recordings belong together")
        }
    }

    /// Keeps the actions of some classes; all others become background.
    public func select(_ selection: inout ClassSelection) {
        for index in videos.indices { videos[index].annotation = selection.select(videos[index].annotation) }
        classes = selection.classes
    }

    private func add(_ name: String, _ piece: Piece, _ subset: Subset, _ actions: [SBHARFolder.Action], file: String) {
        let rate = Double(Self.sampleRate)
        let instances = actions.compactMap { action -> ActionInstance? in
            let first = max(action.first, piece.samples.lowerBound) - piece.samples.lowerBound
            let last = min(action.last, piece.samples.upperBound) - piece.samples.lowerBound
            guard first < last else { return nil }
            return ActionInstance(segment: Segment(start: Double(first) / rate, end: Double(last) / rate), label: action.label)
        }
        let annotation = VideoAnnotation(
            id: VideoID(name), subset: subset, duration: Double(piece.samples.count) / rate, fps: rate, instances: instances)
        let grid = FeatureGrid(fps: rate, stride: Double(Self.stride), window: Double(Self.window))
        videos.append(VideoPlan(rows: (piece.samples.count - Self.window) / Self.stride + 1, grid: grid, annotation: annotation, file: file))
        pieces.append(piece)
    }

    /// Cuts overlapping windows from a recording's samples; the recording read last stays in memory.
    ///
    /// - Throws: `Failure.badInput` for a file that cannot be read or parsed.
    public func readRows(ofVideo index: Int, into target: UnsafeMutablePointer<Float>) throws {
        let piece = pieces[index]
        if loaded?.recording != piece.recording { loaded = (piece.recording, try load(piece)) }
        guard let samples = loaded?.samples else { return }
        let width = dimension / Self.window
        samples.withUnsafeBufferPointer { source in
            guard let base = source.baseAddress else { return }
            for row in 0..<videos[index].rows {
                let first = piece.samples.lowerBound + row * Self.stride
                (target + row * dimension).update(from: base + first * width, count: dimension)
            }
        }
    }

    /// All samples of a recording, [samples, 3 or 6].
    private func load(_ piece: Piece) throws -> [Float] {
        let files = try SBHARFolder(folder)
        let acceleration = try files.samples("acc_\(piece.recording)", count: piece.total)
        guard channels == .all else { return acceleration }
        let rotation = try files.samples("gyro_\(piece.recording)", count: piece.total)
        var both = [Float](repeating: 0, count: piece.total * 6)
        for sample in 0..<piece.total {
            for axis in 0..<3 {
                both[sample * 6 + axis] = acceleration[sample * 3 + axis]
                both[sample * 6 + 3 + axis] = rotation[sample * 3 + axis]
            }
        }
        return both
    }
}
