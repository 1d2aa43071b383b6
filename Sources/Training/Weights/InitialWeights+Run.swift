import Checkpoints
import Collectives
import DataParallel
import Diagnostics
import FeatureStore
import Foundation
import NeuralNetworks
import RunRecords
import TrainingMethods

/// What a run begins with: `training.initial_weights`, `training.frozen` and `training.learning_rate_factors`.
extension Trainer {
    static let initialWeightsKey = "training.initial_weights"

    /// Gives every parameter its factor of the learning rate, 0 where it is frozen.
    ///
    /// - Throws: `Failure` (`.wrongUsage`) for a pattern that fits no parameter, and when all are frozen.
    func setFactors() throws {
        let tuning = configuration.training.tuning
        var factors: [String: Double] = [:]
        for entry in tuning.learningRateFactors.entries {
            for parameter in try state.arena.parameters(matching: entry.name, key: "training.learning_rate_factors") {
                factors[parameter.name] = entry.value
            }
        }
        for pattern in tuning.frozen {
            for parameter in try state.arena.parameters(matching: pattern, key: "training.frozen") { factors[parameter.name] = 0 }
        }
        frozen = state.arena.parameters.filter { factors[$0.name] == 0 }
        guard frozen.count < state.arena.parameters.count else {
            throw Failure.wrongUsage(
                "all \(frozen.count) parameters of the detector are frozen: nothing is learnt", at: .key("training.frozen"),
                advice: "leave some out, such as the heads")
        }
        if !factors.isEmpty { state.optimizer.setFactors { factors[$0.name] ?? 1 } }
    }

    /// Puts the initial weights in place; all ranks together.
    ///
    /// - Returns: lines for the user.
    /// - Throws: `Failure` on all ranks when the file cannot be read or nothing in it fits.
    func takeInitialWeights() throws -> [String] {
        guard let path = configuration.training.tuning.initialWeights else {
            keepStartingWeights(taken: [])
            return []
        }
        let (taken, source) = try communicator.throwTogether {
            do {
                let source = try initialWeights(path)
                return (try source.take(into: state, classes: store.classes.names, classParameters: try classParameters()), source)
            } catch var failure as Failure {
                failure.places.append(.key(Self.initialWeightsKey))
                throw failure
            }
        }
        var digest = ArrayDigest()
        digest.add(UnsafeBufferPointer(start: state.arena.values, count: state.arena.count))
        try communicator.agree(on: String(digest.value, radix: 16), name: "the initial weights")
        keepStartingWeights(taken: taken.parameters)
        let comparison = source.featureRate.map { RateComparison($0, store, videos: Array(store.videos.indices)) }
        let difference = comparison?.difference(model: "the initial weights were trained on").map { ["warning: initial weights: \($0)"] } ?? []
        return taken.lines(path: path, of: state.arena.parameters.count, classes: store.classes.names) + difference
    }

    private func initialWeights(_ path: String) throws -> InitialWeights {
        // The first bytes of an HDF5 file.
        let mark: [UInt8] = [0x89, 0x48, 0x44, 0x46]
        let head = (try? FileHandle(forReadingAtPath: path)?.read(upToCount: mark.count)).flatMap { $0 }
        guard head.map({ [UInt8]($0) }) == mark else { return try InitialWeights(try SafetensorsFile(path: path), path: path) }
        let checkpoint = try Checkpoint(path: path)
        let before = try RunConfiguration(checkpoint: checkpoint.header.configuration, file: path, registry: configuration.registry)
        return try InitialWeights(checkpoint, before.training.evaluateWeights)
    }

    /// Names of the parameters whose first dimension grows with the number of classes.
    private func classParameters() throws -> Set<String> {
        func shapes(_ classes: Int) throws -> [(name: String, shape: [Int])] {
            try configuration.detector(inputDimension: store.dimension, classes: classes).namedParameters.map {
                ($0.name, $0.parameter.publishedShape)
            }
        }
        let count = store.classes.count
        return Set(zip(try shapes(count), try shapes(count + 1)).filter { $0.shape != $1.shape }.map(\.0.name))
    }

    /// For methods that make the detector anew.
    private func keepStartingWeights(taken: [String]) {
        let kept = Set(taken + frozen.map(\.name))
        guard method.restartsDetector, !kept.isEmpty else { return }
        state.starting = StartingWeights(state.arena.parameters.filter { kept.contains($0.name) })
    }

    /// A line on what is trained more slowly or not at all; nil: all alike.
    var tuningNote: String? {
        let factors = configuration.training.tuning.learningRateFactors.entries
        guard !frozen.isEmpty || !factors.isEmpty else { return nil }
        let values = frozen.reduce(0) { $0 + $1.count }
        let first = frozen.isEmpty ? [] : ["\(frozen.count) of \(state.arena.parameters.count) parameters are frozen (\(values) values)"]
        return (first + (factors.isEmpty ? [] : ["learning rates: " + factors.map { "\($0.name) times \($0.value)" }.joined(separator: ", ")]))
            .joined(separator: "; ")
    }
}
