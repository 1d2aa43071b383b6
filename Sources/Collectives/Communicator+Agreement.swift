import Diagnostics
import Foundation

/// Turns mismatches and failures of single ranks into errors on every rank, so that none hangs.
extension Communicator {
    /// Checks that all ranks hold the same `value` (the program's version, the configuration's digest).
    ///
    /// - Parameters:
    ///   - value: this rank's.
    ///   - name: what is compared, for the message: "the configuration".
    /// - Throws: `Failure` (`.failed`) on all ranks when they differ, saying which ranks hold which value; its places are the ranks that differ from
    ///   the most common value.
    public func agree(on value: String, name: String) throws {
        let values = try allGather(value)
        guard let failure = disagreement(among: values, name: name) else { return }
        throw failure
    }

    /// Runs `body` on every rank; when it throws on any, it throws on all: the `Failure` of the lowest failing rank, with that rank among its places.
    ///
    /// `body` must not wait for other ranks: a rank that has failed would never respond.
    ///
    /// - Returns: what this rank's `body` returned.
    /// - Throws: `Failure`, equal on all ranks; an error of `body` that is none becomes one of kind `.failed`.
    public func throwTogether<Result>(_ body: () throws -> Result) throws -> Result {
        var result: Result?
        var own: Failure?
        do {
            result = try body()
        } catch let failure as Failure {
            own = failure
        } catch {
            own = Failure.failed("\(error)", advice: "look at this rank's own messages")
        }
        guard size > 1 else {
            if let own { throw own }
            return result!
        }
        let first = try allReduce(own == nil ? size : rank, .min)
        guard first < size else { return result! }
        var shared = Data()
        if first == rank, var own {
            if !own.places.contains(where: { if case .rank = $0 { true } else { false } }) { own.places.insert(.rank(rank), at: 0) }
            shared = try FailureMessage(own).encoded()
        }
        throw try FailureMessage.decode(try broadcast(shared, from: first)).failure
    }
}

/// The failure for values, one per rank, that should be equal; nil when they are.
public func disagreement(among values: [String], name: String) -> Failure? {
    var holders: [(value: String, ranks: [Int])] = []
    for (rank, value) in values.enumerated() {
        if let index = holders.firstIndex(where: { $0.value == value }) {
            holders[index].ranks.append(rank)
        } else {
            holders.append((value, [rank]))
        }
    }
    guard holders.count > 1 else { return nil }
    // The most common value counts as right; among equally common ones, that of the lowest rank.
    let common = holders.reduce(holders[0]) { $1.ranks.count > $0.ranks.count ? $1 : $0 }
    let differing = holders.filter { $0.value != common.value }.flatMap(\.ranks).sorted()
    let parts = holders.map { "\(ranksInWords($0.ranks)) \($0.ranks.count == 1 ? "has" : "have") '\(shortened($0.value))'" }
    return Failure(
        .failed, "\(name) differs between ranks: " + parts.joined(separator: "; "), at: differing.prefix(8).map { .rank($0) },
        advice: "start the same program with the same configuration on every rank")
}

/// "rank 3", "ranks 0, 1 and 4".
public func ranksInWords(_ ranks: [Int]) -> String {
    if ranks.count == 1 { return "rank \(ranks[0])" }
    if ranks.count > 8 { return "ranks " + ranks.prefix(7).map(String.init).joined(separator: ", ") + " and \(ranks.count - 7) more" }
    return "ranks " + ranks.dropLast().map(String.init).joined(separator: ", ") + " and \(ranks.last ?? 0)"
}

private func shortened(_ value: String) -> String {
    value.count > 80 ? value.prefix(77) + "..." : value
}
