import Foundation
import Synchronization

/// Named places in a command of several ranks, in order, at which tests can stop, kill or signal a rank.
///
/// `KAIROS_TEST_HOLD=PLACE:RANK[:OCCURRENCE]` (several with `;` between them) holds that rank where it comes to that place for the first, or the
/// given, time: it makes the file `held-RANK` in the folder `KAIROS_TEST_HOLD_FOLDER` and continues when the file is removed or `Interruption` has
/// noted a signal. Without the variable a place costs a comparison.
public enum RunWindow: String, CaseIterable, Sendable {
    case beforeInit = "before MPI_Init"
    case afterInit = "after MPI_Init"
    case joined = "joining the ranks"
    case readingInput = "reading the input"
    case openingStore = "opening the store"
    case building = "building"
    case readingCheckpoint = "reading a checkpoint"
    case step = "step"
    case collective = "in a collective"
    case writingCheckpoint = "writing a checkpoint"
    case labelling = "labelling"
    case writingRows = "writing rows"
    case finishingStore = "finishing the store"
    case measuring = "measuring"
    case detecting = "detecting"
    case writingDetections = "writing predictions.json"
    case evaluating = "evaluating"
    case writingMetrics = "writing metrics.json"
    case finished = "after the last result"
    case beforeFinalize = "before MPI_Finalize"
    case afterFinalize = "after MPI_Finalize"
    case leaving = "leaving"

    /// The commands that run on several ranks.
    public enum Command: String, CaseIterable, Sendable {
        case train, detect, `import`, synthesize, benchmark
    }

    /// The commands that come here; labelling is that of runs with pseudo-labels.
    public var commands: [Command] {
        switch self {
        case .beforeInit, .afterInit, .joined, .collective, .finished, .beforeFinalize, .afterFinalize, .leaving: Command.allCases
        case .readingInput: [.train, .detect, .import, .synthesize]
        case .openingStore, .building, .readingCheckpoint, .step, .writingCheckpoint, .labelling, .evaluating, .writingMetrics: [.train]
        case .detecting, .writingDetections: [.train, .detect]
        case .writingRows, .finishingStore: [.import, .synthesize]
        case .measuring: [.benchmark]
        }
    }

    /// Whether rank 0 alone comes here.
    public var isOfRootAlone: Bool {
        [.writingCheckpoint, .finishingStore, .writingDetections, .evaluating, .writingMetrics].contains(self)
    }

    /// This process comes to the place; it is held when a test asks for that. To be called by the thread that works.
    @inline(__always)
    public func pass() {
        if Self.isAsked { wait() }
    }

    // MARK: Holding

    private struct Hold {
        var place: String
        var rank: Int
        /// How often the place is still to be passed.
        var left: Int
    }

    private static let environment = ProcessInfo.processInfo.environment
    private static let isAsked = environment["KAIROS_TEST_HOLD"] != nil
    private static let holds = Mutex<[Hold]>(
        (environment["KAIROS_TEST_HOLD"] ?? "").split(separator: ";").compactMap { text in
            let parts = text.split(separator: ":").map(String.init)
            guard parts.count >= 2, let rank = Int(parts[1]) else { return nil }
            return Hold(place: parts[0], rank: rank, left: parts.count > 2 ? Int(parts[2]) ?? 1 : 1)
        })

    private func wait() {
        let names = ["OMPI_COMM_WORLD_RANK", "PMIX_RANK", "SLURM_PROCID"]
        let rank = names.lazy.compactMap { Self.environment[$0].flatMap { Int($0) } }.first ?? 0
        let isHeld = Self.holds.withLock { holds in
            guard let index = holds.firstIndex(where: { $0.place == rawValue && $0.rank == rank }) else { return false }
            holds[index].left -= 1
            return holds[index].left == 0
        }
        guard isHeld, let folder = Self.environment["KAIROS_TEST_HOLD_FOLDER"] else { return }
        let path = folder + "/held-\(rank)"
        close(open(path, O_CREAT | O_WRONLY, 0o600))
        while access(path, F_OK) == 0, Interruption.asked == nil { usleep(2_000) }
    }
}
