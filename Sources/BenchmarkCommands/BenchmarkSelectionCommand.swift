import AdaptivePseudoLabels
import ArgumentParser
import Collectives
import CommandSupport
import Diagnostics
import Foundation
import PseudoLabels
import RandomStreams
import RunRecords
import TemporalAnnotations
import Training
import TrainingMethods

struct BenchmarkSelectionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "selection",
        abstract: "A round's pseudo-labels: gather predictions on rank 0, select and refine there, broadcast the labels, write the file.",
        discussion: """
            Examples:
              kairos benchmark selection --json
              mpirun -np 4 kairos benchmark selection --videos 10000 --predictions 200

            Predictions are random; recordings are assigned to the ranks in turn. `seconds` covers gathering, selection and broadcast, per repetition.
            The file, with every prediction, is written to the temporary folder and timed separately.
            """)

    @Option(help: "Unlabelled recordings over all ranks.")
    var videos = 10_000
    @Option(help: "Predictions per recording.")
    var predictions = 200
    @Option(help: "Action classes.")
    var classes = 20
    @Option(help: "Number of measurements, after one that is not counted.")
    var repetitions = 3
    @Option(help: "Seed of the random predictions.")
    var seed = 0
    @OptionGroup var output: OutputOptions

    func validate() throws {
        for (name, value) in [("videos", videos), ("predictions", predictions), ("classes", classes), ("repetitions", repetitions)] where value < 1 {
            throw ValidationError("--\(name) must be at least 1, not \(value)")
        }
        // So that their product stays a number.
        for (name, value) in [("videos", videos), ("predictions", predictions), ("classes", classes)] where value > 10_000_000 {
            throw ValidationError("--\(name) must be at most 10000000, not \(value)")
        }
        if seed < 0 { throw ValidationError("--seed must be at least 0, not \(seed)") }
    }

    private struct Report: Encodable {
        var ranks: Int
        var videos: Int
        var predictions: Int
        /// Pseudo-labels that are learnt from.
        var labels = 0
        var bytesGathered = 0
        /// Per repetition: gather, selection and broadcast together, and each.
        var seconds: [Double] = []
        var secondsGather: [Double] = []
        var secondsSelection: [Double] = []
        var secondsBroadcast: [Double] = []
        var secondsWriting = 0.0
        var bytesWritten = 0
        /// Of every rank after the repetitions, before the file was written, and the one it began with.
        var peakResidentMiB: [Int] = []
        var residentBeforeMiB: [Int] = []

        enum CodingKeys: String, CodingKey {
            case ranks, videos, predictions, labels, seconds
            case bytesGathered = "bytes_gathered"
            case secondsGather = "seconds_gather"
            case secondsSelection = "seconds_selection"
            case secondsBroadcast = "seconds_broadcast"
            case secondsWriting = "seconds_writing"
            case bytesWritten = "bytes_written"
            case peakResidentMiB = "peak_rss_mib"
            case residentBeforeMiB = "rss_before_mib"
        }
    }

    func run() throws {
        try withRanks { world in
            var report = Report(ranks: world.size, videos: videos, predictions: predictions)
            // A rank's own, their messages, and on rank 0 all of them with what selection makes of them.
            let shares = world.isRoot ? 3 * world.size + 2 : 2, own = MemoryEstimate.product(videos / world.size + 1, predictions)
            _ = try MemoryCheck.require(
                .elements(PseudoLabel.self, counts: [own], copies: shares, name: "random predictions", key: "--predictions"), communicator: world)
            let mine = ownPredictions(world)
            report.residentBeforeMiB = try world.allGather(ComputeThreads.peakResidentMiB)
            var all: [PseudoLabel]?
            Activity.begin(stage: "measuring")
            RunWindow.measuring.pass()
            for repetition in 0...repetitions {
                all = nil
                try world.barrier()
                let began = now()
                all = try PseudoLabelExchange.gather(mine, communicator: world) { report.bytesGathered = $0 }
                let gathered = now()
                var chosen: [PseudoLabel] = []
                if var labels = all {
                    // The only reference: changing fates copies nothing.
                    all = nil
                    for (i, fate) in select(labels).enumerated() { labels[i].fate = fate }
                    chosen = labels.filter(\.fate.isLabel)
                    all = labels
                }
                let selected = now()
                report.labels = try PseudoLabelExchange.broadcast(chosen, communicator: world).count
                try world.barrier()
                let ended = now()
                guard repetition > 0 else { continue }
                report.seconds.append(ended - began)
                report.secondsGather.append(gathered - began)
                report.secondsSelection.append(selected - gathered)
                report.secondsBroadcast.append(ended - selected)
            }
            report.peakResidentMiB = try world.allGather(ComputeThreads.peakResidentMiB)
            guard let all else { return }
            (report.secondsWriting, report.bytesWritten) = try write(all)
            try output.report(report, text: text(report))
        }
    }

    private func now() -> Double { Double(DispatchTime.now().uptimeNanoseconds) * 1e-9 }

    private func ownPredictions(_ world: Communicator) -> [PseudoLabel] {
        var labels: [PseudoLabel] = []
        let owned = stride(from: world.rank, to: videos, by: world.size)
        labels.reserveCapacity(owned.underestimatedCount * predictions)
        for video in owned {
            var random = RandomStream(seed: UInt64(seed), "benchmark selection", video)
            let id = VideoID(String(format: "video_%07d", video))
            for _ in 0..<predictions {
                let start = Double(random.uniform(0, 900)), length = Double(random.uniform(1, 60))
                let classScore = random.uniform(), overlap = random.uniform(), distance = 0.2 * random.uniform()
                labels.append(
                    PseudoLabel(
                        video: id, segment: Segment(start: start, end: start + length), label: random.uniformIndex(below: classes),
                        score: Double(classScore * max(overlap - distance, 1e-3)), classScore: Double(classScore), tIoU: Double(overlap),
                        tND: Double(distance), similarity: Double(random.uniform()), fate: .rejected))
            }
        }
        return labels
    }

    /// Eq. 6, EAP and MPP with the paper's thresholds.
    private func select(_ labels: [PseudoLabel]) -> [PseudoLabelFate] {
        let instances = labels.map { label in
            PseudoInstance(
                video: 0, label: label.label, start: 0, end: 0, jointScore: Float(label.score), classScore: Float(label.classScore),
                similarity: label.similarity.map(Float.init) ?? .nan)
        }
        let selection = PseudoLabelSelection(instances, classes: classes, settings: SelectionSettings())
        return selection.refined(instances, settings: RefinementSettings()).map { fate in
            switch fate {
            case .positive: .positive
            case .removed: .removed
            case .promoted: .promoted
            case .dropped, .candidate, .rejected: .rejected
            }
        }
    }

    private func write(_ labels: [PseudoLabel]) throws -> (seconds: Double, bytes: Int) {
        let path = NSTemporaryDirectory() + "/kairos-benchmark-\(ProcessInfo.processInfo.processIdentifier).json"
        defer { unlink(path) }
        let began = now()
        let names = ClassMap(names: (0..<classes).map { "class \($0)" })
        try PseudoLabelFile(round: 0, labels: labels, thresholds: PseudoLabelThresholds(theta: nil)).write(classes: names, to: path)
        let seconds = now() - began
        let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int
        return (seconds, size ?? 0)
    }

    private func text(_ report: Report) -> String {
        func list(_ seconds: [Double]) -> String { seconds.map { String(format: "%.3f", $0) }.joined(separator: ", ") }
        func mebibytes(_ bytes: Int) -> String { String(format: "%.1f MiB", Double(bytes) / 1_048_576) }
        return """
            \(report.videos) recordings of \(report.predictions) predictions on \(report.ranks) rank\(report.ranks == 1 ? "" : "s"): \
            \(report.labels) are learnt from
            seconds    \(list(report.seconds))
            gather     \(list(report.secondsGather)), \(mebibytes(report.bytesGathered)) from other ranks
            selection  \(list(report.secondsSelection))
            broadcast  \(list(report.secondsBroadcast))
            file       \(list([report.secondsWriting])), \(mebibytes(report.bytesWritten)), every prediction
            memory     \(report.peakResidentMiB.map(String.init).joined(separator: ", ")) MiB at most per rank, \
            \(report.residentBeforeMiB.map(String.init).joined(separator: ", ")) before
            """
    }
}
