import Diagnostics
import FeatureStore
import Foundation
import HDF5
import RandomStreams
import TemporalAnnotations

/// Chooses the training recordings whose labels may be used: the first `round(fraction * count)` (at least 1) of an order.
public enum LabeledSubset {
    /// - Parameters:
    ///   - names: the training recordings, in the store's order.
    ///   - fraction: above 0, to 1.
    ///   - order: names of a JSON list; nil for an order drawn from the seed.
    ///   - seed: of the run.
    ///   - file: the list's file, for errors.
    /// - Returns: positions in `names`, in the order of the list (or the drawn one).
    /// - Throws: `Failure.badInput` when the list is too short, names a recording twice, or one that is not among `names`.
    public static func choose(_ names: [String], fraction: Double, order: [String]?, seed: UInt64, file: String = "") throws -> [Int] {
        let count = max(1, Int((fraction * Double(names.count)).rounded()))
        guard let order else {
            var random = RandomStream(seed: seed, "labelled recordings")
            return Array(random.permutation(names.count).prefix(count))
        }
        var positions: [String: Int] = [:]
        for (position, name) in names.enumerated() { positions[name] = position }
        var seen = Set<String>()
        for name in order where !seen.insert(name).inserted {
            throw Failure.badInput("the recording stands in the list twice", at: .file(file), .video(name), advice: "remove one of the two")
        }
        guard order.count >= count else {
            throw Failure.badInput(
                "the list names \(order.count) recordings, \(count) of \(names.count) are to be labelled", at: .file(file),
                .key("data.labeled_order"),
                advice: "give a longer list or a smaller data.labeled_fraction")
        }
        return try order.prefix(count).map { name in
            guard let position = positions[name] else {
                throw Failure.badInput(
                    "the recording is not among the store's \(names.count) training recordings", at: .file(file), .video(name),
                    advice: "name recordings of the training subset" + (nearestName(to: name, among: names).map { "; the nearest is '\($0)'" } ?? ""))
            }
            return position
        }
    }

    /// SHA-256 over the chosen names in their order, hex: says whether two runs use the same labels.
    public static func digest(_ names: [String]) -> String {
        var content = ContentDigest()
        content.add(name: "labeled", strings: names)
        return content.hex()
    }

    /// Reads a JSON list of names.
    ///
    /// - Throws: `Failure.badInput` when the file cannot be read or is no list of names.
    public static func readOrder(_ path: String) throws -> [String] {
        let missing = Failure.badInput(
            "the list of labelled recordings cannot be read", at: .file(path), .key("data.labeled_order"), advice: "check the path")
        return try names(in: try readInput(path, unreadable: missing), file: path)
    }

    /// - Parameter file: the name to say in errors.
    package static func names(in data: Data, file path: String) throws -> [String] {
        func refusal(_ what: String, _ line: JSONLine) -> Failure {
            .badInput(what, at: .file(path), .key("data.labeled_order"), .line(line), advice: "write it as [\"name\", \"name\", ...]")
        }
        let root: JSONNode
        do {
            root = try JSONNode.parse(data, file: path)
        } catch var failure as Failure {
            failure.places.insert(.key("data.labeled_order"), at: 1)
            throw failure
        }
        guard let entries = root.array else { throw refusal("the list of labelled recordings is \(root.described), not a list of names", root.line) }
        return try entries.enumerated().map { place, entry in
            guard let name = entry.string else {
                throw refusal("entry \(place + 1) of the list of labelled recordings is \(entry.described), not a name", entry.line)
            }
            return name
        }
    }
}
