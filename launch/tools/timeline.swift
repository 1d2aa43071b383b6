// swift launch/tools/timeline.swift ANNOTATIONS.json DETECTIONS.json RECORDING [--score S] [--tiou T] > timeline.svg
// Draws the actions of one recording and what was detected in it: a row per class, annotated actions above, detections below.
// ANNOTATIONS.json is of ActivityNet's form, DETECTIONS.json is what `kairos detect` and a run (`predictions.json`) write.
// Detections with a score of at least S (0.4) are drawn. From the highest score down each claims the free action of its class that it overlaps most;
// it counts as right when their tIoU is at least T (0.5). That is how `kairos evaluate` counts. The picture follows the reader's light or dark theme.
import Foundation

struct Failure: Error {
    let what: String
    let advice: String
    let code: Int32
}

struct Segment {
    let label: String
    let start: Double
    let end: Double
    var score = 1.0
    var isRight = true

    func overlap(with other: Segment) -> Double {
        let shared = min(end, other.end) - max(start, other.start)
        let together = max(end, other.end) - min(start, other.start)
        return shared > 0 && together > 0 ? shared / together : 0
    }
}

struct Recording {
    let name: String
    let duration: Double
    var actions: [Segment]
    var detections: [Segment]
    let scoreThreshold: Double
    let overlapThreshold: Double
}

// MARK: Reading

func object(atPath path: String) throws -> [String: Any] {
    guard let data = FileManager.default.contents(atPath: path) else {
        throw Failure(what: "the file '\(path)' cannot be read", advice: "name a file of annotations, then one of detections", code: 3)
    }
    guard let object = try? JSONSerialization.jsonObject(with: data) as? [String: Any] else {
        throw Failure(what: "'\(path)' is no JSON object", advice: "name the files that kairos writes", code: 3)
    }
    return object
}

func segments(_ values: Any?) -> [Segment] {
    (values as? [[String: Any]] ?? []).compactMap { value in
        guard let label = value["label"] as? String, let ends = value["segment"] as? [NSNumber], ends.count == 2 else { return nil }
        return Segment(label: label, start: ends[0].doubleValue, end: ends[1].doubleValue, score: (value["score"] as? NSNumber)?.doubleValue ?? 1)
    }
}

func recording(_ name: String, annotations: String, detections: String, score: Double, tiou: Double) throws -> Recording {
    let database = try object(atPath: annotations)["database"] as? [String: Any] ?? [:]
    let results = try object(atPath: detections)["results"] as? [String: Any] ?? [:]
    guard let entry = database[name] as? [String: Any], let duration = (entry["duration"] as? NSNumber)?.doubleValue, duration > 0 else {
        throw Failure(what: "'\(annotations)' has no recording '\(name)' with a duration", advice: "name one of its recordings", code: 3)
    }
    guard let found = results[name] else {
        let known = results.keys.sorted().prefix(5).joined(separator: ", ")
        throw Failure(what: "'\(detections)' has no recording '\(name)'", advice: "name one that was detected, such as \(known)", code: 3)
    }
    return Recording(
        name: name, duration: duration, actions: segments(entry["annotations"]).sorted { $0.start < $1.start },
        detections: segments(found).filter { $0.score >= score }.sorted { $0.score > $1.score }, scoreThreshold: score, overlapThreshold: tiou)
}

/// Marks the detections that are right; they stand in descending order of their scores.
func judge(_ recording: inout Recording) {
    var isFree = recording.actions.map { _ in true }
    for index in recording.detections.indices {
        let detection = recording.detections[index]
        let best = recording.actions.indices
            .filter { isFree[$0] && recording.actions[$0].label == detection.label }
            .max { detection.overlap(with: recording.actions[$0]) < detection.overlap(with: recording.actions[$1]) }
        guard let best, detection.overlap(with: recording.actions[best]) >= recording.overlapThreshold else {
            recording.detections[index].isRight = false
            continue
        }
        isFree[best] = false
    }
}

// MARK: Drawing

/// Widths and heights in pixels of the picture's own coordinates.
enum Layout {
    static let width = 960.0
    static let left = 170.0
    static let right = 24.0
    static let top = 66.0
    static let row = 30.0
    static let bar = 9.0
}

let style = """
    <style>
      text { font: 12px system-ui, "Segoe UI", Helvetica, Arial, sans-serif; fill: #1f2933; }
      .title { font-size: 15px; font-weight: 600; }
      .page { fill: #ffffff; } .band { fill: #f1f4f8; } .grid { stroke: #d5dce4; }
      .truth { fill: #64748b; } .right { fill: #0d9488; } .wrong { fill: none; stroke: #d9480f; stroke-width: 1.5; }
      @media (prefers-color-scheme: dark) {
        text { fill: #e2e8f0; }
        .page { fill: #0d1117; } .band { fill: #161d27; } .grid { stroke: #303a47; }
        .truth { fill: #94a3b8; } .right { fill: #2dd4bf; } .wrong { stroke: #ff9a62; }
      }
    </style>
    """

func escaped(_ text: String) -> String {
    text.replacingOccurrences(of: "&", with: "&amp;").replacingOccurrences(of: "<", with: "&lt;").replacingOccurrences(of: "\"", with: "&quot;")
}

func text(_ value: Double, places: Int = 1) -> String {
    String(format: "%.\(places)f", value)
}

/// A bar with its class, times and, for a detection, score as a tooltip.
func bar(_ segment: Segment, kind: String, y: Double, scale: Double) -> String {
    // The border of a hollow bar is drawn inside it, so that equal segments look equally long.
    let inset = kind == "wrong" ? 0.75 : 0
    let x = Layout.left + segment.start * scale
    let width = max((segment.end - segment.start) * scale, 2)
    let score = kind == "truth" ? "annotated" : "score \(text(segment.score, places: 2))"
    return """
        <rect class="\(kind)" x="\(text(x + inset, places: 2))" y="\(text(y + inset, places: 2))" width="\(text(max(width - 2 * inset, 0.5), places: 2))" \
        height="\(text(Layout.bar - 2 * inset, places: 2))" rx="1.5"><title>\(escaped(segment.label)) \(text(segment.start)) to \(text(segment.end)) s, \
        \(score)</title></rect>
        """
}

func legend(_ recording: Recording) -> [String] {
    let right = recording.detections.filter(\.isRight).count
    let tiou = recording.overlapThreshold
    let entries = [
        ("truth", "annotated (\(recording.actions.count))"),
        ("right", "detected, right: tIoU ≥ \(tiou) with an action of its class (\(right))"),
        ("wrong", "detected, wrong (\(recording.detections.count - right))"),
    ]
    var x = Layout.left
    return entries.map { kind, words in
        defer { x += 46 + Double(words.count) * 6.4 }
        let inset = kind == "wrong" ? 0.75 : 0
        return """
            <rect class="\(kind)" x="\(text(x + inset, places: 2))" y="\(text(39 + inset, places: 2))" width="\(22 - 2 * inset)" \
            height="\(Layout.bar - 2 * inset)" rx="1.5"/><text x="\(text(x + 28))" y="48">\(escaped(words))</text>
            """
    }
}

/// Grid lines and their times, at most ten of them.
func grid(_ duration: Double, scale: Double, bottom: Double) -> [String] {
    let steps = [1.0, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1_800, 3_600]
    let step = steps.first { duration / $0 <= 10 } ?? duration / 10
    return stride(from: 0, through: duration, by: step).map { time in
        let x = text(Layout.left + time * scale)
        return """
            <line class="grid" x1="\(x)" x2="\(x)" y1="\(Layout.top)" y2="\(bottom)"/>\
            <text x="\(x)" y="\(bottom + 17)" text-anchor="middle">\(text(time, places: 0))\(time == 0 ? " s" : "")</text>
            """
    }
}

func picture(_ recording: Recording) -> String {
    var classes: [String] = []
    for segment in recording.actions + recording.detections.sorted(by: { $0.start < $1.start }) where !classes.contains(segment.label) {
        classes.append(segment.label)
    }
    let scale = (Layout.width - Layout.left - Layout.right) / recording.duration
    let bottom = Layout.top + Double(classes.count) * Layout.row
    let height = text(bottom + 28, places: 0)
    let title = "\(recording.name): annotated actions and detections with a score of at least \(recording.scoreThreshold)"
    var lines = [
        #"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 \#(text(Layout.width, places: 0)) \#(height)" role="img">"#,
        "<title>\(escaped(title))</title>", style, #"<rect class="page" width="100%" height="100%"/>"#,
        #"<text class="title" x="\#(Layout.left)" y="24">\#(escaped(title))</text>"#,
    ]
    lines += legend(recording)
    for index in classes.indices where index % 2 == 0 {
        let y = Layout.top + Double(index) * Layout.row
        lines.append(#"<rect class="band" x="0" y="\#(y)" width="\#(Layout.width)" height="\#(Layout.row)"/>"#)
    }
    lines += grid(recording.duration, scale: scale, bottom: bottom)
    for (index, label) in classes.enumerated() {
        let y = Layout.top + Double(index) * Layout.row
        lines.append(#"<text x="\#(Layout.left - 10)" y="\#(y + 19)" text-anchor="end">\#(escaped(label))</text>"#)
        lines += recording.actions.filter { $0.label == label }.map { bar($0, kind: "truth", y: y + 5, scale: scale) }
        lines += recording.detections.filter { $0.label == label }
            .map { bar($0, kind: $0.isRight ? "right" : "wrong", y: y + 16, scale: scale) }
    }
    return (lines + ["</svg>"]).joined(separator: "\n")
}

// MARK: Command line

func value(after option: String, in arguments: inout [String], default standard: Double) throws -> Double {
    guard let index = arguments.firstIndex(of: option) else { return standard }
    guard index + 1 < arguments.count, let value = Double(arguments[index + 1]), (0...1).contains(value) else {
        throw Failure(what: "\(option) needs a number from 0 to 1", advice: "write for example \(option) \(standard)", code: 2)
    }
    arguments.removeSubrange(index...index + 1)
    return value
}

do {
    var arguments = Array(CommandLine.arguments.dropFirst())
    let score = try value(after: "--score", in: &arguments, default: 0.4)
    let tiou = try value(after: "--tiou", in: &arguments, default: 0.5)
    guard arguments.count == 3 else {
        throw Failure(
            what: "annotations, detections and a recording must be named",
            advice: "write swift launch/tools/timeline.swift ANNOTATIONS.json DETECTIONS.json RECORDING [--score S] [--tiou T]", code: 2)
    }
    var chosen = try recording(arguments[2], annotations: arguments[0], detections: arguments[1], score: score, tiou: tiou)
    judge(&chosen)
    print(picture(chosen))
} catch let failure as Failure {
    FileHandle.standardError.write(Data("error: \(failure.what)\n  do: \(failure.advice)\n".utf8))
    exit(failure.code)
}
