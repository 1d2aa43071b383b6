import Diagnostics
import Foundation

extension DetectionFile {
    /// Writes detections so that no reader sees half of them: as CSV when the path ends in `.csv`, as JSON otherwise.
    ///
    /// - Throws: `Failure` (`.failed`) for a number that is not finite, or when the file cannot be written.
    public static func write(_ detections: [(video: VideoID, detections: [Detection])], classes: ClassMap, to path: String) throws {
        try write(videos: detections.count, classes: classes, to: path) { detections[$0] }
    }

    /// Writes detections of any number of videos, which are asked for one after another and not kept.
    ///
    /// - Parameters:
    ///   - count: number of videos.
    ///   - classes: names of the classes by number.
    ///   - path: where to; its ending says in which form.
    ///   - entry: a video and its detections.
    /// - Throws: as `write`; whatever `entry` throws.
    public static func write(
        videos count: Int, classes: ClassMap, to path: String, _ entry: (Int) throws -> (video: VideoID, detections: [Detection])
    ) throws {
        let isCSV = isCSV(path)
        try replaceFile(at: path) { part in
            let file = try PiecewiseFile(part)
            try file.write(isCSV ? csvHead : jsonBegin)
            for index in 0..<count {
                let (video, detections) = try entry(index)
                if isCSV {
                    try file.write(try csv(video, detections, classes))
                } else {
                    try file.write((index > 0 ? ",\n" : "") + (try self.entry(video, detections, classes)))
                }
            }
            if !isCSV { try file.write(jsonEnd) }
            try file.finish()
        }
    }

    // MARK: CSV

    /// Whether a path asks for CSV.
    public static func isCSV(_ path: String) -> Bool { path.lowercased().hasSuffix(".csv") }

    static let csvHead = "video,label,start,end,score\n"

    /// A line per detection, by RFC 4180 but for the ends of lines; a video without detections has none.
    static func csv(_ video: VideoID, _ detections: [Detection], _ classes: ClassMap) throws -> String {
        try detections.map { detection in
            let numbers = try [detection.segment.start, detection.segment.end, detection.score].map { try number($0, video) }
            return ([csvField(video.name), csvField(classes.names[detection.label])] + numbers).joined(separator: ",") + "\n"
        }.joined()
    }

    private static func csvField(_ text: String) -> String {
        let needsQuotes = text.unicodeScalars.contains { ",\"\n\r".unicodeScalars.contains($0) } || text.first == " " || text.last == " "
        return needsQuotes ? "\"\(text.replacingOccurrences(of: "\"", with: "\"\""))\"" : text
    }
}

/// A file that is written from its beginning to its end, a megabyte at a time.
private final class PiecewiseFile {
    private let path: String
    private var descriptor: Int32
    private var pending = Data()

    init(_ path: String) throws {
        self.path = path
        descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        if descriptor < 0 { throw failure(errno) }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    func write(_ text: String) throws {
        pending.append(contentsOf: text.utf8)
        if pending.count >= 1 << 20 { try flush() }
    }

    private func flush() throws {
        Activity.tick()
        let code = writeWhole(pending, to: descriptor)
        guard code == 0 else { throw failure(code) }
        pending.removeAll(keepingCapacity: true)
    }

    /// A network's or quota's refusal may come as late as this.
    func finish() throws {
        try flush()
        let code = close(descriptor) == 0 ? 0 : errno
        descriptor = -1
        guard code == 0 else { throw failure(code) }
    }

    private func failure(_ code: Int32) -> Failure {
        .failed(
            "the file could not be written: \(String(cString: strerror(code)))", at: .file(path),
            advice: "check the folder's permissions and free space")
    }
}
