import Diagnostics
import Foundation

/// A list of proposals in the form of the published P-GCN, SSN and BSN lists (Alvin-Zeng/PGCN, `ops/io.py`). Of every recording:
///
///     # INDEX
///     PATH/OF/VIDEO
///     FRAMES
///     FACTOR OF FRAMES (1)
///     NUMBER OF ACTIONS
///     CLASS START END                       (a line each)
///     NUMBER OF PROPOSALS
///     CLASS TIOU OVERLAP START END          (a line each)
///
/// Starts and ends are in frames. Classes, overlaps and actions are read, but what counts are the annotations of the feature store. Proposals without
/// length and those behind the last frame are left out, as the published code does.
struct ProposalListReader {
    private let path: String
    private let lines: [(number: Int, text: Substring)]

    /// - Throws: `Failure` (`.badInput`) for what is not text.
    init(_ data: Data, path: String) throws {
        guard let text = String(data: data, encoding: .utf8) else {
            throw Failure.badInput("the file is not UTF-8", at: .file(path), advice: "check that it is the list, not packed")
        }
        self.path = path
        lines = text.split(omittingEmptySubsequences: false) { $0.isNewline }.enumerated().map { ($0 + 1, $1) }
            .filter { !$0.1.allSatisfy(\.isWhitespace) }
    }

    /// The recordings in the order of the file.
    ///
    /// - Throws: `Failure` (`.badInput`), naming file, line and video.
    func recordings() throws -> [(VideoID, ProposalLists.Recording)] {
        var result: [(VideoID, ProposalLists.Recording)] = [], seen = Set<VideoID>(), place = 0
        while place < lines.count {
            let head = lines[place]
            guard head.text.first == "#" else {
                throw failure("'\(shortened(head.text))' stands where '# INDEX' of the next recording should", head.number, nil)
            }
            var block = Block(reader: self, place: place + 1)
            let (video, recording) = try block.recording()
            guard seen.insert(video).inserted else {
                throw Failure.badInput(
                    "the recording stands twice in the file", at: .file(path), .line(recording.line), .video(video.name),
                    advice: "keep one of the two entries")
            }
            result.append((video, recording))
            place = block.place
        }
        return result
    }

    private func failure(_ what: String, _ line: Int, _ video: String?) -> Failure {
        Failure(
            .badInput, what, at: [.file(path), .line(line)] + (video.map { [.video($0)] } ?? []),
            advice: "copy the list again from its source; docs/methods.md has its form")
    }

    private func shortened(_ text: Substring) -> String { text.count > 40 ? text.prefix(40) + "..." : String(text) }

    /// The lines of one recording.
    private struct Block {
        let reader: ProposalListReader
        var place: Int
        private var video: String?

        init(reader: ProposalListReader, place: Int) {
            self.reader = reader
            self.place = place
        }

        mutating func recording() throws -> (VideoID, ProposalLists.Recording) {
            let (line, path) = try next("the name of the recording")
            let name = path.split(separator: "/").last.map(String.init) ?? ""
            guard !name.isEmpty, path.first != "#" else { throw reader.failure("'\(path)' is no name of a recording", line, nil) }
            video = name
            let frames = try number("the number of frames"), factor = try number("the factor of the frames"), total = (frames * factor).rounded(.down)
            guard total >= 1 else { throw reader.failure("the recording has \(text(total)) frames", line, name) }
            for _ in 0..<(try count("the number of actions")) { _ = try segment("an action", ["CLASS", "START", "END"]) }
            var segments: [Segment] = []
            for _ in 0..<(try count("the number of proposals")) {
                let segment = try segment("a proposal", ["CLASS", "TIOU", "OVERLAP", "START", "END"])
                if segment.length > 0, segment.start < total { segments.append(segment) }
            }
            return (VideoID(name), .init(segments: segments, frames: total, file: reader.path, line: line))
        }

        private mutating func next(_ what: String) throws -> (line: Int, text: String) {
            guard place < reader.lines.count else {
                throw reader.failure("the file ends where \(what) should stand", reader.lines.last?.number ?? 1, video)
            }
            defer { place += 1 }
            return (reader.lines[place].number, reader.lines[place].text.trimmingCharacters(in: .whitespaces))
        }

        private mutating func number(_ what: String) throws -> Double {
            let (line, text) = try next(what)
            guard let number = Double(text), number.isFinite, (0...1e12).contains(number) else {
                throw reader.failure("'\(reader.shortened(text[...]))' stands where \(what) should", line, video)
            }
            return number
        }

        private mutating func count(_ what: String) throws -> Int {
            let (line, text) = try next(what)
            guard let count = Int(text), (0...10_000_000).contains(count) else {
                throw reader.failure("'\(reader.shortened(text[...]))' stands where \(what) should", line, video)
            }
            return count
        }

        /// Its last two numbers are the ends.
        private mutating func segment(_ what: String, _ names: [String]) throws -> Segment {
            let (line, text) = try next(what), fields = text.split { $0.isWhitespace }, numbers = fields.compactMap { Double($0) }
            guard fields.count == names.count, numbers.count == names.count, numbers.allSatisfy(\.isFinite) else {
                throw reader.failure("'\(reader.shortened(text[...]))' is not \(what): \(names.joined(separator: " "))", line, video)
            }
            let segment = Segment(start: numbers[names.count - 2], end: numbers[names.count - 1])
            guard segment.start >= 0, segment.start <= segment.end else {
                throw reader.failure(
                    "the frames of \(what) are from \(TemporalAnnotations.text(segment.start)) to \(TemporalAnnotations.text(segment.end))", line,
                    video)
            }
            return segment
        }
    }
}
