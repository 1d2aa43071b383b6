import Diagnostics
import Foundation
import TemporalAnnotations

extension PseudoLabelFile {
    /// Reads what `write` has written.
    ///
    /// - Parameters:
    ///   - path: the file.
    ///   - classes: labels must be among these.
    /// - Throws: `Failure` (`.badInput`) naming file, line and video.
    public init(path: String, classes: ClassMap) throws { try self.init(root: try JSONNode.read(path), path: path, classes: classes) }

    /// Reads all but the labels, of whatever classes these are.
    ///
    /// - Throws: `Failure` (`.badInput`) naming file and line.
    public init(summaryOf path: String) throws {
        try self.init(external: try JSONNode.read(path), path: path, labels: [], videos: [])
    }

    /// - Parameter path: of the file that `root` was read from, for messages.
    package init(root: JSONNode, path: String, classes: ClassMap) throws {
        var labels: [PseudoLabel] = []
        var videos: [VideoID] = []
        for entry in try DetectionFile.entries(of: root, path: path) {
            let video = VideoID(entry.name)
            videos.append(video)
            for node in entry.list { labels.append(try Self.label(node, of: video, classes: classes, path: path)) }
        }
        try self.init(external: root, path: path, labels: labels, videos: videos)
    }

    private init(external root: JSONNode, path: String, labels: [PseudoLabel], videos: [VideoID]) throws {
        guard let external = root["external_data"], let node = external["round"] else {
            throw Failure.badInput(
                "the file holds detections, not pseudo-labels: 'external_data' has no 'round'", at: .file(path),
                advice: "give a file from the run's folder pseudo_labels")
        }
        guard let round = node.number, round >= 0, round <= 1e9, round == round.rounded() else {
            throw Self.malformed("round", external, path, "a whole number, at least 0")
        }
        var perClass: [String: Double] = [:]
        for member in external["theta_per_class"]?.members ?? [] {
            guard let value = member.node.number else { throw Self.malformed("theta_per_class", external, path, "numbers by class name") }
            perClass[member.name] = value
        }
        self.init(
            round: Int(round), labels: labels, videos: videos,
            thresholds: PseudoLabelThresholds(
                theta: try Self.number("theta", external, path), thetaPerClass: perClass,
                removedBelow: try Self.number("removed_below", external, path), promotedFrom: try Self.number("promoted_from", external, path)),
            quality: try Self.quality("quality", external, path), previousQuality: try Self.quality("previous_quality", external, path),
            reliability: try Self.reliability(external, path))
    }

    private static func reliability(_ external: JSONNode, _ path: String) throws -> PseudoLabelReliability? {
        guard let node = external["reliability"], !node.isNull else { return nil }
        guard let curves = PseudoLabelReliability(node) else {
            throw malformed("reliability", external, path, "an object of lists of [count, claimed, observed]")
        }
        return curves
    }

    private static func label(_ node: JSONNode, of video: VideoID, classes: ClassMap, path: String) throws -> PseudoLabel {
        let detection = try DetectionFile.detection(node, of: video, classes: classes, path: path)
        func failure(_ what: String, _ advice: String) -> Failure {
            .badInput(what, at: .file(path), .line(node.line), .video(video.name), advice: advice)
        }
        let name = classes.names[detection.label]
        let place = "of class '\(name)' in [\(text(detection.segment.start)), \(text(detection.segment.end))]"
        func number(_ key: String) throws -> Double? {
            guard let member = node[key] else { return nil }
            if case .null = member.value { return nil }
            guard let value = member.number, value.isFinite else {
                throw failure(
                    "'\(key)' of the pseudo-label \(place) is \(member.described), no finite number", "write a number, or null where there is none")
            }
            return value
        }
        guard let classScore = try number("P_cls") else {
            throw failure("the pseudo-label \(place) has no 'P_cls'", "give a file from the run's folder pseudo_labels")
        }
        let known = PseudoLabelFate.allCases.map(\.rawValue)
        if let fault = node.fault(of: "fate", owner: "the pseudo-label \(place)", expected: "a string", { $0.string?.isEmpty == false }) {
            throw failure(fault, "add one of \(known.joined(separator: ", "))")
        }
        let word = node["fate"]?.string ?? ""
        guard let fate = PseudoLabelFate(rawValue: word) else {
            throw failure(
                "the fate '\(word)' of the pseudo-label \(place) is unknown"
                    + (nearestName(to: word, among: known).map { "; did you mean '\($0)'?" } ?? ""), "use one of \(known.joined(separator: ", "))")
        }
        return PseudoLabel(
            video: video, segment: detection.segment, label: detection.label, score: detection.score, classScore: classScore,
            tIoU: try number("P_tiou"), tND: try number("P_tnd"), similarity: try number("similarity"), fate: fate)
    }

    private static func malformed(_ key: String, _ parent: JSONNode, _ path: String, _ expected: String) -> Failure {
        .badInput(
            "'\(key)' in 'external_data' is \(parent[key].map { "\($0.described), " } ?? "")not \(expected)",
            at: .file(path), .line(parent.line(of: key)),
            advice: "give a file from the run's folder pseudo_labels, as it was written")
    }

    private static func number(_ key: String, _ parent: JSONNode, _ path: String) throws -> Double? {
        guard let node = parent[key] else { return nil }
        if case .null = node.value { return nil }
        guard let value = node.number, value.isFinite else { throw malformed(key, parent, path, "a finite number or null") }
        return value
    }

    static func quality(_ key: String, _ parent: JSONNode, _ path: String) throws -> PseudoLabelQuality? {
        guard let node = parent[key] else { return nil }
        if case .null = node.value { return nil }
        guard let classAccuracy = node["class_accuracy"]?.number, let averageTIoU = node["average_tIoU"]?.number,
            let positiveAccuracy = node["positive_accuracy"]?.number, let count = node["count"]?.number, count >= 0, count <= 1e15
        else {
            throw malformed(key, parent, path, "an object of class_accuracy, average_tIoU, positive_accuracy and count, or null")
        }
        return PseudoLabelQuality(
            classAccuracy: classAccuracy, averageTIoU: averageTIoU, positiveAccuracy: positiveAccuracy, count: Int(count),
            recall: node["recall"]?.number)
    }
}
