import Collectives
import CommandSupport
import Diagnostics
import FeatureStore
import Foundation
import TemporalAnnotations

/// What a command that writes or inspects a feature store says of it.
struct StoreSummary: Encodable {
    var kind = "feature store"
    var path: String
    var videos: Int
    var rows: Int
    var dimension: Int
    var classes: Int
    var instances: Int
    /// Recordings whose classes are known without segments.
    var weakly_labelled: Int
    var storage: String
    var subsets: [String: Int]
    var class_names: [String]
    var digest: String
    /// nil for a store without videos.
    var feature_rate: FeatureRate?
    /// Annotated videos that were left out for want of features (import only).
    var missing: [String]?
    /// Values per row in each of the folders whose columns were joined (import only).
    var part_dimensions: [Int]?
    /// Actions of classes that `--classes` does not name, and the number of these classes (import only).
    var background_instances: Int?
    var background_classes: Int?
    /// Of all recordings and of each subset (`inspect --statistics` only).
    var statistics: [StoreStatistics]?

    init(_ store: FeatureStore) {
        path = store.path
        videos = store.videos.count
        rows = store.rows
        dimension = store.dimension
        classes = store.classes.count
        instances = store.instanceCount
        weakly_labelled = store.videos.count { $0.annotation.isWeaklyLabelled }
        storage = store.storage.rawValue
        subsets = Dictionary(grouping: store.videos, by: \.annotation.subset.rawValue).mapValues(\.count)
        class_names = store.classes.names
        digest = store.digest
        feature_rate = store.rate
    }

    var text: String {
        let parts = subsets.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
        var lines = [
            "\(path): \(kind)",
            "  videos     \(videos) (\(parts))",
            "  features   \(rows) rows of \(dimension) \(storage)",
            "  rate       \(feature_rate?.summary ?? "no rows")",
            classes == 0 && instances == 0
                ? "  instances  none: the store has no annotations" : "  instances  \(instances) of \(classes) classes",
            "  digest     \(digest)",
        ]
        if weakly_labelled > 0 { lines.insert("  weak       \(weakly_labelled) videos with weak labels only (classes without segments)", at: 4) }
        if let background_instances, let background_classes {
            lines.append("  background \(background_instances) actions of \(background_classes) other class\(background_classes == 1 ? "" : "es")")
        }
        if let part_dimensions, part_dimensions.count > 1 {
            lines.append("  columns    \(part_dimensions.map(String.init).joined(separator: " + ")), joined")
        }
        if let missing, !missing.isEmpty { lines.append("  left out   \(missing.count) videos without features") }
        if let statistics { lines += ["", StatisticsText.text(statistics)] }
        return lines.joined(separator: "\n")
    }
}

/// Where and how a command writes a store.
enum StoreOutput {
    /// Writes the store with all ranks, and the annotations when asked for; rank 0 reports. `inputs` are files that were read and stay.
    static func write(
        _ source: some FeatureSource, to path: String, storage: FeatureStorage, annotationsOutput: String?, version: String,
        inputs: [String?] = [], missing: [VideoID]? = nil, parts: [Int]? = nil, background: ClassOptions.Background? = nil, output: OutputOptions
    ) throws {
        let world = try Communicator.world()
        if let annotationsOutput {
            try world.throwTogether {
                try requireWritablePlace(of: annotationsOutput, apartFrom: inputs)
                guard !areSamePlace(path, annotationsOutput) else {
                    throw Failure.wrongUsage(
                        "store and annotations would be written to the same file", at: .file(path), advice: "choose another --annotations-output")
                }
            }
        }
        let locks = try [path, annotationsOutput].compactMap { try $0.map { try world.lock(.file($0)) } }
        defer { locks.forEach { $0.release() } }
        locks.compactMap(\.warning).forEach(note)
        let progress = ProgressBar("writing", total: source.videos.count, unit: "videos", isSilent: !world.isRoot)
        Activity.begin(stage: "writing the store")
        let writer = FeatureStoreWriter(storage: storage) { progress.update($0, of: $1) }
        try writer.write(source, to: path, communicator: world)
        progress.finish()
        try world.throwTogether {
            guard world.isRoot else { return }
            if let annotationsOutput {
                try AnnotationSet(version: version, classes: source.classes, videos: source.videos.map(\.annotation)).write(to: annotationsOutput)
            }
            var summary = StoreSummary(try FeatureStore(path: path))
            summary.missing = missing?.map(\.name)
            summary.part_dimensions = parts
            summary.background_instances = background?.instances
            summary.background_classes = background?.classes
            try output.report(summary, text: summary.text)
        }
    }

    /// Says on standard error what was changed in the annotations on reading.
    static func warn(_ notes: [String]) {
        guard !notes.isEmpty, (Communicator.started?.rank ?? 0) == 0 else { return }
        let shown =
            notes.prefix(5).map { "warning: \($0)\n" }.joined()
            + (notes.count > 5 ? "warning: and \(notes.count - 5) more of this kind\n" : "")
        StandardError.write(shown)
    }
}
