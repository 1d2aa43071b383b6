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
    /// Number of ranks.
    public let size: Int
    public let hostName: String
    /// For every rank the lowest rank that shares memory with it: equal numbers are ranks of one host.
    public let hosts: [Int]
    /// The largest number of elements in one MPI message; longer buffers are sent in pieces (MPI counts are 32-bit).
    public var largestMessage = Int(Int32.max)

    /// What this rank has sent through this communicator.
    public internal(set) var traffic = Traffic()

    public var isRoot: Bool { rank == 0 }

    /// Equal for ranks of one machine, also where its parts have host names of their own (network namespaces, containers).
    public var machine: String { Self.machine(hostName) }

    private static func machine(_ hostName: String) -> String {
        let boot = (try? String(contentsOfFile: "/proc/sys/kernel/random/boot_id", encoding: .utf8)) ?? hostName
        return boot.filter { !$0.isWhitespace }
    }

    // Safe: written once, by the thread that starts MPI, before others know of ranks.
    nonisolated(unsafe) private static var existing: Communicator?

    /// The communicator when `world()` has been called in this process, nil otherwise (to ask for the rank without starting MPI).
    public static var started: Communicator? { existing }

    /// All ranks that `mpirun` started; without `mpirun` one rank alone. The first call starts MPI, later ones return the same object.
    ///
    /// MPI is ended when the process exits with code 0; with another code it is left as it is, so that `mpirun` ends the other ranks instead of
    /// letting them wait.
    ///
    /// - Parameter limit: several ranks are watched from before MPI_Init until all are gone (`StallWatch`), with this limit at first; nil: nobody
    ///   watches.
    /// - Throws: `Failure` (`.failed`) when MPI does not start or cannot be used beside threads, or a rank does not come.
    public static func world(watched limit: StallLimit? = nil) throws -> Communicator {
        if let existing { return existing }
        var initialised: Int32 = 0
        try check(MPI_Initialized(&initialised), "MPI_Initialized", rank: nil)
        if initialised == 0 { try initialize(limit) }
        var level: Int32 = 0
        try check(MPI_Query_thread(&level), "MPI_Query_thread", rank: nil)
        guard level >= Int32(MPI_THREAD_FUNNELED) else {
            throw Failure.failed(
                "this MPI library cannot be used by programs with threads (level \(level) of \(MPI_THREAD_FUNNELED) needed)",
                advice: "install an MPI built with thread support (Debian: libopenmpi-dev openmpi-bin)")
        }
        if let limit { try startWatch(limit) }
        RunWindow.joined.pass()
        let communicator = try Communicator(handle: kairos_mpi_comm_world())
        try communicator.requireTags()
        existing = communicator
        on_exit(
            { status, _ in
                if status == 0 {
                    Communicator.started?.finalize()
                } else {
                    StallWatch.current?.announceEnd(status)
                }
            }, nil)
        return communicator
    }

    private static func initialize(_ limit: StallLimit?) throws {
        if !wasLaunched {
            // One rank alone needs no daemon beside it.
            setenv("OMPI_MCA_ess_singleton_isolated", "1", 0)
        }
        RunWindow.beforeInit.pass()
        var timer: InitializationTimer?
        if let limit, let launched = JobEnvironment().launched {
            timer = InitializationTimer(limit, rank: launched.rank, host: ProcessInfo.processInfo.hostName)
        }
        var provided: Int32 = 0
        let status = MPI_Init_thread(nil, nil, Int32(MPI_THREAD_SERIALIZED), &provided)
        timer?.end()
        try check(status, "MPI_Init_thread", rank: nil)
        RunWindow.afterInit.pass()
    }

    private static func startWatch(_ limit: StallLimit) throws {
        guard let handle = kairos_mpi_comm_world() else { return }
        let (rank, size, hostName) = try place(handle)
        guard size > 1 else { return }
        try StallWatch.start(handle, rank: rank, size: size, host: hostName, machine: machine(hostName), limit: limit)
    }

    /// What MPI knows of this rank without a message.
    private static func place(_ handle: MPI_Comm) throws -> (rank: Int, size: Int, hostName: String) {
        try check(MPI_Comm_set_errhandler(handle, kairos_mpi_errors_return()), "MPI_Comm_set_errhandler", rank: nil)
        var rank: Int32 = 0, size: Int32 = 0
        try check(MPI_Comm_rank(handle, &rank), "MPI_Comm_rank", rank: nil)
        try check(MPI_Comm_size(handle, &size), "MPI_Comm_size", rank: Int(rank))
        var name = [CChar](repeating: 0, count: Int(MPI_MAX_PROCESSOR_NAME) + 1), length: Int32 = 0
        try check(MPI_Get_processor_name(&name, &length), "MPI_Get_processor_name", rank: Int(rank))
        return (Int(rank), Int(size), String(untilZero: name))
    }

    /// This rank alone, however many `mpirun` started: it behaves as in a run of one rank.
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
        (rank, size, hostName) = try Self.place(handle)
        let rank = self.rank, size = self.size
        // Whoever is late here is to blame, not those who wait.
        hosts = try Activity.during(.allGather) {
            var neighbours: MPI_Comm? = kairos_mpi_comm_null()
            try Self.check(
                MPI_Comm_split_type(handle, kairos_mpi_comm_type_shared(), Int32(rank), kairos_mpi_info_null(), &neighbours), "MPI_Comm_split_type",
                rank: rank)
            var lowest = Int32(rank), hosts = [Int32](repeating: 0, count: size)
            if neighbours != nil {
                try Self.check(MPI_Bcast(&lowest, 1, kairos_mpi_int32(), 0, neighbours), "MPI_Bcast", rank: rank)
                _ = MPI_Comm_free(&neighbours)
            }
            try Self.check(MPI_Allgather(&lowest, 1, kairos_mpi_int32(), &hosts, 1, kairos_mpi_int32(), handle), "MPI_Allgather", rank: rank)
            return hosts.map(Int.init)
        }
    }

    /// Ends all ranks at once, with `code` as the exit code of `mpirun`.
    public func abort(_ code: Int32) -> Never {
        StallWatch.current?.announceEnd(code)
        // Should MPI not listen, this process ends all the same.
        Thread.detachNewThread {
            sleep(5)
            _exit(code)
        }
        _ = MPI_Abort(handle, code)
        exit(code)
    }

    /// Seconds that this rank waits before it prints an error that all ranks may have, so that only one prints it.
    public var secondsBeforeSpeaking: Double { StallWatch.turn(of: rank) }

    /// Prints why the job ends, and aborts it. Does not return if the watch is already doing so.
    public func takeOver() { StallWatch.current?.takeOver() }

    /// Ends MPI and waits until this process may end; all ranks must come here. Called at a successful exit; calling it twice is harmless.
    public func finalize() {
        var finalized: Int32 = 0
        guard MPI_Finalized(&finalized) == MPI_SUCCESS, finalized == 0 else { return }
        Activity.begin(stage: "ending")
        fflush(nil)
        RunWindow.beforeFinalize.pass()
        StallWatch.current?.finalizing()
        _ = Activity.during(.finalize) { MPI_Finalize() }
        RunWindow.afterFinalize.pass()
        StallWatch.current?.leave()
        RunWindow.leaving.pass()
    }

    /// Turns an MPI status into a `Failure`.
    static func check(_ status: Int32, _ operation: String, rank: Int?) throws {
        guard status != MPI_SUCCESS else { return }
        var words = [CChar](repeating: 0, count: Int(MPI_MAX_ERROR_STRING) + 1)
        var length: Int32 = 0
        let reason = MPI_Error_string(status, &words, &length) == MPI_SUCCESS ? String(untilZero: words) : "error \(status)"
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
