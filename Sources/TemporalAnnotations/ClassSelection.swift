import Diagnostics

/// Some classes of a data set, in the order in which they were named; actions of all other classes are background.
public struct ClassSelection: Sendable {
    /// The chosen classes: the first named gets index 0.
    public let classes: ClassMap
    /// Actions that became background so far.
    public private(set) var backgroundInstances = 0
    /// Classes that were not chosen.
    public let backgroundClasses: Int
    /// Index among the chosen by index among all; nil: not chosen.
    private let chosen: [Int?]

    /// - Throws: `Failure` (`.wrongUsage`) for a name that is unknown or given twice.
    public init(_ names: [String], among all: ClassMap, option: String = "--classes") throws {
        for (place, name) in names.enumerated() {
            guard all.index(of: name) != nil else {
                let list = all.names.prefix(20).joined(separator: ", ") + (all.count > 20 ? " and \(all.count - 20) more" : "")
                throw Failure.wrongUsage(
                    "\(option) names '\(name)', which the data do not have; their classes are \(all.count == 0 ? "none" : list)",
                    advice: nearestName(to: name, among: all.names).map { "did you mean '\($0)'?" } ?? "choose among these classes")
            }
            guard !names[..<place].contains(name) else {
                throw Failure.wrongUsage("\(option) names '\(name)' twice", advice: "name every class once")
            }
        }
        classes = ClassMap(names: names)
        let selected = classes
        chosen = all.names.map { selected.index(of: $0) }
        backgroundClasses = all.count - names.count
    }

    /// The recording with its actions of the chosen classes.
    public mutating func select(_ video: VideoAnnotation) -> VideoAnnotation {
        var selected = video
        selected.instances = video.instances.compactMap { instance in
            chosen[instance.label].map { ActionInstance(segment: instance.segment, label: $0) }
        }
        selected.weakLabels = video.weakLabels.compactMap { chosen[$0] }.sorted()
        backgroundInstances += video.instances.count - selected.instances.count
        return selected
    }

    /// The set with actions of the chosen classes.
    public mutating func select(_ set: AnnotationSet) -> AnnotationSet {
        var selected = set
        selected.classes = classes
        selected.videos = set.videos.map { select($0) }
        return selected
    }
}

extension AnnotationSet {
    /// What all actions are called where their classes do not count.
    public static let onlyClass = "action"

    /// The set with all actions of one class.
    public var withOneClass: AnnotationSet {
        var result = self
        result.classes = ClassMap(names: [Self.onlyClass])
        result.videos = videos.map(\.withOneClass)
        return result
    }
}

extension VideoAnnotation {
    /// The recording with all actions of class 0.
    public var withOneClass: VideoAnnotation {
        var result = self
        result.instances = instances.map { ActionInstance(segment: $0.segment, label: 0) }
        result.weakLabels = weakLabels.isEmpty ? [] : [0]
        return result
    }
}
