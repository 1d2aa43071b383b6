import Collectives
import Diagnostics
import Foundation
import HDF5
import TemporalAnnotations

extension FeatureStoreWriter {
    /// Writes `source` to `path` with all ranks together: rank 0 makes the file and its index, every rank reads, converts and writes its share of the
    /// videos by collective MPI-IO, rank 0 adds the digest and renames the file. All ranks must call it with equal sources.
    ///
    /// - Returns: the store's digest, on every rank; file and digest equal those of one rank alone.
    /// - Throws: on every rank, when one of them cannot do its part.
    @discardableResult
    public func write(_ source: some FeatureSource, to path: String, communicator: Communicator) throws -> String {
        guard communicator.size > 1 else { return try write(source, to: path) }
        let index = try communicator.throwTogether { try plan(source) }
        try communicator.agree(on: index.digest(rowDigests: []), name: "the list of videos to write")
        let path = followingLink(path)
        try communicator.throwTogether {
            if communicator.isRoot { try requireWritablePlace(of: path) }
        }
        // All ranks write into the file of rank 0.
        let covering = OutputLock.covering(path)
        let lock = try covering ?? communicator.lock(.file(path)), part = lock.part(of: path)
        defer { if covering == nil { lock.release() } }
        let unfinished = communicator.isRoot ? UnfinishedFile(part) : nil
        defer { unfinished?.forget() }
        do {
            try communicator.throwTogether {
                if communicator.isRoot { try prepare(index, at: part) }
            }
            let leaves = try writeRows(of: source, index, to: part, communicator)
            try communicator.throwTogether {
                guard communicator.isRoot else { return }
                RunWindow.finishingStore.pass()
                _ = try finish(index, rowDigests: leaves, at: part)
                try lock.requireHeld()
                try putInPlace(part, path)
            }
            return index.digest(rowDigests: leaves)
        } catch {
            if communicator.isRoot { unlink(part) }
            throw naming(path, insteadOf: part, in: error)
        }
    }

    /// - Returns: the digests of all videos' rows, in the order of the index.
    private func writeRows(
        of source: some FeatureSource, _ index: FeatureStoreIndex, to part: String, _ communicator: Communicator
    ) throws -> [[UInt8]] {
        let count = index.videos.count
        let owned = Array(stride(from: communicator.rank, to: count, by: communicator.size))
        let rounds = (count + communicator.size - 1) / communicator.size
        let file = try communicator.throwTogether { try Activity.during(.writingTogether) { try HDF5File.openTogether(part, communicator.handle) } }
        defer { file.close() }
        let matrix = try communicator.throwTogether { try HDF5Matrix(in: file, FeatureStoreFormat.matrix) }
        defer { matrix.close() }

        let encoder = try communicator.throwTogether { try RowEncoder(source: source, storage: storage) }
        var leaves: [UInt8] = []
        var failure: (any Error)?
        var faults = ImportFaults()
        for round in 0..<rounds {
            RunWindow.writingRows.pass()
            // After a failure the rank still takes part in the collective writes, with no rows, so that no other rank waits for it.
            var rows = 0..<0
            if failure == nil, round < owned.count {
                let video = index.videos[owned[round]]
                do {
                    // After a fault the other videos are looked at all the same.
                    if let leaf = try faults.attempt(.file, video.id, { try Activity.during(.readingFile) { try encoder.encode(owned[round]) } }),
                        faults.isEmpty
                    {
                        leaves += leaf
                        rows = video.firstRow..<video.firstRow + video.rows
                    }
                } catch {
                    failure = error
                }
            }
            do {
                try Activity.during(.writingTogether) { try matrix.writeTogether(rows, encoder.stored) }
            } catch {
                failure = failure ?? error
            }
            if failure == nil, round < owned.count { progress?(round + 1, owned.count) }
        }
        Activity.during(.writingTogether) { matrix.close() }
        let all = try faults.together(communicator)
        // Both ways all ranks flush and close together.
        try communicator.throwTogether {
            do { try Activity.during(.writingTogether) { try file.finishWriting() } } catch { failure = failure ?? error }
            if let failure { throw failure }
            // One fault is said by the rank that found it.
            try (all.faults.count > 1 ? all : faults).checkValues(of: count)
        }
        let gathered = try communicator.allGather(leaves)
        return (0..<count).map { number in
            let first = number / communicator.size * 32
            return Array(gathered[number % communicator.size][first..<first + 32])
        }
    }
}

extension ImportFaults {
    /// Features that were read and cannot be stored.
    func checkValues(of count: Int) throws { try check("videos", "cannot be stored", of: count, at: []) }

    /// The faults of all ranks' videos, sorted by name: equal on every rank.
    func together(_ communicator: Communicator) throws -> ImportFaults {
        struct Message: Codable {
            let video: VideoID
            let what: String
            let advice: String
        }
        let own = faults.map { Message(video: $0.video, what: $0.failure.what, advice: $0.failure.advice) }
        let messages = try communicator.allGather(try JSONEncoder().encode(own)).flatMap { try JSONDecoder().decode([Message].self, from: $0) }
        var all = ImportFaults()
        for message in messages.sorted(by: { $0.video < $1.video }) {
            all.add(.file, message.video, Failure(.badInput, message.what, advice: message.advice))
        }
        return all
    }
}
