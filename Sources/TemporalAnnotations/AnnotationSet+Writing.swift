import Diagnostics
import Foundation

extension AnnotationSet {
    /// The form that `init(readingJSON:)` reads, one video per line, with `label_id`.
    ///
    /// - Throws: `Failure` (`.failed`) for a number that is not finite.
    public func json() throws -> Data {
        var lines: [String] = []
        for video in videos {
            func label(_ label: Int) throws -> String { "{\"label\": \(try quoted(classes.names[label])), \"label_id\": \(label)" }
            let instances =
                try video.instances.map { instance in
                    try label(instance.label)
                        + ", \"segment\": [\(try number(instance.segment.start, video.id)), \(try number(instance.segment.end, video.id))]}"
                } + video.weakLabels.map { try label($0) + "}" }
            let fps = try video.fps.map { "\"fps\": \(try number($0, video.id)), " } ?? ""
            lines.append(
                "\(try quoted(video.id.name)): {\"subset\": \(try quoted(video.subset.rawValue)), "
                    + "\"duration\": \(try number(video.duration, video.id)), \(fps)\"annotations\": [\(instances.joined(separator: ", "))]}")
        }
        return Data("{\"version\": \(try quoted(version)), \"database\": {\n\(lines.joined(separator: ",\n"))\n}}\n".utf8)
    }

    /// Writes `json()` so that no reader sees half of it.
    ///
    /// - Throws: as `json()`; `Failure` (`.failed`) when the file cannot be written.
    public func write(to path: String) throws {
        try replaceFile(at: path, with: try json())
    }
}

/// A JSON string.
package func quoted(_ string: String) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .withoutEscapingSlashes
    return String(decoding: try encoder.encode(string), as: UTF8.self)
}

/// The shortest decimal that reads back as the same double.
///
/// - Throws: `Failure` (`.failed`) when the number is not finite: JSON has no such numbers.
package func number(_ value: Double, _ video: VideoID) throws -> String {
    guard value.isFinite else {
        throw Failure.failed(
            "the number \(text(value)) cannot be written to JSON", at: .video(video.name),
            advice: "check what computed it: only finite numbers are expected")
    }
    return "\(value)"
}
