import Diagnostics
import Foundation
import TemporalAnnotations

/// What a detection that is not finished has found: `OUTPUT.progress`, a line of JSON per recording behind a line that says of what it is.
///
/// Lines are added and never changed. What is behind the last whole line was cut off while it was written, and is removed.
final class DetectionProgress {
    let path: String
    /// Where the line of a recording lies, and what its files were.
    private var lines: [VideoID: (range: Range<Int>, stamp: String)] = [:]
    private var descriptor: Int32
    private var end = 0
    private static let format = "kairos detections in progress"

    /// Opens the file, or makes it where there is none.
    ///
    /// - Parameters:
    ///   - output: the file that will hold the detections.
    ///   - identity: everything that decides the detections: names and values.
    ///   - restart: begin again, whatever is there.
    /// - Throws: `Failure.wrongUsage` when the file is of another detection; `.badInput` when it is damaged; `.failed` when it cannot be written.
    init(of output: String, identity: [(name: String, value: String)], restart: Bool) throws {
        path = output + ".progress"
        try requireRegularFile(path, .failed)
        descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | (restart ? O_TRUNC : 0), 0o666)
        guard descriptor >= 0 else { throw failure(errno) }
        let head = try ([("format", Self.format)] + identity).map { "\(try quoted($0.0)): \(try quoted($0.1))" }.joined(separator: ", ")
        try readLines(identity)
        guard ftruncate(descriptor, off_t(end)) == 0, lseek(descriptor, 0, SEEK_END) >= 0 else { throw failure(errno) }
        if end == 0 { try add(["{\(head)}"]) }
    }

    deinit { close(descriptor) }

    /// Recordings that are done, unless their files have changed since.
    ///
    /// - Parameter stamp: of the recording's files as they are now.
    func holds(_ video: VideoID, stamp: String) -> Bool { lines[video]?.stamp == stamp }

    /// - Throws: `Failure` for a line that cannot be read.
    func detections(of video: VideoID) throws -> [Detection] {
        guard let line = lines[video] else { return [] }
        var bytes = [UInt8](repeating: 0, count: line.range.count)
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeMutableBytes {
                pread(descriptor, $0.baseAddress! + done, $0.count - done, off_t(line.range.lowerBound + done))
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw failure(count < 0 ? errno : EIO) }
            done += count
        }
        let node = try JSONNode.parse(Data(bytes), file: path)
        return try (node["detections"]?.array ?? []).map { entry in
            let numbers = (entry.array ?? []).compactMap(\.number)
            guard numbers.count == 4, let label = Int(exactly: numbers[2]) else { throw damaged(video.name) }
            return Detection(video: video, segment: Segment(start: numbers[0], end: numbers[1]), label: label, score: numbers[3])
        }
    }

    /// Adds recordings; afterwards they are on the disk.
    ///
    /// - Throws: `Failure.failed` when they cannot be written.
    func add(_ found: [(video: VideoID, stamp: String, detections: [Detection])]) throws {
        guard !found.isEmpty else { return }
        let texts = try found.map { entry in
            let list = try entry.detections.map { detection in
                let numbers = try [detection.segment.start, detection.segment.end].map { try number($0, entry.video) }
                return "[\(numbers[0]), \(numbers[1]), \(detection.label), \(try number(detection.score, entry.video))]"
            }
            return "{\"video\": \(try quoted(entry.video.name)), \"files\": \(try quoted(entry.stamp)), "
                + "\"detections\": [\(list.joined(separator: ", "))]}"
        }
        let ranges = try add(texts)
        for (entry, range) in zip(found, ranges) { lines[entry.video] = (range, entry.stamp) }
    }

    /// - Returns: where the lines lie, without their ends.
    @discardableResult
    private func add(_ texts: [String]) throws -> [Range<Int>] {
        var data = Data()
        var ranges: [Range<Int>] = []
        for text in texts {
            ranges.append(end + data.count..<end + data.count + text.utf8.count)
            data.append(contentsOf: text.utf8)
            data.append(UInt8(ascii: "\n"))
        }
        let code = writeWhole(data, to: descriptor)
        guard code == 0, fsync(descriptor) == 0 else { throw failure(code == 0 ? errno : code) }
        end += data.count
        return ranges
    }

    /// Removes the file: all of it stands in the output.
    func remove() { unlink(path) }

    // MARK: Reading

    private func readLines(_ identity: [(name: String, value: String)]) throws {
        var pending: [UInt8] = [], buffer = [UInt8](repeating: 0, count: 1 << 20)
        while true {
            let count = buffer.withUnsafeMutableBytes { read(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw failure(errno) }
            if count == 0 { break }
            Activity.tick()
            pending += buffer[..<count]
            var first = 0
            while let stop = pending[first...].firstIndex(of: UInt8(ascii: "\n")) {
                try addLine(Data(pending[first..<stop]), identity)
                first = stop + 1
            }
            pending.removeFirst(first)
        }
    }

    private func addLine(_ data: Data, _ identity: [(name: String, value: String)]) throws {
        guard let node = try? JSONNode.parse(data, file: path) else { throw damaged(nil) }
        if end == 0 {
            guard node["format"]?.string == Self.format else {
                throw Failure.wrongUsage(
                    "this is not the progress of a detection", at: .file(path), advice: "choose another --output, or remove the file")
            }
            let differing = identity.filter { node[$0.name]?.string != $0.value }.map(\.name)
            guard differing.isEmpty else {
                throw Failure.wrongUsage(
                    "an unfinished detection lies there that differs in: \(differing.joined(separator: ", "))", at: .file(path),
                    advice: "give what it was started with to continue it, or --restart to begin again")
            }
        } else {
            guard let name = node["video"]?.string, let stamp = node["files"]?.string else { throw damaged(nil) }
            lines[VideoID(name)] = (end..<end + data.count, stamp)
        }
        end += data.count + 1
    }

    private func damaged(_ video: String?) -> Failure {
        Failure(
            .badInput, "the progress of the detection is damaged", at: [.file(path)] + (video.map { [.video($0)] } ?? []),
            advice: "begin again with --restart")
    }

    private func failure(_ code: Int32) -> Failure {
        .failed(
            "the progress of the detection could not be written: \(String(cString: strerror(code)))", at: .file(path),
            advice: "check the folder's permissions and free space, then start the same command again")
    }
}

/// The size and the time of change of files: who changes a file changes its stamp.
///
/// - Parameter paths: of one recording.
/// - Returns: "SIZE:NANOSECONDS" of each.
func fileStamp(_ paths: [String]) -> String {
    paths.map { path in
        var status = stat()
        guard stat(path, &status) == 0 else { return "-" }
        return "\(status.st_size):\(status.st_mtim.tv_sec)\(String(format: "%09d", status.st_mtim.tv_nsec))"
    }
    .joined(separator: ",")
}
