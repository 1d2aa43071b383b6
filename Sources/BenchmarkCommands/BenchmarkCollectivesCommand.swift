import ArgumentParser
import Benchmarks
import Collectives
import CommandSupport
import Diagnostics
import Foundation
import Kernels
import Training

struct BenchmarkCollectivesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "collectives",
        abstract: "Sums over all ranks: the deterministic tree against MPI_Allreduce, per size, and the latency and bandwidth that fit.",
        discussion: """
            Examples:
              mpirun -np 2 kairos benchmark collectives
              launch/netcluster --hosts 2 --ranks 2 .build/release/kairos benchmark collectives --largest 16777216 --json

            Seconds are those of the slowest rank; the algorithms alternate. Fits use the minimum over all repetitions; ratios are medians over pairs of
            neighbouring repetitions. The time of a message is half of a round trip. `tree` sums within hosts first if they have several ranks, in
            groups of up to 8; `tree, pairs` in groups of 2 (training.reduction_group).
            """)

    @Option(help: "Bytes of float32 gradients, smallest size; sizes grow by a factor of 4.")
    var smallest = 1_024
    @Option(help: "Bytes, largest size.")
    var largest = 67_108_864
    @Option(help: "Number of measurements, after one that is not counted.")
    var repetitions = 11
    @Option(help: "Threads per rank.")
    var threads: Int?
    @OptionGroup var output: OutputOptions

    func validate() throws {
        if repetitions < 1 { throw ValidationError("--repetitions must be at least 1, not \(repetitions)") }
        if smallest < 4 { throw ValidationError("--smallest must be at least 4, not \(smallest)") }
        if largest < smallest { throw ValidationError("--largest must be at least --smallest (\(smallest)), not \(largest)") }
        if largest > 1 << 32 { throw ValidationError("--largest must be at most \(1 << 32), not \(largest)") }
        if let threads, threads < 1 { throw ValidationError("--threads must be at least 1, not \(threads)") }
    }

    struct Fit: Encodable {
        var alpha: Double
        var beta: Double
        var largestError: Double

        init(_ fit: LinearFit) {
            alpha = fit.alpha
            beta = fit.beta
            largestError = fit.largestError
        }

        enum CodingKeys: String, CodingKey {
            case alpha = "alpha_seconds"
            case beta = "beta_seconds_per_byte"
            case largestError = "largest_relative_error"
        }
    }

    private struct Series: Encodable {
        var name: String
        /// Ranks that exchange pieces at each level.
        var groups: [Int]
        /// Per size: least, median, and median of the ratio to MPI_Allreduce in the same repetition.
        var least: [Double] = []
        var median: [Double] = []
        var ratio: [Double] = []
        var fit = Fit(LinearFit([]))

        enum CodingKeys: String, CodingKey {
            case name, groups, fit
            case least = "seconds"
            case median = "seconds_median"
            case ratio = "ratio_to_mpi"
        }
    }

    private struct Link: Encodable {
        var name: String
        var ranks: [Int]
        var seconds: [Double] = []
        var fit = Fit(LinearFit([]))
    }

    private struct Report: Encodable {
        var ranks: Int
        var hosts: Int
        var bytes: [Int]
        var ways: [Series]
        var links: [Link]
    }

    func run() throws {
        try withRanks { world in
            _ = try ComputeThreads.set(threads, communicator: world)
            let sizes = Array(sequence(first: smallest) { $0 * 4 }.prefix { $0 <= largest })
            let benchmark = CollectivesBenchmark(world: world, repetitions: repetitions)
            let hosts = Set(world.hosts).count
            let usual = CollectivesBenchmark.Way.tree.groupSizes(hosts: world.hosts)
            let ways = CollectivesBenchmark.Way.allCases.filter { way in
                way != .treeFlat && way != .treePairs || way.groupSizes(hosts: world.hosts) != usual
            }
            let series = ways.map { Series(name: $0.rawValue, groups: $0.groupSizes(hosts: world.hosts)) }
            var report = Report(ranks: world.size, hosts: hosts, bytes: sizes, ways: series, links: [])
            Activity.begin(stage: "measuring")
            RunWindow.measuring.pass()
            for bytes in sizes {
                let seconds = try benchmark.sum(bytes: bytes, ways: ways)
                for (place, way) in ways.enumerated() {
                    let own = seconds[way] ?? [], mpi = seconds[.mpi] ?? []
                    report.ways[place].least.append(own.min() ?? 0)
                    report.ways[place].median.append(median(own))
                    report.ways[place].ratio.append(median(zip(own, mpi).map { $0 / max($1, 1e-12) }))
                }
            }
            for place in ways.indices { report.ways[place].fit = fit(sizes, report.ways[place].least) }
            let near = world.hosts.indices.first { $0 > 0 && world.hosts[$0] == world.hosts[0] }
            let far = world.hosts.indices.first { world.hosts[$0] != world.hosts[0] }
            for (name, other) in [("within a host", near), ("between hosts", far)] {
                guard let other else { continue }
                var link = Link(name: name, ranks: [0, other])
                for bytes in sizes { link.seconds.append(try benchmark.message(bytes: bytes, to: other)) }
                link.fit = fit(sizes, link.seconds)
                report.links.append(link)
            }
            guard world.isRoot else { return }
            try output.report(report, text: text(report))
        }
    }

    private func fit(_ sizes: [Int], _ seconds: [Double]) -> Fit { Fit(LinearFit(zip(sizes, seconds).map { (Double($0), $1) })) }

    private func median(_ values: [Double]) -> Double {
        let sorted = values.sorted()
        return sorted.isEmpty ? 0 : 0.5 * (sorted[sorted.count / 2] + sorted[(sorted.count - 1) / 2])
    }

    private func text(_ report: Report) -> String {
        func column(_ text: String) -> String { String(repeating: " ", count: max(1, 18 - text.count)) + text }
        func line(_ name: String, _ columns: [String]) -> String {
            name.padding(toLength: 12, withPad: " ", startingAt: 0) + columns.map(column).joined()
        }
        func fitted(_ name: String, _ fit: Fit) -> String {
            let bandwidth = fit.beta > 0 ? String(format: "%.2f GB/s", 1e-9 / fit.beta) : "no bandwidth"
            return name.padding(toLength: 24, withPad: " ", startingAt: 0)
                + String(format: "alpha %.1f us, beta %.4f ns per byte (", fit.alpha * 1e6, fit.beta * 1e9) + bandwidth
                + String(format: "), %.0f %% off at most", fit.largestError * 100)
        }
        let ranks = "\(report.ranks) rank\(report.ranks == 1 ? "" : "s") on \(report.hosts) host\(report.hosts == 1 ? "" : "s")"
        var lines = ["\(ranks); sums: least ms of \(repetitions), times MPI_Allreduce", ""]
        lines.append(line("bytes", report.ways.map(\.name) + report.links.map(\.name)))
        for (place, bytes) in report.bytes.enumerated() {
            let sums = report.ways.map { String(format: "%.3f (%.2f)", $0.least[place] * 1e3, $0.ratio[place]) }
            lines.append(line("\(bytes)", sums + report.links.map { String(format: "%.4f", $0.seconds[place] * 1e3) }))
        }
        lines.append("")
        lines += report.ways.filter { !$0.groups.isEmpty }.map {
            "\($0.name): groups of \($0.groups.map(String.init).joined(separator: ", ")), "
                + "\(2 * $0.groups.reduce(0) { $0 + $1 - 1 }) messages per bucket and rank"
        }
        lines += report.ways.map { fitted($0.name, $0.fit) } + report.links.map { fitted("message " + $0.name, $0.fit) }
        return lines.joined(separator: "\n")
    }
}
