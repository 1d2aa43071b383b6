import Checkpoints
import Diagnostics
import FeatureStore
import NeuralNetworks
import TemporalAnnotations
import TrainingMethods

/// The classes of imported weights: how many the weights' shapes say, and their names from whoever knows them.
struct WeightClasses {
    let names: [String]
    /// Lines for the user on where the names come from, and how they stand to the store's.
    let notes: [String]

    /// Names are those given; else the weight file's; else the store's, when it has as many classes; else numbers, when the store has no classes.
    ///
    /// - Throws: `Failure` when the names are not as many as the classes of the weights, or nobody knows them.
    init(_ source: WeightSource, configuration: RunConfiguration, store: FeatureStore) throws {
        let count = try Self.count(in: source.file, configuration: configuration, inputDimension: store.dimension)
        let places: [Failure.Place] = [.file(source.path), .file(store.path)]
        if let given = try source.givenClasses() {
            guard count == nil || given.names.count == count else {
                throw Failure(
                    .wrongUsage, "\(given.origin) gives \(given.names.count) classes, the weights have \(count ?? 0)", at: [.file(source.path)],
                    advice: "give the names of all classes that the weights were trained on, in the order of the training")
            }
            names = given.names
            let recorded = source.metadata.classes
            let renamed = recorded.map { zip($0, given.names).filter { $0 != $1 } } ?? []
            notes =
                renamed.isEmpty
                ? []
                : [
                    "warning: the weight file names \(renamed.count) of \(given.names.count) classes otherwise: "
                        + ClassMatch.listed(renamed) { "'\($0.0)', now '\($0.1)'" }
                ]
        } else if let recorded = source.metadata.classes {
            guard count == nil || recorded.count == count else {
                throw Failure(
                    .badInput, "the weight file's metadata name \(recorded.count) classes, its weights have \(count ?? 0)", at: [.file(source.path)],
                    advice: "export the weights again, or give the names with --classes")
            }
            names = recorded
            notes = ClassMatch(known: recorded, asked: store.classes.names).warnings(store: store.path, holder: "the weight file")
        } else if count == nil || store.classes.count == count {
            names = store.classes.names
            notes = names.isEmpty ? [] : ["the weight file names no classes: those of the store '\(store.path)' are taken, in its order"]
        } else if store.classes.count == 0, let count {
            names = (0..<count).map { "class \($0)" }
            notes = [
                "warning: neither the weight file nor the store '\(store.path)' names the \(count) classes of the weights: they are called "
                    + ClassMatch.listed(names) + "; give their names with --classes or --classes-from"
            ]
        } else {
            throw Failure(
                .badInput,
                "the weights have \(count ?? 0) classes without names, the store has \(store.classes.count): "
                    + ClassMatch.listed(store.classes.names), at: places,
                advice: "give the names of the weights' classes, in the order of their training, with --classes A,B,... "
                    + "or --classes-from ANNOTATIONS.json")
        }
    }

    /// The number of classes that the shapes say: that of the tensors whose first size follows the number of classes.
    ///
    /// - Returns: nil when the file lacks these tensors, or they do not agree: the weights are of another model.
    static func count(in file: SafetensorsFile, configuration: RunConfiguration, inputDimension: Int) throws -> Int? {
        let least = (configuration.training.emptyClasses.max() ?? 0) + 1
        func shapes(_ classes: Int) throws -> [(name: String, shape: [Int])] {
            let detector = try configuration.detector(inputDimension: inputDimension, classes: classes)
            return detector.namedParameters.map { ($0.name, $0.parameter.publishedShape) }
        }
        let grown = zip(try shapes(least), try shapes(least + 1)).filter { $0.shape != $1.shape }
        let held = Dictionary(file.arrays.map { ($0.publishedName, $0.shape) }) { first, _ in first }
        var counts: Set<Int> = []
        for ((name, shape), (_, larger)) in grown {
            guard let found = held[name], found.count == shape.count, found.dropFirst() == shape.dropFirst() else { return nil }
            // Rows of a class, and those beside.
            let each = larger[0] - shape[0], beside = shape[0] - each * least
            guard each > 0, found[0] >= beside, (found[0] - beside) % each == 0 else { return nil }
            counts.insert((found[0] - beside) / each)
        }
        return counts.count == 1 ? counts.first : nil
    }
}

/// A weight file with what the user says of it.
struct WeightSource {
    let path: String
    let file: SafetensorsFile
    let metadata: WeightMetadata
    let classes: [String]?
    let classesFrom: String?

    /// - Throws: `Failure` (`.wrongUsage`) for a name that stands twice.
    func givenClasses() throws -> (names: [String], origin: String)? {
        if let classesFrom { return (try AnnotationSet(readingJSON: classesFrom, segments: .asWritten).classes.names, "'\(classesFrom)'") }
        guard let classes else { return nil }
        var seen: Set<String> = []
        for name in classes where !seen.insert(name).inserted {
            throw Failure.wrongUsage("--classes has the name '\(name)' twice", advice: "give every class once")
        }
        return (classes, "--classes")
    }
}
