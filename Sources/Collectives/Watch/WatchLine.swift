import Diagnostics

/// One line between the watches of two ranks: fields with tabs between them.
enum WatchLine: Equatable {
    /// First line of a rank to rank 0.
    case greeting(token: String, rank: Int, process: Int, host: String)
    /// First line of rank 0 to a rank whose greeting has come.
    case welcome
    /// Rank 0 to rank 1: who another rank is.
    case member(Int, process: Int, host: String)
    /// What the sender is doing, the signal it has noted, and for how many milliseconds since it began a core was wanting.
    case report(Activity.Snapshot, signal: Interruption.Signal?, starved: Int)
    /// Rank 0 to rank 1: what it knows of another rank; ages in milliseconds.
    case rank(Int, Activity.Snapshot, heardAge: Int, changedAge: Int)
    /// The sender has left MPI_Finalize.
    case leaving
    /// Rank 0: all ranks have left MPI_Finalize.
    case goodbye
    /// The job ends with this exit code; the sender has said why.
    case aborting(Int32)

    var text: String {
        switch self {
        case .greeting(let token, let rank, let process, let host): "greeting\t\(token)\t\(rank)\t\(process)\t\(host)"
        case .welcome: "welcome"
        case .member(let rank, let process, let host): "member\t\(rank)\t\(process)\t\(host)"
        case .report(let report, let signal, let starved): "report\t\(signal?.rawValue ?? 0)\t\(starved)\t" + Self.fields(report)
        case .rank(let rank, let report, let heard, let changed): "rank\t\(rank)\t\(heard)\t\(changed)\t" + Self.fields(report)
        case .leaving: "leaving"
        case .goodbye: "goodbye"
        case .aborting(let code): "aborting\t\(code)"
        }
    }

    /// nil for a line of something else.
    init?(_ text: some StringProtocol) {
        let fields = text.split(separator: "\t", omittingEmptySubsequences: false)
        func number(_ index: Int) -> Int? { fields.indices.contains(index) ? Int(fields[index]) : nil }
        func report(_ first: Int) -> Activity.Snapshot? {
            guard fields.count == first + 3, let changes = number(first), let waits = number(first + 1) else { return nil }
            return Activity.Snapshot(changes: changes, waitsForRanks: waits != 0, words: String(fields[first + 2]))
        }
        switch fields.first {
        case "greeting":
            guard fields.count == 5, let rank = number(2), let process = number(3) else { return nil }
            self = .greeting(token: String(fields[1]), rank: rank, process: process, host: String(fields[4]))
        case "welcome": self = .welcome
        case "member":
            guard fields.count == 4, let rank = number(1), let process = number(2) else { return nil }
            self = .member(rank, process: process, host: String(fields[3]))
        case "report":
            guard let signal = number(1), let starved = number(2), let report = report(3) else { return nil }
            self = .report(report, signal: Interruption.Signal(rawValue: Int32(truncatingIfNeeded: signal)), starved: starved)
        case "rank":
            guard let rank = number(1), let heard = number(2), let changed = number(3), let report = report(4) else { return nil }
            self = .rank(rank, report, heardAge: heard, changedAge: changed)
        case "leaving": self = .leaving
        case "goodbye": self = .goodbye
        case "aborting":
            guard fields.count == 2, let code = number(1) else { return nil }
            self = .aborting(Int32(truncatingIfNeeded: code))
        default: return nil
        }
    }

    private static func fields(_ report: Activity.Snapshot) -> String {
        let words = String(report.words.prefix(200).map { $0 == "\t" || $0.isNewline ? " " : $0 })
        return "\(report.changes)\t\(report.waitsForRanks ? 1 : 0)\t\(words)"
    }
}
