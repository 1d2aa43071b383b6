import Diagnostics
import RunRecords

/// Compares the classes of a store with those that a model knows. They are matched by name: a store may have other classes, fewer, none, or the same
/// in another order, since detection reads features alone.
public struct ClassMatch: Equatable, Sendable {
    /// Classes of the model, in the order of its logits.
    public let known: [String]
    /// Classes of the store, in its order.
    public let asked: [String]
    /// Those of the store that the model does not know.
    public let unknown: [String]

    public init(known: [String], asked: [String]) {
        self.known = known
        self.asked = asked
        let names = Set(known)
        unknown = asked.filter { !names.contains($0) }
    }

    /// One line for the user when the model cannot detect all classes of the store.
    ///
    /// - Parameters:
    ///   - store: the store's path.
    ///   - holder: what knows the classes: "the checkpoint".
    public func warnings(store: String, holder: String) -> [String] {
        guard !unknown.isEmpty else { return [] }
        let list = Self.listed(unknown) { name in "'\(name)'" + (nearestName(to: name, among: known).map { " (did you mean '\($0)'?)" } ?? "") }
        let count =
            asked.count == 1
            ? "the class" : unknown.count == asked.count ? "all \(asked.count) classes" : "\(unknown.count) of the \(asked.count) classes"
        return [
            "warning: \(count) of the store '\(store)' cannot be detected: \(list); \(holder) knows \(Self.listed(known))"
        ]
    }

    /// The first eight, and how many more there are.
    package static func listed<Item>(_ items: [Item], text: (Item) -> String = { "'\($0)'" }) -> String {
        items.prefix(8).map(text).joined(separator: ", ") + (items.count > 8 ? " and \(items.count - 8) more" : "")
    }
}

extension Checkpoint {
    /// - Throws: `Failure.badInput` for a checkpoint whose classes are no classes.
    package func requireDistinctClasses() throws {
        var seen: Set<String> = []
        guard let twice = header.classes.first(where: { !seen.insert($0).inserted }) else { return }
        throw Failure.badInput("the checkpoint names the class '\(twice)' twice", at: .file(path), advice: "use an older checkpoint of the run")
    }
}
