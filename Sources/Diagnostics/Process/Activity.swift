import Synchronization

/// The current operation of this process, written by the working thread and read by the watch. Costs a few nanoseconds per change.
///
/// A counter moves with every change; where it stands still, nothing makes progress.
public enum Activity {
    /// What a process may be doing.
    public enum Operation: UInt8, CaseIterable, Sendable {
        case computing, readingFeatures, readingFile, writingFile
        case barrier, broadcast, allReduce, allGather, gather, send, receive, wait, writingTogether, finalize, leaving

        /// Whether it ends only when other ranks do their part.
        public var waitsForRanks: Bool { rawValue >= Operation.barrier.rawValue }

        /// - Parameter detail: the other rank; negative: none.
        func words(_ detail: Int) -> String {
            let rank = detail >= 0 ? " rank \(detail)" : " another rank"
            switch self {
            case .computing: return "computing"
            case .readingFeatures: return "waiting for features from the disk"
            case .readingFile: return "reading a file"
            case .writingFile: return "writing a file"
            case .barrier: return "MPI_Barrier"
            case .broadcast: return "MPI_Bcast"
            case .allReduce: return "MPI_Allreduce"
            case .allGather: return "MPI_Allgather"
            case .gather: return "MPI_Gatherv"
            case .send: return "MPI_Send to" + rank
            case .receive: return "MPI_Recv from" + rank
            case .wait: return "MPI_Wait for" + rank
            case .writingTogether: return "writing a file with all ranks"
            case .finalize: return "MPI_Finalize"
            case .leaving: return "waiting for the other ranks to end"
            }
        }
    }

    /// The operation in the low 8 bits, its detail and one more above.
    private static let present = Atomic<Int>(0)
    private static let changes = Atomic<Int>(0)
    /// Being worked on, counted from 1; 0: none.
    private static let step = Atomic<Int>(0)
    private static let stage = Mutex<String>("starting")

    /// Something has made progress.
    @inline(__always)
    public static func tick() { changes.wrappingAdd(1, ordering: .relaxed) }

    /// Does `body`, and is in an operation meanwhile.
    ///
    /// - Throws: whatever `body` throws.
    @inline(__always)
    public static func during<Result>(_ operation: Operation, _ detail: Int = -1, _ body: () throws -> Result) rethrows -> Result {
        let before = present.exchange(Int(operation.rawValue) | (detail + 1) << 8, ordering: .relaxed)
        tick()
        defer {
            present.store(before, ordering: .relaxed)
            tick()
        }
        return try Timeline.during(.activity(operation), detail, body)
    }

    /// Begins a step (counted from 1; 0: none is worked on).
    public static func begin(step number: Int) {
        step.store(number, ordering: .relaxed)
        tick()
    }

    /// Begins a part of the run: "burn-in". Ends the step.
    public static func begin(stage name: String) {
        stage.withLock { $0 = name }
        begin(step: 0)
    }

    /// Does `body` as a part of the run; afterwards the part and step before are taken up again.
    ///
    /// - Throws: whatever `body` throws.
    public static func during<Result>(stage name: String, _ body: () throws -> Result) rethrows -> Result {
        let before = (stage: stage.withLock { $0 }, step: step.load(ordering: .relaxed))
        begin(stage: name)
        defer {
            begin(stage: before.stage)
            begin(step: before.step)
        }
        return try body()
    }

    /// An activity as others see it.
    public struct Snapshot: Equatable, Sendable {
        /// Equal as long as nothing makes progress.
        public var changes: Int
        /// Whether other ranks must do something first.
        public var waitsForRanks: Bool
        /// "burn-in, step 18: MPI_Allreduce".
        public var words: String

        /// The activity of another rank, from its message.
        public init(changes: Int, waitsForRanks: Bool, words: String) {
            self.changes = changes
            self.waitsForRanks = waitsForRanks
            self.words = words
        }
    }

    /// This process's activity now; safe from any thread.
    public static var snapshot: Snapshot {
        let code = present.load(ordering: .relaxed), number = step.load(ordering: .relaxed)
        let operation = Operation(rawValue: UInt8(truncatingIfNeeded: code)) ?? .computing
        let place = stage.withLock { $0 } + (number > 0 ? ", step \(number)" : "")
        return Snapshot(
            changes: changes.load(ordering: .relaxed), waitsForRanks: operation.waitsForRanks, words: "\(place): \(operation.words((code >> 8) - 1))")
    }
}
