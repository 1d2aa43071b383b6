import Collectives
import Foundation
import Kernels

/// What `kairos benchmark step` found out.
package struct StepReport: Encodable {
    package var phase: String
    package var lengths: String
    package var ranks: Int
    /// Per rank.
    package var threads: Int
    /// Library and precision of matrix products, for the user.
    package var products: String
    package var parameters: Int
    /// Recordings of a repetition, over all ranks; rows of each, step by step.
    package var videos: Int
    package var rows: [[Int]]
    /// Operations per second of matrix products alone, over all ranks and threads.
    package var peak: Double
    /// The same per second that a thread spends on a processor, mean over ranks.
    package var processorPeak: Double
    /// Per repetition, of the slowest rank.
    package var seconds: [Double] = []
    /// Per repetition, of all ranks together: time on a processor, which other programs lengthen less. A thread that waits for another of its rank
    /// is on one, too, for a while.
    package var processorSeconds: [Double] = []
    package var peakResidentMiB: [Int] = []
    package var kernels: [Kernel] = []
    /// Of one repetition, without kernels, which `kernels` counts.
    package var counts: WorkCounts?

    package init(
        phase: String, lengths: String, ranks: Int, threads: Int, products: String, parameters: Int, videos: Int, rows: [[Int]], peak: Double,
        processorPeak: Double
    ) {
        self.phase = phase
        self.lengths = lengths
        self.ranks = ranks
        self.threads = threads
        self.products = products
        self.parameters = parameters
        self.videos = videos
        self.rows = rows
        self.peak = peak
        self.processorPeak = processorPeak
    }

    /// A family of kernels, per repetition.
    package struct Kernel: Encodable {
        var name: String
        var calls: Int
        /// Over all ranks.
        var operations: Int
        /// By direct products.
        var directOperations: Int
        var bytes: Int
        /// Mean over ranks.
        var seconds: Double
        /// On processors, of all threads and ranks together.
        var processorSeconds: Double
        /// Of the mean repetition.
        var share: Double
        var gflops: Double
        /// Of matrix products alone, 0 to 1.
        var partOfPeak: Double

        enum CodingKeys: String, CodingKey {
            case name, calls, operations, bytes, seconds, share, gflops
            case directOperations = "operations_direct"
            case processorSeconds = "seconds_processor"
            case partOfPeak = "part_of_peak"
        }
    }

    enum CodingKeys: String, CodingKey {
        case phase, lengths, ranks, threads, products, parameters, videos, rows, seconds, kernels, operations, bytes, gflops, counts
        case directOperations = "operations_direct"
        case processorSeconds = "seconds_processor"
        case peakGflops = "peak_gflops"
        case processorPeakGflops = "peak_gflops_per_processor"
        case floorSeconds = "floor_seconds"
        case videosPerSecond = "videos_per_second"
        case peakResidentMiB = "peak_rss_mib"
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(phase, forKey: .phase)
        try container.encode(lengths, forKey: .lengths)
        try container.encode(ranks, forKey: .ranks)
        try container.encode(threads, forKey: .threads)
        try container.encode(products, forKey: .products)
        try container.encode(parameters, forKey: .parameters)
        try container.encode(videos, forKey: .videos)
        try container.encode(rows, forKey: .rows)
        try container.encode(seconds, forKey: .seconds)
        try container.encode(processorSeconds, forKey: .processorSeconds)
        try container.encode(kernels, forKey: .kernels)
        try container.encode(operations, forKey: .operations)
        try container.encode(directOperations, forKey: .directOperations)
        try container.encode(bytes, forKey: .bytes)
        try container.encode(Double(operations) / median * 1e-9, forKey: .gflops)
        try container.encode(peak * 1e-9, forKey: .peakGflops)
        try container.encode(processorPeak * 1e-9, forKey: .processorPeakGflops)
        try container.encode(floorSeconds, forKey: .floorSeconds)
        try container.encode(Double(videos) / median, forKey: .videosPerSecond)
        try container.encode(peakResidentMiB, forKey: .peakResidentMiB)
        if var counts {
            // Kernels are reported per repetition already.
            (counts.calls, counts.operations, counts.bytes) = (kernels.reduce(0) { $0 + $1.calls }, operations, bytes)
            try container.encode(counts, forKey: .counts)
        }
    }

    // MARK: Derived

    private var operations: Int { kernels.reduce(0) { $0 + $1.operations } }
    private var directOperations: Int { kernels.reduce(0) { $0 + $1.directOperations } }
    private var bytes: Int { kernels.reduce(0) { $0 + $1.bytes } }
    private var median: Double { Self.median(seconds) }
    /// If all operations of matrix products ran at their peak and nothing else took any time.
    private var floorSeconds: Double { productOperations / peak }
    private var productOperations: Double {
        let products: [KernelCounter.Family] = [.convolution, .convolutionWeight, .linear, .linearWeight, .matrixProduct]
        return Double(kernels.filter { kernel in products.contains { $0.name == kernel.name } }.reduce(0) { $0 + $1.operations })
    }

    private static func median(_ values: [Double]) -> Double {
        let sorted = values.sorted()
        return sorted.isEmpty ? 0 : 0.5 * (sorted[sorted.count / 2] + sorted[(sorted.count - 1) / 2])
    }

    package static func now() -> Double { Double(DispatchTime.now().uptimeNanoseconds) * 1e-9 }

    /// Adds what kernels did in all repetitions together.
    package mutating func add(_ totals: [KernelCounter.Family: KernelCounter.Total], communicator: Communicator) throws {
        let repetitions = seconds.count, mean = seconds.reduce(0, +) / Double(max(1, repetitions))
        for family in KernelCounter.Family.allCases {
            let own = totals[family] ?? KernelCounter.Total()
            let counts = try communicator.allReduce([own.calls, own.operations, own.bytes, own.directOperations], .sum).map {
                $0 / max(1, repetitions)
            }
            let times = try communicator.allReduce([own.seconds, own.processorSeconds], .sum).map { $0 / Double(max(1, repetitions)) }
            let spent = times[0] / Double(communicator.size)
            guard counts[0] > 0 else { continue }
            let speed = Double(counts[1]) / max(spent, 1e-12)
            kernels.append(
                Kernel(
                    name: family.name, calls: counts[0], operations: counts[1], directOperations: counts[3], bytes: counts[2], seconds: spent,
                    processorSeconds: times[1],
                    share: spent / mean, gflops: speed * 1e-9, partOfPeak: speed / peak))
        }
        kernels.sort { $0.seconds > $1.seconds }
    }

    // MARK: For people

    package var text: String {
        func line(_ name: String, _ seconds: Double, _ processor: Double, _ share: Double, _ rest: String) -> String {
            name.padding(toLength: 22, withPad: " ", startingAt: 0)
                + String(format: "%9.1f %10.1f %8.1f", seconds * 1e3, processor * 1e3, share * 100) + rest
        }
        var lines = [
            "\(phase), \(lengths) lengths: \(videos) recordings (\(rows.joined().reduce(0, +)) rows) per repetition, "
                + "\(ranks) rank\(ranks == 1 ? "" : "s") of \(threads) thread\(threads == 1 ? "" : "s"), \(parameters) parameters",
            products, "",
            "kernels                      ms  processor  share %     GFLOP  GFLOP/s  % of peak     GB/s",
        ]
        for kernel in kernels {
            lines.append(
                line(
                    kernel.name, kernel.seconds, kernel.processorSeconds, kernel.share,
                    String(
                        format: "  %8.2f %8.1f %10.1f %8.1f", Double(kernel.operations) * 1e-9, kernel.gflops, kernel.partOfPeak * 100,
                        Double(kernel.bytes) / max(kernel.seconds, 1e-12) * 1e-9)))
        }
        let counted = kernels.reduce(0) { $0 + $1.seconds }, mean = seconds.reduce(0, +) / Double(max(1, seconds.count))
        let processor = processorSeconds.reduce(0, +) / Double(max(1, processorSeconds.count))
        lines += [
            line("the rest", mean - counted, processor - kernels.reduce(0) { $0 + $1.processorSeconds }, 1 - counted / mean, ""), "",
            "seconds      \(seconds.map { String(format: "%.3f", $0) }.joined(separator: ", "))",
            "processor    \(processorSeconds.map { String(format: "%.3f", $0) }.joined(separator: ", ")) s",
            String(
                format: "median       %.3f s, %.3f recordings/s, %.1f GFLOP at %.1f GFLOP/s", median, Double(videos) / median,
                Double(operations) * 1e-9, Double(operations) / median * 1e-9),
            String(
                format: "floor        %.3f s: products at their peak of %.1f GFLOP/s; the step runs at %.1f %% of it", floorSeconds, peak * 1e-9,
                floorSeconds / median * 100),
            String(
                format: "on processors %.3f s at %.1f GFLOP/s per thread: %.1f %% of the time spent there", productOperations / processorPeak,
                processorPeak * 1e-9, productOperations / processorPeak / max(Self.median(processorSeconds), 1e-12) * 100),
            "memory       \(peakResidentMiB.map(String.init).joined(separator: ", ")) MiB at most per rank",
        ]
        if directOperations != operations {
            lines.append(
                String(
                    format: "direct       %.1f GFLOP by direct products, %.1f GFLOP/s of them", Double(directOperations) * 1e-9,
                    Double(directOperations) / median * 1e-9))
        }
        if let counts {
            lines.append(
                "counts       \(counts.buffers) buffers, \(counts.allocations) allocations, \(counts.messages) messages, "
                    + "\(counts.collectives) collective calls")
        }
        return lines.joined(separator: "\n")
    }
}
