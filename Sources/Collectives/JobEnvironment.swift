import Diagnostics
import Foundation

/// What a launcher or batch system has put into the environment about the job, compared with what MPI finds.
public struct JobEnvironment {
    private let environment: [String: String]
    private let nodeFile: (String) -> String?

    /// - Parameters:
    ///   - environment: of the process.
    ///   - nodeFile: the text of a file.
    public init(
        _ environment: [String: String] = ProcessInfo.processInfo.environment,
        nodeFile: @escaping (String) -> String? = { try? String(contentsOfFile: $0, encoding: .utf8) }
    ) {
        self.environment = environment
        self.nodeFile = nodeFile
    }

    private func number(_ names: [String]) -> Int? { names.lazy.compactMap { environment[$0].flatMap(Int.init) }.first }

    /// Hosts that a batch system (Slurm, PBS, LSF) has given to the job.
    public var hosts: Int? {
        if let hosts = number(["SLURM_JOB_NUM_NODES", "SLURM_NNODES"]) { return hosts }
        if let path = environment["PBS_NODEFILE"], let text = nodeFile(path) { return Set(text.split(whereSeparator: \.isWhitespace)).count }
        // NAME SLOTS NAME SLOTS ...
        if let list = environment["LSB_MCPU_HOSTS"] { return list.split(separator: " ").count / 2 }
        return nil
    }

    /// Whether the launcher says that all ranks run on this host, and so reach each other over the loopback device.
    var isOnOneHost: Bool {
        guard let ranks = number(["OMPI_COMM_WORLD_SIZE"]) else { return false }
        return number(["OMPI_COMM_WORLD_LOCAL_SIZE"]) == ranks
    }

    /// More than one: that many ranks were started together, as the launcher says; and which of them this one is.
    public var launched: (rank: Int, ranks: Int)? {
        guard let ranks = number(["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"]), ranks > 1,
            let rank = number(["OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"])
        else { return nil }
        return (rank, ranks)
    }

    /// Refuses to run as one of several separate jobs of one rank: under the launcher of another MPI, each rank would find itself alone and do all
    /// the work.
    ///
    /// - Parameter ranks: that MPI finds.
    /// - Throws: `Failure.wrongUsage` when several processes were started and MPI finds this one alone.
    public func requireOneWorld(ranks: Int) throws {
        // Under mpirun the batch system's numbers are those of mpirun's own daemons.
        guard ranks == 1, environment["OMPI_COMM_WORLD_SIZE"] == nil, let started = number(["PMI_SIZE", "SLURM_STEP_NUM_TASKS"]), started > 1 else {
            return
        }
        throw Failure.wrongUsage(
            "\(started) processes were started together, but MPI finds this one alone",
            advice: "start with mpirun, or with the launcher's option for this MPI (srun --mpi=pmix)")
    }

    /// A warning when the job has hosts that no rank runs on.
    ///
    /// - Parameters:
    ///   - ranks: of the job.
    ///   - found: those that MPI finds ranks on.
    ///   - hostName: this rank's host, for the message.
    public func idleHostsWarning(ranks: Int, hosts found: Int, hostName: String) -> String? {
        guard let hosts, hosts > found else { return nil }
        let who = ranks == 1 ? "this run is one rank alone" : "all \(ranks) ranks run on \(found == 1 ? "one of them" : "\(found) of them")"
        return "warning: the job has \(hosts) hosts, but \(who)\(found == 1 ? " ('\(hostName)')" : ""): "
            + "start with srun --mpi=pmix, or with an mpirun that knows the batch system or is given --hostfile"
    }
}
