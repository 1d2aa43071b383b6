import Foundation
import Synchronization

/// A recording of what the working thread of this process does, and of the messages under way: enabled by `--timeline`, written in Chrome's trace
/// format. When off, it costs a check of a variable.
///
/// Used by one thread alone, the one that started it; what others do is not recorded.
public final class Timeline: @unchecked Sendable {
    /// What is done, besides the operations of `Activity`.
    public enum Kind: Hashable, Sendable {
        case activity(Activity.Operation)
        /// Reading and packing a step's recordings, forward and backward of a shard.
        case batches, forward, backward
        /// Adding gradients up, rounding them for the way.
        case adding
        /// In MPI to start gradients on their way or to let them move on, between operations of backward.
        case moving
        /// After backward, until the gradients of a bucket are there.
        case gradientWait
        case optimizer

        func name(_ detail: Int) -> String {
            switch self {
            case .activity(let operation): operation.words(detail)
            case .batches: "batches"
            case .forward: "forward"
            case .backward: "backward"
            case .adding: "adding gradients"
            case .moving: "moving messages"
            case .gradientWait: "waiting for gradients"
            case .optimizer: "optimiser"
            }
        }

        var category: String {
            switch self {
            case .activity(let operation):
                operation.waitsForRanks ? "waiting" : operation == .readingFeatures ? "data" : operation == .computing ? "compute" : "files"
            case .moving, .gradientWait: "waiting"
            case .batches, .forward, .backward, .adding, .optimizer: "compute"
            }
        }
    }

    private struct Event {
        var kind: Kind
        var detail: Int
        var step: Int
        var begin: UInt64
        var end: UInt64
    }

    private struct Transfer {
        var bucket: Int
        var round: String
        var step: Int
        var begin: UInt64
        var end: UInt64
    }

    /// The one that records; nil: none does.
    public static var current: Timeline? { isRecording.load(ordering: .acquiring) ? recording.withLock { $0 } : nil }
    private static let isRecording = Atomic<Bool>(false)
    private static let recording = Mutex<Timeline?>(nil)

    public let rank: Int
    private let host: String
    private let mostEvents: Int
    private let clock: () -> UInt64
    private let began: UInt64
    private let thread = pthread_self()
    private var events: [Event] = []
    private var transfers: [Transfer] = []
    /// Of events that have begun: the time their inner events took.
    private var inner: [UInt64] = []
    private var step = 0
    private var stepBegan: UInt64 = 0
    private var firstEvent = 0, firstTransfer = 0
    private var exclusive: [Kind: UInt64] = [:]
    private var exposed: UInt64 = 0
    private var settled = Summary()
    /// Steps left out of the file, which holds so many events at most.
    public private(set) var droppedSteps = 0

    /// - Parameters:
    ///   - mostEvents: kept for the file; further steps only count in the summary.
    ///   - clock: nanoseconds.
    package init(rank: Int, host: String, mostEvents: Int = 200_000, clock: @escaping () -> UInt64 = { DispatchTime.now().uptimeNanoseconds }) {
        self.rank = rank
        self.host = host
        self.mostEvents = mostEvents
        self.clock = clock
        began = clock()
    }

    /// Begins to record; the times in the file count from now.
    public static func start(rank: Int, host: String) {
        recording.withLock { $0 = Timeline(rank: rank, host: host) }
        isRecording.store(true, ordering: .releasing)
    }
    /// Ends recording; what was recorded is let go.
    public static func stop() {
        isRecording.store(false, ordering: .releasing)
        recording.withLock { $0 = nil }
    }

    // MARK: Recording

    /// Does `body` and records it, when recording is on.
    ///
    /// - Throws: whatever `body` throws.
    @inline(__always)
    public static func during<Result>(_ kind: Kind, _ detail: Int = -1, _ body: () throws -> Result) rethrows -> Result {
        guard let current else { return try body() }
        return try current.during(kind, detail, body)
    }

    package func during<Result>(_ kind: Kind, _ detail: Int = -1, _ body: () throws -> Result) rethrows -> Result {
        guard pthread_equal(thread, pthread_self()) != 0 else { return try body() }
        let begin = clock()
        inner.append(0)
        defer { record(kind, detail, begin) }
        return try body()
    }

    private func record(_ kind: Kind, _ detail: Int, _ begin: UInt64) {
        let end = clock(), own = inner.removeLast()
        if !inner.isEmpty { inner[inner.count - 1] += end - begin }
        if step > 0 {
            exclusive[kind, default: 0] += end - begin - own
            if kind == .moving || kind == .gradientWait { exposed += end - begin }
        }
        guard events.count < mostEvents else { return }
        events.append(Event(kind: kind, detail: detail, step: step, begin: begin, end: end))
    }

    /// The recording timeline's clock; 0 when none records.
    public static var now: UInt64 { current?.clock() ?? 0 }

    /// Records messages of a gradient bucket, from when they began (`now` then) until they were seen to have ended.
    public func transferred(bucket: Int, round: String, from begin: UInt64) {
        transfers.append(Transfer(bucket: bucket, round: round, step: step, begin: begin, end: clock()))
    }

    /// - Parameter number: counted from 1.
    public func beginStep(_ number: Int) {
        step = number
        stepBegan = clock()
        firstEvent = events.count
        firstTransfer = transfers.count
        exclusive = [:]
        exposed = 0
    }

    /// Adds the step to the summary.
    public func endStep() {
        let seconds = { (nanoseconds: UInt64) in Double(nanoseconds) * 1e-9 }
        settled.steps += 1
        settled.seconds += seconds(clock() - stepBegan)
        for (kind, time) in exclusive {
            switch kind {
            case .activity(.readingFeatures): settled.secondsData += seconds(time)
            case .activity(let operation) where operation.waitsForRanks: settled.secondsRanks += seconds(time)
            case .moving, .gradientWait: settled.secondsRanks += seconds(time)
            case .forward: settled.secondsForward += seconds(time)
            case .backward: settled.secondsBackward += seconds(time)
            case .adding: settled.secondsAdding += seconds(time)
            case .optimizer: settled.secondsOptimizer += seconds(time)
            case .batches, .activity: break
            }
        }
        let under = Self.covered(transfers[firstTransfer...].map { ($0.begin, $0.end) })
        settled.secondsTransfer += seconds(under)
        settled.secondsExposed += seconds(min(exposed, under))
        if events.count >= mostEvents || transfers.count >= mostEvents {
            events.removeSubrange(firstEvent...)
            transfers.removeSubrange(firstTransfer...)
            droppedSteps += 1
        }
        step = 0
    }

    /// Nanoseconds that intervals cover together.
    package static func covered(_ intervals: [(UInt64, UInt64)]) -> UInt64 {
        var total: UInt64 = 0, reached: UInt64 = 0
        for (begin, end) in intervals.sorted(by: { $0 < $1 }) where end > reached {
            total += end - max(begin, reached)
            reached = end
        }
        return total
    }

    // MARK: Results

    /// Sums over the steps of a training, of one rank.
    public struct Summary: Codable, Equatable, Sendable {
        public var steps = 0
        public var seconds = 0.0
        /// Wall-clock seconds by what the rank did.
        public var secondsForward = 0.0, secondsBackward = 0.0, secondsAdding = 0.0, secondsOptimizer = 0.0
        /// Waiting for features, and for other ranks (in MPI).
        public var secondsData = 0.0, secondsRanks = 0.0
        /// Gradients were under way, and the part of that time in which this rank did nothing but start messages, see to them and wait for them.
        public var secondsTransfer = 0.0, secondsExposed = 0.0

        /// Sums over no steps.
        public init() {}

        /// Share of the time that gradients were under way in which this rank computed; nil when none were.
        public var hidden: Double? { secondsTransfer > 0 ? 1 - secondsExposed / secondsTransfer : nil }

        /// What has been added since `before`.
        public func since(_ before: Summary) -> Summary {
            var result = self
            result.steps -= before.steps
            for key in [
                \Summary.seconds, \.secondsForward, \.secondsBackward, \.secondsAdding, \.secondsOptimizer, \.secondsData, \.secondsRanks,
                \.secondsTransfer, \.secondsExposed,
            ] { result[keyPath: key] -= before[keyPath: key] }
            return result
        }

        enum CodingKeys: String, CodingKey {
            case steps, seconds
            case secondsForward = "seconds_forward"
            case secondsBackward = "seconds_backward"
            case secondsAdding = "seconds_adding"
            case secondsOptimizer = "seconds_optimizer"
            case secondsData = "seconds_waiting_data"
            case secondsRanks = "seconds_waiting_mpi"
            case secondsTransfer = "seconds_transfer"
            case secondsExposed = "seconds_transfer_exposed"
        }
    }

    public var summary: Summary { settled }

    /// The recorded events in Chrome's trace format: a process per rank, its work on one row, messages under way on others.
    public func traceJSON() -> Data {
        func microseconds(_ time: UInt64) -> String { String(format: "%.3f", Double(time - min(time, began)) * 1e-3) }
        func quoted(_ text: String) -> String {
            String(decoding: (try? JSONEncoder().encode(text)) ?? Data("\"\"".utf8), as: UTF8.self)
        }
        var lines = [
            #"{"ph":"M","name":"process_name","pid":\#(rank),"args":{"name":\#(quoted("rank \(rank) on \(host)"))}}"#,
            #"{"ph":"M","name":"process_sort_index","pid":\#(rank),"args":{"sort_index":\#(rank)}}"#,
            #"{"ph":"M","name":"thread_name","pid":\#(rank),"tid":0,"args":{"name":"work"}}"#,
        ]
        lines.reserveCapacity(events.count + 2 * transfers.count + 4)
        // Inner events were noted before outer ones; those that begin together are put outside in.
        let ordered = events.enumerated().sorted { ($0.element.begin, $1.element.end, $1.offset) < ($1.element.begin, $0.element.end, $0.offset) }
        for event in ordered.map(\.element) {
            let duration = String(format: "%.3f", Double(event.end - event.begin) * 1e-3)
            lines.append(
                #"{"ph":"X","name":\#(quoted(event.kind.name(event.detail))),"cat":"\#(event.kind.category)","pid":\#(rank),"tid":0,"#
                    + #""ts":\#(microseconds(event.begin)),"dur":\#(duration),"args":{"step":\#(event.step)}}"#)
        }
        for transfer in transfers {
            let bucket = transfer.bucket
            let common =
                #""cat":"transfer","id":"\#(rank).\#(bucket)","name":"bucket \#(bucket): \#(transfer.round)","pid":\#(rank),"tid":1"#
            lines.append(#"{"ph":"b",\#(common),"ts":\#(microseconds(transfer.begin)),"args":{"step":\#(transfer.step)}}"#)
            lines.append(#"{"ph":"e",\#(common),"ts":\#(microseconds(transfer.end))}"#)
        }
        return Data((#"{"displayTimeUnit":"ms","traceEvents":["# + "\n" + lines.joined(separator: ",\n") + "\n]}\n").utf8)
    }
}
