import RunRecords

/// Several runs side by side.
package struct RunComparison: Sendable {
    let runs: [ReportedRun]
    /// Short, and different from one another.
    package let names: [String]
    /// Positions of runs whose configurations differ in the seed alone, in order of first appearance.
    package let groups: [[Int]]
    /// Keys whose values differ between runs, with the values run by run (nil: the key is absent).
    package let differences: [(key: String, values: [String?])]

    package init(_ runs: [ReportedRun]) {
        self.runs = runs
        names = Shown.runNames(runs.map(\.folder.path))
        let values = runs.map { run in Dictionary(run.configuration.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first }) }
        var seen = Set<String>()
        let keys = runs.flatMap { $0.configuration.map(\.key) }.filter { seen.insert($0).inserted }
        differences = keys.compactMap { key in
            let own = values.map { $0[key] }
            return Set(own).count > 1 ? (key, own) : nil
        }
        var groups: [[Int]] = [], places: [[String: String]: Int] = [:]
        for (number, value) in values.enumerated() {
            var rest = value
            rest[Self.seed] = nil
            if let place = places[rest] {
                groups[place].append(number)
            } else {
                places[rest] = groups.count
                groups.append([number])
            }
        }
        self.groups = groups
    }

    private static let seed = "training.seed"

    /// The name of a group: of its first run, and how many seeds.
    func groupName(_ group: [Int]) -> String {
        group.count == 1 ? names[group[0]] : "\(names[group[0]]) and \(group.count - 1) more seed\(group.count == 2 ? "" : "s")"
    }
}
