import COpenMPI
import Diagnostics
import Foundation

/// The ranks of this run and the messages between them.
///
/// Every call is checked: an MPI error becomes a `Failure` that names the rank, the operation and MPI's own words. Collective calls must be made by
/// all ranks in the same order, from the thread that called `world()`.
public final class Communicator {
    /// The MPI handle, for libraries that take one (parallel HDF5).
    public let handle: MPI_Comm
    /// This process's number, 0 ..< size.
    public let rank: Int
    public let size: Int
    public let hostName: String
    /// For every rank the lowest rank that shares memory with it: equal numbers are ranks of one host.
    public let hosts: [Int]
    /// The most elements one MPI message carries; longer buffers travel in pieces (MPI counts are 32-bit).
    public var largestMessage = Int(Int32.max)

    public var isRoot: Bool { rank == 0 }

    /// Equal for ranks of one machine, also where its parts have host names of their own (network namespaces, containers).
    public var machine: String {
        let boot = (try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)) ?? hostName
        return boot.filter { !$0.isWhitespace }
    }

    nonisolated(unsafe) private static var existing: Communicator?

    /// The communicator when `world()` has been called in this process, nil otherwise (to ask for the rank without starting MPI).
    public static var started: Communicator? { existing }

    /// All ranks that `mpirun` started; without `mpirun` one rank alone. The first call starts MPI, later ones return the same object.
    ///
    /// MPI is ended when the process exits with code 0; with another code it is left as it is, so that `mpirun` ends the other ranks instead of
    /// letting them wait.
    ///
    /// - Throws: `Failure` (`.failed`) when MPI does not start or cannot be used beside threads.
    public static func world() throws -> Communicator {
        if let existing { return existing }
        var initialised: Int32 = 0
        try check(MPI_Initialized(&initialised), "MPI_Initialized", rank: nil)
        if initialised == 0 {
            if !wasLaunched {
                // One rank alone needs no daemon beside it.
                setenv("OMPI_MCA_ess_singleton_isolated", "1", 0)
            }
            var provided: Int32 = 0
            try check(MPI_Init_thread(nil, nil, Int32(MPI_THREAD_SERIALIZED), &provided), "MPI_Init_thread", rank: nil)
        }
        var level: Int32 = 0
        try check(MPI_Query_thread(&level), "MPI_Query_thread", rank: nil)
        guard level >= Int32(MPI_THREAD_FUNNELED) else {
            throw Failure.failed(
                "this MPI library cannot be used by programs with threads (level \(level) of \(MPI_THREAD_FUNNELED) needed)",
                advice: "install an MPI built with thread support (Debian: libopenmpi-dev openmpi-bin)")
        }
        let communicator = try Communicator(handle: kairos_mpi_comm_world())
        try communicator.requireTags()
        existing = communicator
        on_exit(
            { status, _ in
                StallWatch.current?.finish()
                if status == 0 { Communicator.started?.finalize() }
            }, nil)
        return communicator
    }

    /// This rank by itself, however many `mpirun` started: what it does there is what a run of one rank does.
    ///
    /// - Throws: as `world()`.
    public static func alone() throws -> Communicator {
        _ = try world()
        return try Communicator(handle: kairos_mpi_comm_self())
    }

    /// Whether `mpirun` or a batch system started this process.
    private static var wasLaunched: Bool {
        let environment = ProcessInfo.processInfo.environment
        return ["OMPI_COMM_WORLD_SIZE", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID"].contains { environment[$0] != nil }
    }

    private init(handle: MPI_Comm) throws {
        self.handle = handle
        try Self.check(MPI_Comm_set_errhandler(handle, kairos_mpi_errors_return()), "MPI_Comm_set_errhandler", rank: nil)
        var rank: Int32 = 0
        var size: Int32 = 0
        try Self.check(MPI_Comm_rank(handle, &rank), "MPI_Comm_rank", rank: nil)
        try Self.check(MPI_Comm_size(handle, &size), "MPI_Comm_size", rank: Int(rank))
        self.rank = Int(rank)
        self.size = Int(size)
        var name = [CChar](repeating: 0, count: Int(MPI_MAX_PROCESSOR_NAME) + 1)
        var length: Int32 = 0
        try Self.check(MPI_Get_processor_name(&name, &length), "MPI_Get_processor_name", rank: Int(rank))
        hostName = String(cString: name)
        var neighbours: MPI_Comm? = kairos_mpi_comm_null()
        try Self.check(
            MPI_Comm_split_type(handle, kairos_mpi_comm_type_shared(), rank, kairos_mpi_info_null(), &neighbours), "MPI_Comm_split_type",
            rank: Int(rank))
        var lowest = rank, hosts = [Int32](repeating: 0, count: Int(size))
        if neighbours != nil {
            try Self.check(MPI_Bcast(&lowest, 1, kairos_mpi_int32(), 0, neighbours), "MPI_Bcast", rank: Int(rank))
            _ = MPI_Comm_free(&neighbours)
        }
        try Self.check(
            MPI_Allgather(&lowest, 1, kairos_mpi_int32(), &hosts, 1, kairos_mpi_int32(), handle), "MPI_Allgather", rank: Int(rank))
        self.hosts = hosts.map(Int.init)
    }

    /// Ends all ranks at once, with `code` as the exit code of `mpirun`.
    public func abort(_ code: Int32) -> Never {
        _ = MPI_Abort(handle, code)
        exit(code)
    }

    /// Ends MPI; all ranks must come here. Called at a successful exit; calling it twice is harmless.
    public func finalize() {
        var finalized: Int32 = 0
        guard MPI_Finalized(&finalized) == MPI_SUCCESS, finalized == 0 else { return }
        _ = MPI_Finalize()
    }

    /// Turns an MPI status into a `Failure`.
    static func check(_ status: Int32, _ operation: String, rank: Int?) throws {
        guard status != MPI_SUCCESS else { return }
        var words = [CChar](repeating: 0, count: Int(MPI_MAX_ERROR_STRING) + 1)
        var length: Int32 = 0
        let reason = MPI_Error_string(status, &words, &length) == MPI_SUCCESS ? String(cString: words) : "error \(status)"
        throw Failure(
            .failed, "\(operation) failed: \(reason)", at: rank.map { [.rank($0)] } ?? [],
            advice: "look at the messages of the other ranks; when there are none, check the network between the hosts")
    }

    /// Whether a call has failed: perhaps because another rank is dead.
    public private(set) var hasFailed = false

    func check(_ status: Int32, _ operation: String) throws {
        if status != MPI_SUCCESS { hasFailed = true }
        try Self.check(status, operation, rank: rank)
    }

    /// Refuses a rank that does not exist.
    func requireRank(_ other: Int, _ operation: String) throws {
        guard other >= 0, other < size else {
            throw Failure.failed(
                "\(operation) names rank \(other), there are \(size)", at: .rank(rank), advice: "name a rank from 0 to \(size - 1)")
        }
    }

    /// Calls `body` with the pieces, none longer than `largestMessage`, that `count` elements travel in.
    func inPieces(_ count: Int, _ body: (_ first: Int, _ count: Int32) throws -> Void) rethrows {
        var first = 0
        while first < count {
            let piece = Swift.min(largestMessage, count - first)
            try body(first, Int32(piece))
            first += piece
        }
    }
}
