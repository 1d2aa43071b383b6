import Configuration
import Detectors

/// The documentation of all keys, as the program itself knows them: tables for docs/configuration.md, a list for programs.
public struct ConfigurationReference {
    /// Keys that are documented in one table.
    public struct Table: Sendable {
        /// The section; of the keys that one detector alone has, "model: tridet".
        public var name: String
        public var keys: [KeyDescription]
        /// The one detector that has the keys, by its name; nil: all have.
        public var detector: String?
        /// The method whose section it is, by its name; nil: every run has the section.
        public var method: String?
    }

    /// In the order of the canonical form, the keys of one detector alone behind the others of the section `model`.
    public let tables: [Table]

    public init(_ registry: Registry) {
        let common = RunConfiguration(registry: registry).descriptions
        var owners: [String: String] = [:]
        for method in registry.methods { for line in method.defaultLines { owners[line.path[0]] = method.name } }
        var tables: [Table] = []
        var sections: [String] = []
        for key in common where sections.last != key.path[0] { sections.append(key.path[0]) }
        for section in sections {
            let keys = common.filter { $0.path[0] == section }
            if section == "model" {
                tables += Self.modelTables(registry, named: keys[0])
            } else {
                tables.append(Table(name: section, keys: keys, method: owners[section]))
            }
        }
        self.tables = tables
    }

    /// The keys that all detectors have alike, then those of each detector.
    private static func modelTables(_ registry: Registry, named name: KeyDescription) -> [Table] {
        let all = registry.detectors.map { detector -> (name: String, keys: [KeyDescription]) in
            var run = RunConfiguration(registry: registry)
            run.model = detector.init()
            return (detector.name, run.descriptions.filter { $0.path[0] == "model" && $0.path != name.path })
        }
        let shared = all[0].keys.filter { key in all.allSatisfy { $0.keys.contains(key) } }
        var tables = [Table(name: "model", keys: [name] + shared)]
        for (detector, keys) in all {
            let own = keys.filter { !shared.contains($0) }
            if !own.isEmpty { tables.append(Table(name: "model: \(detector)", keys: own, detector: detector)) }
        }
        return tables
    }
}
