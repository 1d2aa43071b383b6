import ArgumentParser
import Benchmarks
import Collectives
import CommandSupport
import Diagnostics
import FeatureStore
import Foundation

struct BenchmarkStoreCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "store",
        abstract: "How fast ranks read a feature store together, against plain sequential reads of the same bytes; from disk and from memory.",
        discussion: """
            Examples:
              kairos benchmark store features.h5
              mpirun -np 4 kairos benchmark store features.h5 --json

            Cold: the file was evicted from the page cache just before (what remained is printed); a hypervisor may still cache the disk. Warm: the file
            was read just before. `dd, one process` reads 1 MiB at a time and discards it, while the other ranks wait. `plain`: all ranks do the same,
            each with its part. `plain, any order`: recording after recording. `plain, whole recordings`: into memory for the longest recording.
            The store is read as in training, by a thread that reads ahead and announces its reads to the system. The copy into a batch, which widens
            float16, is not measured. A chunked copy is written to the temporary folder (TMPDIR), which may be on another disk, compared, and removed.
            """)

    @Argument(help: "The feature store.")
    var store: String
    @Option(help: "Number of measurements.")
    var repetitions = 5
    @Option(help: "Rows of a chunk, for the chunked copy; 0: no copy.")
    var chunkRows = 64
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if repetitions < 1 { throw ValidationError("--repetitions must be at least 1, not \(repetitions)") }
        if chunkRows < 0 { throw ValidationError("--chunk-rows must be at least 0, not \(chunkRows)") }
    }

    private struct Series: Encodable {
        var way: String
        var isCold: Bool
        /// Per repetition, of the slowest rank.
        var seconds: [Double]
        /// The largest part of the file that was in memory before a repetition.
        var cached: Double
        var bytesPerSecond: Double
        /// Median over repetitions of the ratio to the read by one process, to the plain read by all ranks in the file's order, and to that in the
        /// same order as this.
        var ofOneProcess: Double
        var ofPlain: Double
        var ofSameOrder: Double

        enum CodingKeys: String, CodingKey {
            case way, seconds
            case isCold = "cold"
            case cached = "cached_before"
            case bytesPerSecond = "bytes_per_second"
            case ofOneProcess = "part_of_dd"
            case ofPlain = "part_of_plain"
            case ofSameOrder = "part_of_plain_in_same_order"
        }
    }

    private struct Report: Encodable {
        var ranks: Int
        var bytes: Int
        var videos: Int
        var series: [Series] = []
    }

    func run() throws {
        try withRanks { world in
            let store = try world.throwTogether { try FeatureStore(path: self.store) }
            guard store.rows * store.dimension > 0 else {
                throw Failure.badInput("the store holds no features to read", at: .file(self.store), advice: "name another store")
            }
            // One copy for the ranks of a host's file system: rank 0's.
            let copy = chunkRows == 0 ? nil : try world.broadcast(NSTemporaryDirectory() + "/kairos-chunked-\(UUID().uuidString).h5")
            defer { if world.isRoot, let copy { unlink(copy) } }
            let reading = try StoreReading(world: world, store: store, chunkRows: chunkRows, copy: copy)
            var report = Report(ranks: world.size, bytes: reading.bytes, videos: store.videos.count)
            let ways = StoreReading.Way.allCases.filter { copy != nil || !$0.isChunked }
            Activity.begin(stage: "measuring")
            RunWindow.measuring.pass()
            for isCold in [true, false] {
                var seconds = [[Double]](repeating: [], count: ways.count), cached = [Double](repeating: 0, count: ways.count)
                if !isCold { for way in ways { _ = try reading.read(way, isCold: false) } }
                for repetition in 0..<repetitions {
                    for turn in ways.indices {
                        // None always comes after the same.
                        let place = (turn + repetition) % ways.count, way = ways[place]
                        let (taken, part) = try reading.read(way, isCold: isCold)
                        seconds[place].append(taken)
                        cached[place] = max(cached[place], part)
                    }
                }
                for (place, way) in ways.enumerated() {
                    func part(of other: StoreReading.Way) -> Double {
                        median(zip(seconds[ways.firstIndex(of: other) ?? 0], seconds[place]).map { $0 / $1 })
                    }
                    report.series.append(
                        Series(
                            way: way.rawValue, isCold: isCold, seconds: seconds[place], cached: cached[place],
                            bytesPerSecond: Double(reading.bytes) / median(seconds[place]),
                            ofOneProcess: part(of: .dd), ofPlain: part(of: .plain), ofSameOrder: part(of: way.twin)))
                }
            }
            guard world.isRoot else { return }
            try output.report(report, text: text(report))
        }
    }

    private func median(_ values: [Double]) -> Double {
        let sorted = values.sorted()
        return sorted.isEmpty ? .nan : 0.5 * (sorted[sorted.count / 2] + sorted[(sorted.count - 1) / 2])
    }

    private func text(_ report: Report) -> String {
        var lines = [
            "\(report.bytes) bytes of \(report.videos) recordings, \(report.ranks) rank\(report.ranks == 1 ? "" : "s"); "
                + "medians of \(repetitions)", "",
            "                                  MB/s  of dd %  of plain %  in the same order %  in memory before %",
        ]
        for series in report.series {
            lines.append(
                "\(series.isCold ? "cold" : "warm")  \(series.way)".padding(toLength: 30, withPad: " ", startingAt: 0)
                    + String(
                        format: "%8.0f %8.0f %11.0f %20.0f %19.0f", series.bytesPerSecond * 1e-6, series.ofOneProcess * 100, series.ofPlain * 100,
                        series.ofSameOrder * 100, series.cached * 100))
        }
        return lines.joined(separator: "\n")
    }
}
