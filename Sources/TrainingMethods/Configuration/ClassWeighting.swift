import Configuration
import Diagnostics
import FeatureStore

/// How much each class counts in the classification loss: `training.class_weights`.
public enum ClassWeighting: ConfigurationValue, Sendable {
    /// By how rare the classes are among the labelled recordings.
    case balanced
    /// By name; 1 for the classes that are not named.
    case named(NamedNumbers)

    public static var expectation: String { "balanced or a mapping of class names to weights" }
    public static var typeName: String { "balanced or mapping of name to number" }
    /// nil: another word, or no mapping of names to numbers.
    public init?(_ content: ConfigurationContent) {
        if let word = String(content) {
            guard word == "balanced" else { return nil }
            self = .balanced
        } else if let numbers = NamedNumbers(content) {
            self = .named(numbers)
        } else {
            return nil
        }
    }
    public var yaml: String {
        switch self {
        case .balanced: "balanced"
        case .named(let numbers): numbers.yaml
        }
    }

    /// Whether all weights that are given are in a range.
    func isWithin(_ range: ClosedRange<Double>) -> Bool {
        guard case .named(let numbers) = self else { return true }
        return numbers.values.allSatisfy(range.contains)
    }

    /// The weights of all classes.
    ///
    /// Balanced: `n / (c n_k)`, with n actions in all, c classes that have any, and n_k of class k; 1 for a class without (scikit-learn's
    /// `class_weight="balanced"`). The mean over the actions is 1.
    ///
    /// - Parameters:
    ///   - names: of the classes, in the order of the logits.
    ///   - counts: actions of each class in the labelled recordings.
    ///   - store: the store's path, for errors.
    /// - Throws: `Failure` (`.wrongUsage`) for a name that no class has, with the nearest.
    public func weights(_ names: [String], counts: [Int], store: String) throws -> [Float] {
        switch self {
        case .balanced:
            let all = counts.reduce(0, +), present = counts.count { $0 > 0 }
            return counts.map { $0 == 0 ? 1 : Float(Double(all) / (Double(present) * Double($0))) }
        case .named(let numbers):
            var result = [Float](repeating: 1, count: names.count)
            for entry in numbers.entries {
                guard let place = names.firstIndex(of: entry.name) else {
                    let hint = nearestName(to: entry.name, among: names).map { "; did you mean '\($0)'?" } ?? ""
                    throw Failure(
                        .wrongUsage, "the store has no class '\(entry.name)'\(hint)", at: [.file(store), .key("training.class_weights")],
                        advice: "name classes of the store: \(names.prefix(8).joined(separator: ", "))\(names.count > 8 ? ", ..." : "")")
                }
                result[place] = Float(entry.value)
            }
            return result
        }
    }
}

extension RunConfiguration {
    /// What `training.class_weights` gives the classes of a store; nil: all count alike.
    ///
    /// What is counted are the actions of the labelled recordings, or their classes where the method learns from classes alone.
    ///
    /// - Throws: as `ClassWeighting.weights`.
    public func classWeights(_ store: FeatureStore, labeled: [Int]) throws -> [Float]? {
        guard let weighting = training.tuning.classWeights else { return nil }
        var counts = [Int](repeating: 0, count: store.classes.count)
        for index in labeled {
            let annotation = store.videos[index].annotation
            let labels = type(of: method).needsSegments ? annotation.instances.map(\.label) : annotation.knownClasses
            for label in labels { counts[label] += 1 }
        }
        return try weighting.weights(store.classes.names, counts: counts, store: store.path)
    }
}
