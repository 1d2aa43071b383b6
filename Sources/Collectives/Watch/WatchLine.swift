import Diagnostics

/// One line between the watches of two ranks: fields with tabs between them.
enum WatchLine: Equatable {
    /// First line of a rank to rank 0.
    case greeting(token: String, rank: Int)
    /// What the sender is doing, and the signal it has noted.
    case report(Activity.Snapshot, signal: Interruption.Signal?)
    /// Rank 0 to rank 1: what it knows of another rank; ages in milliseconds.
    case rank(Int, Activity.Snapshot, heardAge: Int, changedAge: Int)
    /// The sender ends by itself.
    case leaving
    /// The job ends; the sender has said why.
    case aborting

    var text: String {
        switch self {
        case .greeting(let token, let rank): "greeting\t\(token)\t\(rank)"
        case .report(let report, let signal): "report\t\(signal?.rawValue ?? 0)\t" + Self.fields(report)
        case .rank(let rank, let report, let heard, let changed): "rank\t\(rank)\t\(heard)\t\(changed)\t" + Self.fields(report)
        case .leaving: "leaving"
        case .aborting: "aborting"
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
            guard fields.count == 3, let rank = number(2) else { return nil }
            self = .greeting(token: String(fields[1]), rank: rank)
        case "report":
            guard let signal = number(1), let report = report(2) else { return nil }
            self = .report(report, signal: Interruption.Signal(rawValue: Int32(truncatingIfNeeded: signal)))
        case "rank":
            guard let rank = number(1), let heard = number(2), let changed = number(3), let report = report(4) else { return nil }
            self = .rank(rank, report, heardAge: heard, changedAge: changed)
        case "leaving": self = .leaving
        case "aborting": self = .aborting
        default: return nil
        }
    }

    private static func fields(_ report: Activity.Snapshot) -> String {
        let words = String(report.words.prefix(200).map { $0 == "\t" || $0.isNewline ? " " : $0 })
        return "\(report.changes)\t\(report.waitsForRanks ? 1 : 0)\t\(words)"
    }
}
