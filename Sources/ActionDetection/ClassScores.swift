import Detectors
import Diagnostics
import FeatureStore
import Foundation
import PostProcessing
import TemporalAnnotations
import TrainingMethods

/// Scores of a classifier of videos (`test.class_scores`), from which detections take their classes.
///
/// Forms: JSON `{"results": {VIDEO: [score, ...]}, "class": [name, ...]}` (ActivityNet's `cuhk_val_simp_share.json`) or `{VIDEO: [score, ...]}`; `.npy`
/// [videos, classes], whose row is the number at the end of a video's name, counted from 1 (UntrimmedNet's `uNet_test.npy`).
public struct ClassScores {
    /// What the detections' labels count.
    public let classes: ClassMap
    private let path: String
    private let fusion: ClassScoreFusion
    private let scores: Scores
    /// The column of every class.
    private let columns: [Int]

    private enum Scores {
        case named([String: [Double]])
        case numbered(columns: Int, [Float])
    }

    /// - Parameters:
    ///   - configuration: names the file.
    ///   - classes: those of the detector; one whose classes do not count takes all that the file names.
    /// - Returns: nil when no file is named.
    /// - Throws: `Failure.badInput` when the file is of no such form, or lacks a class.
    public init?(_ configuration: RunConfiguration, classes: ClassMap) throws {
        guard let path = configuration.test.classScores else { return nil }
        self.path = path
        fusion = configuration.test.fusion
        var names: [String]?
        var count = 0
        if path.lowercased().hasSuffix(".npy") {
            let bytes = try InputBytes(path: path), file = try NumpyFile(bytes)
            var values = [Float](repeating: 0, count: file.header.rows * file.header.columns)
            try values.withUnsafeMutableBufferPointer { if let base = $0.baseAddress { try file.read(bytes, into: base) } }
            guard values.allSatisfy(\.isFinite) else {
                throw Failure.badInput("the class scores hold NaN or infinity", at: .file(path), advice: "check what wrote them")
            }
            count = file.header.columns
            scores = .numbered(columns: count, values)
            if count == Self.actionsOfTHUMOS { names = Self.namesOfTHUMOS }
        } else {
            let read = try Self.readJSON(path)
            (names, count) = (read.names, read.count)
            scores = .named(read.scores)
        }
        (self.classes, columns) = try Self.match(names, count: count, classes, isAgnostic: configuration.data.classAgnostic, path: path)
    }

    // MARK: Classes

    private static func match(
        _ names: [String]?, count: Int, _ classes: ClassMap, isAgnostic: Bool, path: String
    ) throws -> (ClassMap, [Int]) {
        guard let names else {
            guard !isAgnostic else {
                throw Failure.badInput(
                    "the class scores name no classes, and the detector knows none", at: .file(path), .key("test.class_scores"),
                    advice: "give a JSON file with \"class\": [\"NAME\", ...]")
            }
            guard count == classes.count else {
                throw Failure.badInput(
                    "the class scores are of \(count) classes, the detector has \(classes.count)", at: .file(path), .key("test.class_scores"),
                    advice: "give scores of the detector's classes in its order, or a JSON file that names them")
            }
            return (classes, Array(0..<count))
        }
        let named = names.enumerated().filter { !$0.element.isEmpty }
        guard !isAgnostic else { return (ClassMap(names: named.map(\.element)), named.map(\.offset)) }
        let places = Dictionary(named.map { (foldedName($0.element), $0.offset) }, uniquingKeysWith: { first, _ in first })
        let columns = classes.names.map { places[foldedName($0)] }
        if let missing = columns.firstIndex(of: nil) {
            throw Failure.badInput(
                "the class scores lack \(columns.count { $0 == nil }) of the detector's \(classes.count) classes, the first is "
                    + "'\(classes.names[missing])'", at: .file(path), .key("test.class_scores"), advice: "give scores of all classes")
        }
        return (classes, columns.compactMap { $0 })
    }

    /// UntrimmedNet's columns for THUMOS14 are UCF101's classes in their order, of which 20 are localized.
    private static let actionsOfTHUMOS = 101
    private static let namesOfTHUMOS: [String] = {
        let numbers = [
            7: "BaseballPitch", 9: "BasketballDunk", 12: "Billiards", 21: "CleanAndJerk", 22: "CliffDiving", 23: "CricketBowling", 24: "CricketShot",
            26: "Diving", 31: "FrisbeeCatch", 33: "GolfSwing", 36: "HammerThrow", 40: "HighJump", 45: "JavelinThrow", 51: "LongJump", 68: "PoleVault",
            79: "Shotput", 85: "SoccerPenalty", 92: "TennisSwing", 93: "ThrowDiscus", 97: "VolleyballSpiking",
        ]
        return (1...actionsOfTHUMOS).map { numbers[$0] ?? "" }
    }()

    // MARK: JSON

    private static let advice = "the form is {\"results\": {VIDEO: [score, ...]}, \"class\": [\"NAME\", ...]}"

    private static func readJSON(_ path: String) throws -> (names: [String]?, count: Int, scores: [String: [Double]]) {
        let root = try JSONNode.read(path)
        guard let videos = (root["results"] ?? root).members, !videos.isEmpty else {
            throw Failure.badInput("the file holds no scores of videos", at: .file(path), advice: advice)
        }
        let names =
            try root["results"] == nil
            ? nil
            : root["class"]?.array?.map { node in
                guard let name = node.string, !name.isEmpty else {
                    throw Failure.badInput("\(node.described) is no name of a class", at: .file(path), .line(node.line), advice: advice)
                }
                return name
            }
        if let names, Set(names).count != names.count {
            throw Failure.badInput("'class' names a class twice", at: .file(path), advice: advice)
        }
        var count = names?.count
        var scores: [String: [Double]] = [:]
        for (name, node) in videos {
            // Some files hold a list of one list.
            let list = node.array.map { $0.count == 1 ? $0[0].array ?? $0 : $0 } ?? []
            let values = list.compactMap { $0.number.flatMap { $0.isFinite ? $0 : nil } }
            guard !values.isEmpty, values.count == list.count, values.count == count ?? values.count else {
                throw Failure.badInput(
                    "the scores are no list of \(count.map { "\($0) " } ?? "")numbers", at: .file(path), .line(node.line), .video(name),
                    advice: advice)
            }
            count = values.count
            scores[name] = values
        }
        return (names, count ?? 0, scores)
    }

    // MARK: Use

    /// The scores of a video in the order of `classes`, softmax over all columns applied where they are no probabilities.
    func scores(of video: VideoID) throws -> [Double] {
        let found: [Double]?
        switch scores {
        case .named(let named): found = named[video.name] ?? (video.name.hasPrefix("v_") ? named[String(video.name.dropFirst(2))] : nil)
        case .numbered(let columns, let values):
            let digits = video.name.reversed().prefix { $0.isASCII && $0.isNumber }.reversed()
            found = Int(String(digits)).flatMap { number in
                1...max(1, values.count / max(columns, 1)) ~= number
                    ? values[(number - 1) * columns..<number * columns].map(Double.init) : nil
            }
        }
        guard var all = found else {
            throw Failure.badInput(
                "the class scores do not know the video", at: .file(path), .key("test.class_scores"), .video(video.name),
                advice: "give scores of all videos that are detected")
        }
        if let most = all.max(), let least = all.min(), most > 1 || least < 0 {
            all = all.map { exp($0 - most) }
            let sum = all.reduce(0, +)
            all = all.map { $0 / sum }
        }
        return columns.map { all[$0] }
    }

    /// - Throws: `Failure.badInput` for a video without scores.
    public func require(_ video: VideoID) throws { _ = try scores(of: video) }

    /// Candidates of labels with the best classes of their video, as many as detections take, best first.
    ///
    /// - Parameters:
    ///   - found: of the video, best first, without classes of their own.
    ///   - video: the one that they are of.
    /// - Throws: `Failure.badInput` for a video without scores.
    public func callAsFunction(_ found: [AssessedDetection], of video: VideoID) throws -> [AssessedDetection] {
        AssessedDetection.classified(found, scores: try scores(of: video), topK: fusion.topK)
    }

    /// - Parameters:
    ///   - detections: of the video, best first.
    ///   - video: the one that was detected in.
    /// - Throws: `Failure.badInput` for a video without scores.
    public func callAsFunction(_ detections: [Detection], of video: VideoID) throws -> [Detection] {
        fusion(detections, scores: try scores(of: video))
    }
}
