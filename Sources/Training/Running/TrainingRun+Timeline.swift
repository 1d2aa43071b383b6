import Collectives
import Diagnostics
import Foundation

/// A run that is recorded: `RUN/timeline/rank-N.json`.
extension TrainingRun {
    /// All ranks begin together, so that their times in the files fit: the barrier's end differs by some tens of microseconds.
    func startTimeline() throws {
        // Hosts may have disks of their own: the first rank of each makes the folder there.
        try communicator.throwTogether {
            guard communicator.hosts[communicator.rank] == communicator.rank else { return }
            try Self.makeFolder(folder.timeline)
            try requireWritablePlace(of: folder.timeline(rank: 0))
            for name in (try? FileManager.default.contentsOfDirectory(atPath: folder.timeline)) ?? []
            where name.hasPrefix("rank-") && name.hasSuffix(".json") || name.hasSuffix(".part") { unlink("\(folder.timeline)/\(name)") }
        }
        try communicator.barrier()
        Timeline.start(rank: communicator.rank, host: communicator.hostName)
    }

    /// Writes what this rank has recorded.
    func writeTimeline() throws {
        guard let timeline = Timeline.current else { return }
        Timeline.stop()
        try replaceFile(at: folder.timeline(rank: timeline.rank), with: timeline.traceJSON())
    }

    /// Writes the files and returns all ranks' summaries; nil when nothing is recorded.
    func finishTimeline() throws -> [Timeline.Summary]? {
        guard let timeline = Timeline.current else { return nil }
        try communicator.throwTogether { try writeTimeline() }
        let encoded = try communicator.allGather(try JSONEncoder().encode(timeline.summary))
        return try encoded.map { try JSONDecoder().decode(Timeline.Summary.self, from: $0) }
    }
}
