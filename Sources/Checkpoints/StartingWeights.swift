import Diagnostics
import Foundation
import NeuralNetworks

/// What some parameters begin with, where it is not what the seed draws: for methods that make the detector anew between stages. Part of the
/// checkpoints of their runs.
public struct StartingWeights: Equatable, Sendable {
    /// By the parameters' names, in the arena's layout.
    public private(set) var values: [String: [Float]] = [:]

    static let namesKey = "starting_parameters", valuesKey = "starting_weights"

    /// The present values.
    ///
    /// - Parameter parameters: of the arena, those that are kept.
    public init(_ parameters: [Parameter]) {
        for parameter in parameters { values[parameter.name] = Array(parameter.values) }
    }

    /// Reads what `state` gave.
    ///
    /// - Returns: nil for a checkpoint without.
    /// - Throws: `Failure.badInput` for a state that does not fit the parameters.
    public init?(_ state: [String: [UInt8]], _ arena: ParameterArena) throws {
        guard let text = state[Self.namesKey] else { return nil }
        let names = Set(String(decoding: text, as: UTF8.self).split(separator: "\n").map(String.init))
        let kept = arena.parameters.filter { names.contains($0.name) }, numbers: [Float] = StateBytes.values(state[Self.valuesKey] ?? [])
        guard kept.count == names.count else { throw StateBytes.damaged(Self.namesKey, in: state) }
        guard numbers.count == kept.reduce(0, { $0 + $1.count }) else { throw StateBytes.damaged(Self.valuesKey, in: state) }
        var rest = numbers[...]
        for parameter in kept {
            values[parameter.name] = Array(rest.prefix(parameter.count))
            rest = rest.dropFirst(parameter.count)
        }
    }

    /// For a checkpoint.
    ///
    /// - Parameter arena: the parameters, in whose order the values stand.
    public func state(_ arena: ParameterArena) -> [String: [UInt8]] {
        let kept = arena.parameters.compactMap { parameter in values[parameter.name].map { (parameter.name, $0) } }
        return [
            Self.namesKey: Array(kept.map(\.0).joined(separator: "\n").utf8), Self.valuesKey: StateBytes.bytes(kept.flatMap(\.1)),
        ]
    }

    /// Puts the values back in place.
    public func putBack(into arena: ParameterArena) {
        for parameter in arena.parameters {
            for (i, value) in (values[parameter.name] ?? []).enumerated() { parameter.values[i] = value }
        }
    }
}
