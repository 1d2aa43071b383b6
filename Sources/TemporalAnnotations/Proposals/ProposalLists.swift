import Diagnostics
import Digests
import Foundation

/// Segments of recordings that may hold actions, whatever their class, out of files of either form:
///
/// - ActivityNet's results JSON, in seconds, as `kairos detect` writes it; a segment that stands there for several classes counts once, with its best
///   score;
/// - the lists of the published P-GCN and BSN, in frames (`ProposalListReader`).
public struct ProposalLists: Sendable {
    /// The proposals of one recording.
    package struct Recording: Equatable, Sendable {
        /// In seconds, or in frames.
        package var segments: [Segment]
        /// Of the recording, which the segments are counted in; nil: they are in seconds.
        package var frames: Double?
        /// Where the recording stands.
        package var file: String
        package var line: Int
    }

    /// The files, in their order.
    public let files: [String]
    /// Of what is kept of the files, for comparisons between ranks.
    public let digest: String
    package private(set) var recordings: [VideoID: Recording] = [:]

    /// - Parameters:
    ///   - files: paths, each of either form.
    ///   - most: proposals of a recording that are kept: those with the largest scores, of a list without scores the first; nil: all.
    /// - Throws: `Failure` (`.badInput`) for a file that is of neither form, naming file, line and video, and for a recording in two files.
    public init(_ files: [String], most: Int? = nil) throws {
        self.files = files
        var hash = SHA256()
        for path in files {
            for (video, recording) in try Self.read(path) {
                if let other = recordings[video] {
                    throw Failure.badInput(
                        "the recording stands in '\(other.file)', too", at: .file(path), .line(recording.line), .video(video.name),
                        advice: "name every file of proposals once, and give each recording's in one of them")
                }
                var kept = recording
                if let most { kept.segments = Array(kept.segments.prefix(most)) }
                recordings[video] = kept
                Self.add(kept, of: video, to: &hash)
            }
        }
        digest = hash.hex()
    }

    /// Names and ends go into the digest.
    private static func add(_ recording: Recording, of video: VideoID, to hash: inout SHA256) {
        hash.update(video.name.utf8)
        for number in [recording.frames ?? -1] + recording.segments.flatMap({ [$0.start, $0.end] }) {
            withUnsafeBytes(of: number.bitPattern.littleEndian) { hash.update($0) }
        }
    }

    /// The proposals of a recording in seconds; nil: the files lack it.
    ///
    /// - Parameters:
    ///   - video: the recording.
    ///   - duration: its seconds, over which a list's frames are spread evenly.
    public func segments(of video: VideoID, duration: Double) -> [Segment]? {
        guard let recording = recordings[video] else { return nil }
        guard let frames = recording.frames else { return recording.segments }
        return recording.segments.map { Segment(start: $0.start / frames * duration, end: $0.end / frames * duration) }
    }

    private static func read(_ path: String) throws -> [(VideoID, Recording)] {
        let data = try readInput(
            path, unreadable: .badInput("the file does not exist or cannot be read", at: .file(path), advice: "check the path and the permissions"))
        let first = data.first { ![0x20, 0x09, 0x0A, 0x0D].contains($0) }
        guard let first else { throw Failure.badInput("the file is empty", at: .file(path), advice: "check what wrote it") }
        return first == UInt8(ascii: "#")
            ? try ProposalListReader(data, path: path).recordings() : try readJSON(try JSONNode.parse(data, file: path), path)
    }

    private static func readJSON(_ root: JSONNode, _ path: String) throws -> [(VideoID, Recording)] {
        // Of proposals the class says nothing.
        let anyClass = ClassMap(names: ["proposal"])
        return try DetectionFile.entries(of: root, path: path).map { entry in
            let video = VideoID(entry.name)
            let found = try entry.list.map { try DetectionFile.detection($0, of: video, classes: anyClass, path: path, as: 0) }
            let order = found.indices.sorted { found[$0].score != found[$1].score ? found[$0].score > found[$1].score : $0 < $1 }
            var seen = Set<Segment>()
            let segments = order.map { found[$0].segment }.filter { $0.length > 0 && seen.insert($0).inserted }
            return (video, Recording(segments: segments, frames: nil, file: path, line: entry.line.number))
        }
    }
}
