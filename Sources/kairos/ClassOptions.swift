import ArgumentParser
import Diagnostics
import FeatureStore
import TemporalAnnotations

/// `--classes` of importers.
struct ClassOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Keep the actions of these classes; all other actions become background. Classes are numbered in this order. \(NameList.help)",
            valueName: "A,B"))
    var classes: [String] = []

    /// What became background.
    struct Background {
        var instances: Int
        var classes: Int
    }

    /// Brings a set to the chosen classes; all of them without the option.
    func select(in set: inout AnnotationSet?) throws -> Background? {
        guard let all = set, let names = try names(among: all.classes) else { return nil }
        var selection = try ClassSelection(names, among: all.classes)
        set = selection.select(all)
        return Background(instances: selection.backgroundInstances, classes: selection.backgroundClasses)
    }

    func select(in recordings: SBHARRecordings) throws -> Background? {
        guard let names = try names(among: recordings.classes) else { return nil }
        var selection = try ClassSelection(names, among: recordings.classes)
        recordings.select(&selection)
        return Background(instances: selection.backgroundInstances, classes: selection.backgroundClasses)
    }

    private func names(among all: ClassMap) throws -> [String]? {
        classes.isEmpty ? nil : try NameList.names(classes, option: "--classes") { all.index(of: $0) != nil }
    }
}
