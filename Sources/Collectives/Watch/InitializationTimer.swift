import Diagnostics
import Foundation

/// Ends this process with a message when MPI_Init takes longer than the limit: it waits for ranks that never come to it, and nobody can be asked yet.
final class InitializationTimer: @unchecked Sendable {
    private let ended = DispatchSemaphore(value: 0)
    private let answered = DispatchSemaphore(value: 0)

    /// - Parameter rank: of this process, as the launcher says. Rank 0 speaks first; the others do when it is still silent seconds later.
    init(_ limit: StallLimit, rank: Int, host: String) {
        guard let seconds = limit.seconds else {
            answered.signal()
            return
        }
        let delay = StallWatch.turn(of: rank)
        let thread = Thread { [self] in
            if ended.wait(timeout: .now() + seconds + delay) == .timedOut {
                StallWatch.say(Self.failure(limit, seconds, rank: rank, host: host))
                _exit(1)
            }
            answered.signal()
        }
        thread.name = "MPI_Init timer"
        thread.start()
    }

    /// MPI_Init has returned.
    func end() {
        ended.signal()
        answered.wait()
    }

    private static func failure(_ limit: StallLimit, _ seconds: Double, rank: Int, host: String) -> Failure {
        let local = LocalRanks(), stopped = local.stopped
        let time = "MPI_Init has not ended within \(Int(seconds)) s on rank \(rank)"
        guard !stopped.isEmpty else {
            return Failure(
                .failed, "\(time): another rank has not come to it; on host '\(host)' none is stopped", at: [.rank(rank)],
                advice: "look on the other hosts for processes that are stopped or still starting, and at the network between the hosts, then "
                    + "\(limit.again); where starting rightly takes so long, raise \(limit.setting)")
        }
        let names = stopped.prefix(4).map { "rank \($0)" + local.words($0, host: host) } + (stopped.count > 4 ? ["\(stopped.count - 4) more"] : [])
        return Failure(
            .failed, "\(time): it waits for \(names.joined(separator: ", "))", at: stopped.prefix(8).map { .rank($0) }, advice: limit.advice)
    }
}
