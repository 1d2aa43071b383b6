import Diagnostics
import Foundation
import TemporalAnnotations

/// Where some columns of every video lie: a file PREFIX VIDEO SUFFIX in a folder. The parts of a video are joined column by column, in their order.
struct FeaturePart: Hashable {
    let folder: String
    let prefix: String
    let suffix: String
    /// The array of `.npz` files.
    let array: String?

    func path(_ video: VideoID) -> String { "\(folder)/\(prefix)\(video)\(suffix)" }

    /// Every list holds as many entries as there are parts, or one for all (`arrays`: or none).
    static func parts(folders: [String], prefixes: [String], suffixes: [String], arrays: [String]) throws -> [FeaturePart] {
        let lists = [("--features", folders), ("--file-prefix", prefixes), ("--file-suffix", suffixes), ("--array", arrays)]
        let count = lists.map(\.1.count).max() ?? 0
        for (option, list) in lists where list.count != count && list.count > 1 {
            let longest = lists.first { $0.1.count == count }?.0 ?? ""
            throw Failure.wrongUsage(
                "\(option) was given \(list.count) times, \(longest) \(count) times", advice: "give each as often as the other, or once for all")
        }
        func entry(_ list: [String], _ index: Int) -> String? { list.count > 1 ? list[index] : list.first }
        let parts = (0..<count).map { index in
            FeaturePart(
                folder: entry(folders, index) ?? "", prefix: entry(prefixes, index) ?? "", suffix: entry(suffixes, index) ?? "",
                array: entry(arrays, index))
        }
        guard Set(parts).count == parts.count else {
            throw Failure.wrongUsage(
                "the same files of '\(parts[0].folder)' would be joined to themselves",
                advice: "name different folders with --features, or different --file-prefix, --file-suffix or --array")
        }
        for part in parts { try requireFolder(part.folder) }
        return parts
    }

    private static func requireFolder(_ folder: String) throws {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder) else {
            throw Failure.badInput("the folder of features does not exist", at: .file(folder), advice: "check the path")
        }
        guard isFolder.boolValue else {
            throw Failure.badInput(
                "this is a file, not a folder of features", at: .file(folder),
                advice: "give the folder that holds one .npy or .npz file per video")
        }
    }

    // MARK: What lies there

    /// The videos whose files lie there.
    func videos() -> [VideoID] {
        FolderContents(folder).paths.compactMap { path in
            guard path.hasPrefix(prefix), path.hasSuffix(suffix), path.count > prefix.count + suffix.count else { return nil }
            let name = String(path.dropFirst(prefix.count).dropLast(suffix.count))
            return name.contains("/") ? nil : VideoID(name)
        }
    }

    var pattern: String { "\(prefix)VIDEO\(suffix)" }

    /// No file lies there for some of the videos: says what does.
    func failure(missing: [VideoID], of videos: [VideoID]) -> Failure {
        let isNone = missing.count == videos.count
        let found = FolderContents(folder).seen(missing: missing, of: videos, by: self)
        let expected =
            isNone
            ? "check the folder: files named \(pattern) were expected (--file-prefix and --file-suffix change this)"
            : "add their files, or leave them out with --allow-missing"
        return .badInput(
            "\(missing.count) of \(videos.count) videos have no features: " + ImportFaults.quoted(missing.map(\.name), most: 5)
                + (found.what.map { "; \($0)" } ?? ""),
            at: .file(folder), advice: found.advice ?? expected)
    }

    /// There is no file at all for this part.
    func failureOfNone() -> Failure {
        let contents = FolderContents(folder)
        let suffix = contents.commonSuffix
        return .badInput(
            "no file is named \(pattern); \(contents.summary)", at: .file(folder),
            advice: suffix.map { "give --file-suffix \($0)" }
                ?? "check the folder: files named \(pattern) were expected (--file-prefix and --file-suffix change this)")
    }
}

/// The files of a folder and of the folders in it, for messages that say what lies there.
struct FolderContents {
    let folder: String
    /// Files of the folder, sorted by name, then those of the folders in it as FOLDER/NAME. Hidden ones are ignored.
    let paths: [String]
    private let ownCount: Int
    let folders: [String]

    private static let mostPaths = 200_000

    init(_ folder: String) {
        self.folder = folder
        func entries(_ path: String) -> [String] {
            ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).filter { !$0.hasPrefix(".") }.sorted()
        }
        func isFolder(_ path: String) -> Bool {
            var isFolder: ObjCBool = false
            return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
        }
        let names = entries(folder)
        let folders = names.filter { isFolder("\(folder)/\($0)") }
        let own = names.filter { !Set(folders).contains($0) }
        var paths = own
        for inner in folders where paths.count < Self.mostPaths {
            paths += entries("\(folder)/\(inner)").filter { !isFolder("\(folder)/\(inner)/\($0)") }.map { "\(inner)/\($0)" }
        }
        self.paths = paths
        self.folders = folders
        ownCount = own.count
    }

    /// What lies there, as a sentence.
    var summary: String {
        if ownCount > 0 { return "the folder holds \(Self.count(ownCount)) \(Self.examples(paths.prefix(ownCount)))" }
        guard !folders.isEmpty else { return "the folder is empty" }
        return "the folder holds no file, but the folder\(folders.count == 1 ? "" : "s") \(ImportFaults.quoted(folders, most: 3))"
    }

    /// The most frequent ending of readable files.
    var commonSuffix: String? {
        var counts: [String: Int] = [:]
        for path in paths.prefix(ownCount) {
            let suffix = URL(fileURLWithPath: path).pathExtension
            if !suffix.isEmpty { counts["." + suffix, default: 0] += 1 }
        }
        guard let best = counts.max(by: { ($0.value, $1.key) < ($1.value, $0.key) })?.key else { return nil }
        return paths.prefix(ownCount).first { $0.hasSuffix(best) }.flatMap { isReadable($0) ? best : nil }
    }

    /// What is said of videos without files: files that bear their names otherwise, or whatever lies there.
    func seen(missing: [VideoID], of videos: [VideoID], by part: FeaturePart) -> (what: String?, advice: String?) {
        let isNone = missing.count == videos.count
        let known = Set(videos.map { part.prefix + $0.name + part.suffix })
        if let (prefix, suffix, found, others) = namedOtherwise(missing, among: paths.filter { !known.contains($0) }) {
            let files =
                "\(Self.count(found.count, of: "\(prefix)VIDEO\(suffix)")) \(Self.examples(found[...]))"
                + (others > 0 ? " and \(others) of other videos named in other ways" : "")
            guard isReadable(found[0]) else {
                return ("the folder holds \(files), which are neither .npy nor .npz", "save the features with numpy.save")
            }
            guard isNone, others == 0 else {
                let form = isNone ? "put all of them, or links to them, into one folder" : "the others are named \(part.pattern)"
                return ("the folder holds \(files)", "give all files one form of name: \(form)")
            }
            let slash = prefix.lastIndex(of: "/")
            let inner = slash.map { prefix[..<$0] }
            let rest = slash.map { String(prefix[prefix.index(after: $0)...]) } ?? prefix
            let options = [
                inner.map { "--features \(folder)/\($0)" }, rest == part.prefix ? nil : "--file-prefix '\(rest)'",
                suffix == part.suffix ? nil : "--file-suffix '\(suffix)'",
            ].compactMap { $0 }
            return ("the folder holds \(files)", "give \(options.joined(separator: " "))")
        }
        if let (video, file) = otherCase(missing, part) {
            return ("the folder holds '\(file)' for video '\(video)', which differs in upper and lower case", "rename the files or the videos")
        }
        if let (video, file) = shorter(missing, part) {
            return ("the folder holds '\(file)', the annotations name the video '\(video)'", "name files and videos alike")
        }
        if isNone { return (summary, nil) }
        let others = paths.prefix(ownCount).filter { !known.contains($0) }
        return (others.isEmpty ? nil : "the folder holds \(Self.count(others.count)) of no video \(Self.examples(others[...]))", nil)
    }

    /// The prefix and suffix that find most of the videos, and how many others are found by other ones. A name within a longer word is none.
    private func namedOtherwise(
        _ videos: [VideoID], among paths: [String]
    ) -> (prefix: String, suffix: String, found: [String], others: Int)? {
        func isWord(_ character: Character?) -> Bool { character.map { $0.isLetter || $0.isNumber } ?? false }
        var patterns: [[String]] = []
        for video in Self.some(videos) {
            for path in paths {
                guard let range = path.range(of: video.name), path[range.upperBound...].range(of: video.name) == nil else { continue }
                let pattern = [String(path[..<range.lowerBound]), String(path[range.upperBound...])]
                guard !isWord(pattern[0].last), !isWord(pattern[1].first) else { continue }
                if !patterns.contains(pattern), patterns.count < 50 { patterns.append(pattern) }
            }
        }
        let there = Set(paths)
        var all: Set<VideoID> = []
        var best: (prefix: String, suffix: String, found: [String])?
        for pattern in patterns.sorted(by: { $0[0].count + $0[1].count < $1[0].count + $1[1].count }) {
            let found = videos.filter { there.contains(pattern[0] + $0.name + pattern[1]) }
            all.formUnion(found)
            if found.count > best?.found.count ?? 0 { best = (pattern[0], pattern[1], found.map { pattern[0] + $0.name + pattern[1] }) }
        }
        return best.map { ($0.prefix, $0.suffix, $0.found, all.count - $0.found.count) }
    }

    /// Up to ten videos, from beginning to end.
    private static func some(_ videos: [VideoID]) -> [VideoID] {
        stride(from: 0, to: videos.count, by: max(1, videos.count / 10)).map { videos[$0] }
    }

    /// A file named like a video whose name has something more: the ending of a film, or a word before it.
    private func shorter(_ videos: [VideoID], _ part: FeaturePart) -> (video: VideoID, file: String)? {
        let there = Set(paths)
        for video in Self.some(videos) {
            let stem = (video.name as NSString).deletingPathExtension
            let words = video.name.indices.filter { "_-".contains(video.name[$0]) }.map { String(video.name[video.name.index(after: $0)...]) }
            let names = ([stem] + words).filter { $0 != video.name && !$0.isEmpty }
            if let file = names.lazy.map({ part.prefix + $0 + part.suffix }).first(where: { there.contains($0) }) { return (video, file) }
        }
        return nil
    }

    private func otherCase(_ videos: [VideoID], _ part: FeaturePart) -> (video: VideoID, file: String)? {
        let folded = Dictionary(paths.map { ($0.lowercased(), $0) }, uniquingKeysWith: { first, _ in first })
        return videos.lazy.compactMap { video in
            folded[(part.prefix + video.name + part.suffix).lowercased()].map { (video, $0) }
        }.first
    }

    private func isReadable(_ path: String) -> Bool {
        guard let bytes = try? InputBytes(path: "\(folder)/\(path)"), let head = try? bytes.read(0..<min(6, bytes.count)) else { return false }
        return head == NumpyHeader.magic || ZipArchive.isArchive(head)
    }

    private static func count(_ number: Int, of pattern: String? = nil) -> String {
        "\(number) file\(number == 1 ? "" : "s")" + (pattern.map { " \($0)" } ?? "")
    }

    private static func examples(_ names: some Collection<String>) -> String {
        "(\(names.prefix(3).joined(separator: ", "))\(names.count > 3 ? ", ..." : ""))"
    }
}
