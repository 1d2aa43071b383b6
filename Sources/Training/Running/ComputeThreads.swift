import Collectives
import Foundation
import Kernels

/// The number of compute threads of a rank.
public enum ComputeThreads {
    /// The processor cores this process may run on, divided among the ranks of the machine that may use the same ones; `requested` overrides.
    ///
    /// - Returns: the number of threads of this rank.
    /// - Throws: `Failure` when the exchange between ranks fails.
    public static func set(_ requested: Int?, communicator: Communicator) throws -> Int {
        let mask = status("Cpus_allowed") ?? "1"
        let all = try communicator.allGather("\(communicator.machine) \(mask)")
        let sharing = all.filter { $0 == all[communicator.rank] }.count
        let cores = mask.reduce(0) { $0 + ($1.hexDigitValue ?? 0).nonzeroBitCount }
        let threads = requested ?? max(1, cores / max(sharing, 1))
        ComputeContext.current.threads = threads
        ComputeContext.current.threadsHaveOwnCores = threads * sharing <= cores
        return threads
    }

    /// Where all ranks run, after `set`; the same on all.
    ///
    /// - Throws: `Failure` when the exchange between ranks fails.
    public static func placements(_ communicator: Communicator) throws -> [RankPlacement] {
        let own =
            "\(ComputeContext.current.threads)|\(ProcessInfo.processInfo.processorCount)|\(status("Cpus_allowed_list") ?? "")|\(communicator.hostName)"
        return try communicator.allGather(own).enumerated().map { rank, text in
            let parts = text.split(separator: "|", maxSplits: 3, omittingEmptySubsequences: false).map(String.init)
            return RankPlacement(
                host: communicator.hosts[rank], hostName: parts[3], cores: RankPlacement.cores(in: parts[2]), coresOfHost: Int(parts[1]) ?? 1,
                threads: Int(parts[0]) ?? 1)
        }
    }

    /// The most memory this process has held, in MiB.
    public static var peakResidentMiB: Int {
        status("VmHWM").flatMap { Int($0.split(separator: " ")[0]) }.map { $0 / 1024 } ?? 0
    }

    /// A line of the kernel's description of this process.
    private static func status(_ name: String) -> String? {
        guard let text = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8) else { return nil }
        return text.split(separator: "\n").first { $0.hasPrefix(name + ":") }
            .map { $0.dropFirst(name.count + 1).trimmingCharacters(in: .whitespaces) }
            .flatMap { $0.isEmpty ? nil : $0 }
    }
}
