import Diagnostics
import NeuralNetworks
import RunRecords

extension Checkpoint {
    /// Puts the saved state in place, checking first that the model is the same.
    public func restore(into state: TrainingState) throws {
        try requireModel(state.arena)
        for (group, values) in state.arrays { try load(group, into: values, arena: state.arena) }
        state.optimizer.step = header.optimizerStep
        try state.restoreNormalizers(header, path: path)
        state.step = header.step
    }

    /// Puts the saved weights (current or averaged) in the model's place.
    public func loadWeights(_ weights: StoredWeights, into arena: ParameterArena) throws {
        try requireModel(arena)
        try load(weights.group, into: arena.values, arena: arena)
    }

    private func load(_ group: String, into values: UnsafeMutablePointer<Float>, arena: ParameterArena) throws {
        for parameter in arena.parameters {
            Activity.tick()
            let published = try readValues(of: parameter.name, in: group)
            guard published.count == parameter.count else {
                throw Failure.badInput(
                    "it holds \(published.count) values, the model wants \(parameter.count)", at: .file(path), .dataset("\(group)/\(parameter.name)"),
                    advice: "use an older checkpoint of the run")
            }
            let native = published.withUnsafeBufferPointer { buffer in buffer.baseAddress.map { parameter.native(fromPublished: $0) } ?? [] }
            native.withUnsafeBufferPointer { buffer in
                if let base = buffer.baseAddress { (values + parameter.arenaOffset).update(from: base, count: buffer.count) }
            }
        }
    }

    /// - Throws: `Failure.badInput` naming what differs between the checkpoint's model and the configuration's.
    private func requireModel(_ arena: ParameterArena) throws {
        let wanted = arena.parameters.map { ($0.name, $0.publishedShape) }
        let held = Dictionary(parameters.map { ($0.name, $0.shape) }, uniquingKeysWith: { first, _ in first })
        let missing = wanted.filter { held[$0.0] == nil }.map(\.0)
        let names = Set(wanted.map(\.0))
        let surplus = parameters.map(\.name).filter { !names.contains($0) }
        let advice = "use the configuration that the checkpoint was trained with (inspect shows it), or start a new run"
        if !missing.isEmpty || !surplus.isEmpty {
            var parts: [String] = []
            if !missing.isEmpty { parts.append("it lacks \(missing.count) of the model's \(wanted.count) parameters (\(Self.few(missing)))") }
            if !surplus.isEmpty { parts.append("it holds \(surplus.count) that the model does not have (\(Self.few(surplus)))") }
            throw Failure.badInput("the checkpoint is of another model: " + parts.joined(separator: "; "), at: .file(path), advice: advice)
        }
        for (name, shape) in wanted {
            guard let found = held[name], found != shape else { continue }
            throw Failure.badInput(
                "the checkpoint is of another model: its shape is \(found), the model's is \(shape)", at: .file(path), .parameter(name),
                advice: advice)
        }
    }

    private static func few(_ names: [String]) -> String { names.prefix(3).joined(separator: ", ") + (names.count > 3 ? ", ..." : "") }

    /// Weights under published names.
    public func published(_ weights: StoredWeights) throws -> [SafetensorsFile.Array] {
        try parameters.map { SafetensorsFile.Array(name: $0.name, shape: $0.shape, values: try readValues(of: $0.name, weights)) }
    }
}
