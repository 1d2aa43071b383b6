import Collectives
import Diagnostics
import Foundation

/// Compares the estimated memory of the ranks with what their machines, control groups and limits have left.
public enum MemoryCheck {
    /// Above it a run is refused: the estimate may be a little high.
    static let refused = 1.05
    /// Above these parts of what is available a run is warned, and noted.
    static let warned = 0.9, noted = 0.5
    /// What a buffer pool has beyond what is used, as addresses: its newest slab is a quarter of all.
    static let addressShare = 1.25

    /// All ranks together, before anything large is allocated.
    ///
    /// - Parameters:
    ///   - estimate: this rank's.
    ///   - communicator: the ranks that take part.
    ///   - available: this rank's; asked of the system otherwise.
    /// - Returns: lines for the user, the same on all ranks: a warning near the limit, a note where much is needed.
    /// - Throws: the same `Failure` on all ranks when it cannot fit: `.wrongUsage` where the configuration makes it so large, `.badInput` where a
    ///   recording does.
    public static func require(_ estimate: MemoryEstimate, communicator: Communicator, available: AvailableMemory? = nil) throws -> [String] {
        let own = Claim(estimate: estimate, available: available ?? AvailableMemory(machine: communicator.machine))
        let claims = try communicator.allGather(try JSONEncoder().encode(own)).map { try JSONDecoder().decode(Claim.self, from: $0) }
        return try lines(claims)
    }

    /// This process alone, where others need not agree: before parameters are allocated.
    ///
    /// - Throws: as `require`.
    public static func requireAlone(_ estimate: MemoryEstimate, available: AvailableMemory? = nil) throws {
        _ = try lines([Claim(estimate: estimate, available: available ?? AvailableMemory(machine: ""))])
    }

    package struct Claim: Codable {
        var estimate: MemoryEstimate
        var available: AvailableMemory
        package init(estimate: MemoryEstimate, available: AvailableMemory) {
            self.estimate = estimate
            self.available = available
        }
    }

    /// - Parameter claims: of all ranks.
    package static func lines(_ claims: [Claim]) throws -> [String] {
        var worst: (ratio: Double, rank: Int, ranks: Int, needed: Int, counted: Double, bound: AvailableMemory.Bound)?
        for (rank, claim) in claims.enumerated() {
            for bound in claim.available.bounds {
                let sharing = claims.indices.filter { other in
                    other == rank || (bound.scope != nil && claims[other].available.bounds.contains { $0.scope == bound.scope })
                }
                let needed = MemoryEstimate.sum(sharing.map { claims[$0].estimate.total })
                let counted = bound.countsAddresses ? Double(needed) * addressShare : Double(needed)
                let ratio = counted / Double(max(bound.bytes, 1))
                if ratio > worst?.ratio ?? 0 { worst = (ratio, rank, sharing.count, needed, counted, bound) }
            }
        }
        guard let worst, worst.ratio > noted else { return [] }
        let estimate = claims[worst.rank].estimate, who = worst.ranks > 1 ? "\(worst.ranks) ranks need" : "the run needs"
        let figures =
            "\(who) about \(CheckedMemory.text(bytes: worst.needed)) of memory, "
            + (worst.bound.countsAddresses ? "about \(CheckedMemory.text(bytes: Int(min(worst.counted, 9e18)))) of addresses, " : "")
            + "\(CheckedMemory.text(bytes: worst.bound.bytes)) are \(worst.bound.name)"
            + (worst.ranks > 1 ? "; each needs: " : ": ") + estimate.text
        if worst.ratio > refused { throw failure(figures, estimate, ranks: worst.ranks) }
        if worst.ratio > warned { return ["warning: \(figures); it may not fit"] }
        return [figures]
    }

    private static func failure(_ figures: String, _ estimate: MemoryEstimate, ranks: Int) -> Failure {
        let held = MemoryEstimate.sum(estimate.parts.map(\.bytes)), phase = estimate.largestPhase
        var places = estimate.file.map { [Failure.Place.file($0)] } ?? []
        let fewer = ranks > 1 ? ", or start fewer ranks on a machine" : ""
        guard let phase, phase.bytes > held else {
            places += estimate.modelKeys.prefix(1).map { .key($0) }
            let keys = estimate.modelKeys.joined(separator: ", ")
            return Failure(
                .wrongUsage, figures, at: places,
                advice: (estimate.modelKeys.count == 1 ? "lower \(keys)" : "make the model smaller" + (keys.isEmpty ? "" : " (\(keys))")) + fewer)
        }
        if let video = phase.video { places.append(.video(video)) }
        if let key = phase.key { places.append(.key(key)) }
        return Failure(phase.comesFromData ? .badInput : .wrongUsage, figures, at: places, advice: phase.advice + fewer)
    }
}
