import Diagnostics
import NeuralNetworks
import RunRecords
import TemporalAnnotations

/// Weights that another detector begins with, as far as they fit it: of a checkpoint or of a safetensors file, perhaps of other classes.
public struct InitialWeights {
    public let path: String
    /// In the order of the logits; nil: the file does not say.
    public let classes: [String]?
    /// Of the features that the weights were trained on; nil: the file does not say.
    public let featureRate: FeatureRate?
    /// Under published names, in PyTorch's layouts.
    let arrays: [SafetensorsFile.Array]

    /// - Parameters:
    ///   - checkpoint: with a trained detector.
    ///   - weights: which of its weights.
    /// - Throws: `Failure.badInput` for a checkpoint without trained detector, or whose classes are no classes.
    public init(_ checkpoint: Checkpoint, _ weights: StoredWeights) throws {
        try checkpoint.requireTrainedDetector()
        try checkpoint.requireDistinctClasses()
        (path, classes, featureRate) = (checkpoint.path, checkpoint.header.classes, checkpoint.header.featureRate)
        arrays = try checkpoint.published(weights)
    }

    /// - Throws: `Failure.badInput` for metadata that are not of the form.
    public init(_ file: SafetensorsFile, path: String) throws {
        let metadata = try WeightMetadata(file, path: path)
        (self.path, classes, featureRate, arrays) = (path, metadata.classes, metadata.featureRate, file.arrays)
    }

    /// What was taken.
    public struct Taken: Equatable, Sendable {
        /// Names of the parameters that were taken, wholly or for some classes, in the model's order.
        public var parameters: [String] = []
        /// Of the model that the file does not have.
        public var missing: [String] = []
        /// Of the model that have another shape in the file, with both shapes.
        public var unfit: [String] = []
        /// Of the file that the model does not have.
        public var unused: [String] = []
        /// Classes whose rows were taken by name; nil: the model has no rows of classes, or the file names none.
        public var classes: [String]?
        /// Whether rows of classes were taken in their order, since the file names no classes.
        public var takesClassesInOrder = false
    }

    /// Puts the values that fit in place, and begins the weight average with them.
    ///
    /// - Parameters:
    ///   - state: of the detector, with its first weights.
    ///   - classes: of the model, in the order of its logits.
    ///   - classParameters: names of those whose first dimension is the classes.
    /// - Throws: `Failure.badInput` when nothing fits, for a tensor that stands there twice, and for values that are no numbers.
    public func take(into state: TrainingState, classes: [String], classParameters: Set<String>) throws -> Taken {
        let held = try arraysByName(), arena = state.arena
        var taken = Taken(), fits: [(parameter: Parameter, values: [Float])] = []
        for parameter in arena.parameters {
            guard let array = held[parameter.name] else {
                taken.missing.append(parameter.name)
                continue
            }
            let isOfClasses = classParameters.contains(parameter.name)
            guard let values = isOfClasses ? rows(of: array, for: parameter, classes, &taken) : whole(array, parameter) else {
                let hasNone = isOfClasses && array.shape.dropFirst() == parameter.publishedShape.dropFirst() && taken.classes?.isEmpty == true
                let shapes = "\(array.shape) in the file, \(parameter.publishedShape) in the model"
                taken.unfit.append("\(parameter.name): \(hasNone ? "no class of the model's is in the file" : shapes)")
                continue
            }
            if let bad = array.values.firstIndex(where: { !$0.isFinite }) {
                throw Failure.badInput(
                    "value \(bad) is \(array.values[bad])", at: .file(path), .parameter(parameter.name),
                    advice: "take weights of a run that did not diverge")
            }
            fits.append((parameter, values))
            taken.parameters.append(parameter.name)
        }
        let names = Set(arena.parameters.map(\.name))
        taken.unused = held.keys.filter { !names.contains($0) }.sorted()
        guard !fits.isEmpty else {
            throw Failure.badInput(
                "none of the model's \(arena.parameters.count) parameters fits a tensor of the file: "
                    + "\(taken.missing.count) are not there, \(taken.unfit.count) have another shape",
                at: .file(path), advice: "name weights of the same detector, or set the keys of the section model as they were for these weights")
        }
        for (parameter, values) in fits {
            let native = values.withUnsafeBufferPointer { buffer in buffer.baseAddress.map { parameter.native(fromPublished: $0) } ?? [] }
            for (i, value) in native.enumerated() { (arena.values + parameter.arenaOffset)[i] = value }
        }
        state.average.reset()
        return taken
    }

    private func arraysByName() throws -> [String: SafetensorsFile.Array] {
        var result: [String: SafetensorsFile.Array] = [:]
        for array in arrays {
            guard result.updateValue(array, forKey: array.publishedName) == nil else {
                throw Failure.badInput(
                    "the tensor stands there twice, with and without the prefix 'module.'", at: .file(path), .parameter(array.publishedName),
                    advice: "keep one of the two")
            }
        }
        return result
    }

    private func whole(_ array: SafetensorsFile.Array, _ parameter: Parameter) -> [Float]? {
        array.shape == parameter.publishedShape ? array.values : nil
    }

    /// The model's values with the rows of the classes that both know; nil: there are none.
    private func rows(of array: SafetensorsFile.Array, for parameter: Parameter, _ wanted: [String], _ taken: inout Taken) -> [Float]? {
        guard let known = classes else {
            guard array.shape == parameter.publishedShape else { return nil }
            taken.takesClassesInOrder = true
            return array.values
        }
        let shape = parameter.publishedShape
        // Several rows of a class, or rows of none beside, are in the same places where the classes are the same.
        if known == wanted, array.shape == shape {
            taken.classes = known
            return array.values
        }
        guard array.shape.count == shape.count, array.shape.dropFirst() == shape.dropFirst(), array.shape.first == known.count,
            shape.first == wanted.count
        else { return nil }
        let places = Dictionary(uniqueKeysWithValues: known.enumerated().map { ($1, $0) }), width = shape.dropFirst().reduce(1, *)
        let common = wanted.filter { places[$0] != nil }
        taken.classes = common
        guard !common.isEmpty else { return nil }
        var result = parameter.published(UnsafePointer(parameter.tensor.values))
        for (row, name) in wanted.enumerated() {
            guard let source = places[name] else { continue }
            for i in 0..<width { result[row * width + i] = array.values[source * width + i] }
        }
        return result
    }
}

extension InitialWeights.Taken {
    /// Lines for the user: counts, the first names, and what begins as drawn.
    public func lines(path: String, of total: Int, classes wanted: [String]) -> [String] {
        func few(_ names: [String]) -> String { names.prefix(3).joined(separator: ", ") + (names.count > 3 ? ", ..." : "") }
        var lines = ["initial weights: \(parameters.count) of the model's \(total) parameters are taken from '\(path)' (\(few(parameters)))"]
        if let classes, !wanted.isEmpty {
            let names = classes.isEmpty ? "" : ": " + ClassMatch.listed(classes)
            lines.append("initial weights: classifier rows of \(classes.count) of the \(wanted.count) classes are taken by name\(names)")
        }
        if takesClassesInOrder {
            lines.append("warning: initial weights: '\(path)' names no classes, classifier rows are taken in their order")
        }
        if !missing.isEmpty { lines.append("initial weights: \(missing.count) are not in the file and begin as drawn (\(few(missing)))") }
        if !unfit.isEmpty { lines.append("initial weights: \(unfit.count) do not fit and begin as drawn (\(few(unfit)))") }
        if !unused.isEmpty { lines.append("initial weights: \(unused.count) of the file are not the model's (\(few(unused)))") }
        return lines
    }
}
