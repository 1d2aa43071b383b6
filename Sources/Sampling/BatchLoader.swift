import Autograd
import DataParallel
import Detectors
import FeatureStore

/// Packs the batches of a rank's shards, reading some steps ahead and announcing the reads of further ones.
package final class BatchLoader {
    private let store: FeatureStore
    private let owned: Range<Int>
    private let prefetcher: FeaturePrefetcher
    private let ahead: Int
    /// Steps whose reads are announced at most: what small steps need to fill the window.
    private static let mostAnnounced = 64
    private let plan: (StepPosition) -> [[TrainingVideo]]
    private let rotation: FeatureRotation?
    private var nextRequest: Int
    private let end: Int
    private var planned: [StepPosition: [[TrainingVideo]]] = [:]

    /// - Parameters:
    ///   - steps: the steps that will be asked for, one after another.
    ///   - ahead: steps read ahead.
    ///   - rotation: of the features; nil: they stay as they are.
    ///   - plan: the recordings of a shard's step, by group.
    package init(
        store: FeatureStore, owned: Range<Int>, steps: Range<Int>, ahead: Int, rotation: FeatureRotation? = nil,
        plan: @escaping (StepPosition) -> [[TrainingVideo]]
    ) {
        self.store = store
        self.owned = owned
        self.ahead = ahead
        self.rotation = rotation
        self.plan = plan
        nextRequest = steps.lowerBound
        end = steps.upperBound
        let perShard = steps.isEmpty ? 1 : plan(StepPosition(step: steps.lowerBound, shard: owned.lowerBound)).reduce(0) { $0 + $1.count }
        prefetcher = FeaturePrefetcher(store: store, depth: ahead * owned.count * perShard)
    }

    package var waitedSeconds: Double { prefetcher.waitedSeconds }

    /// The batches of a step, for each owned shard one per group.
    package func batches(step: Int) throws -> [(shard: Int, groups: [PackedBatch])] {
        while nextRequest < end, nextRequest <= step + ahead || (prefetcher.wantsRequests && nextRequest <= step + Self.mostAnnounced) {
            for shard in owned {
                let position = StepPosition(step: nextRequest, shard: shard)
                let videos = plan(position)
                planned[position] = videos
                for video in videos.joined() { prefetcher.request(video: video.index, rows: video.rows) }
            }
            nextRequest += 1
        }
        return try owned.map { shard in
            let position = StepPosition(step: step, shard: shard), groups = planned.removeValue(forKey: position) ?? []
            let batches = try groups.map { try Self.pack($0, store: store) { _ in try prefetcher.next() } }
            for (group, batch) in batches.enumerated() { rotation?.turn(batch.features, at: position, group: group) }
            return (shard, batches)
        }
    }

    /// A whole recording, for detection.
    package static func whole(_ index: Int, of store: FeatureStore, rows: FeatureRows) -> PackedBatch {
        pack([TrainingVideo(index: index, rows: 0..<store.videos[index].rows, instances: [])], store: store) { _ in rows }
    }

    /// Puts recordings one after another.
    package static func pack(_ videos: [TrainingVideo], store: FeatureStore, rows: (TrainingVideo) throws -> FeatureRows) rethrows -> PackedBatch {
        var offsets = [0]
        for video in videos { offsets.append(offsets[offsets.count - 1] + video.rows.count) }
        let features = Tensor(rows: offsets[offsets.count - 1], columns: store.dimension, requiresGradient: false)
        for (i, video) in videos.enumerated() {
            try rows(video).copy(to: features.values + offsets[i] * store.dimension)
        }
        let contexts = videos.map { store.videos[$0.index].context }
        let isWeighted = videos.contains { $0.weights != nil || !$0.ignored.isEmpty }
        let weights =
            isWeighted
            ? LabelWeights(
                instances: videos.map { $0.weights ?? [Float](repeating: 1, count: $0.instances.count) }, ignored: videos.map(\.ignored)) : nil
        return PackedBatch(
            features: PackedSequence(features, offsets: offsets), videos: contexts, instances: videos.map(\.instances), weights: weights)
    }
}

extension StoredVideo {
    /// What a detector must know of it.
    package var context: VideoContext { VideoContext(id: id, grid: grid, duration: annotation.duration) }
}
