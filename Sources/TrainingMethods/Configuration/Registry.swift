import Configuration
import Detectors

/// The detectors and methods that a configuration may name, by the types of their settings.
///
/// The first of each is the default.
public struct Registry: Sendable {
    public let detectors: [any DetectorSettings.Type]
    public let methods: [any MethodSettings.Type]

    /// - Precondition: there is at least one of each, and no two share a name.
    public init(detectors: [any DetectorSettings.Type], methods: [any MethodSettings.Type]) {
        precondition(!detectors.isEmpty && Set(detectors.map { $0.name }).count == detectors.count)
        precondition(!methods.isEmpty && Set(methods.map { $0.name }).count == methods.count)
        self.detectors = detectors
        self.methods = methods
    }

    /// The settings of a detector; nil: there is none of this name.
    public func detector(named name: String) -> (any DetectorSettings.Type)? { detectors.first { $0.name == name } }
    /// The settings of a method; nil: there is none of this name.
    public func method(named name: String) -> (any MethodSettings.Type)? { methods.first { $0.name == name } }

    /// Names of the detectors whose predictions can become pseudo-labels: "actionformer or tridet".
    public var pseudoLabelDetectors: String { alternatives(detectors.filter { $0.givesPseudoLabels }.map { $0.name }) }
    /// Names of those that, in addition, must not be prepared with labelled segments.
    public var studentDetectors: String { alternatives(detectors.filter { $0.givesPseudoLabels && !$0.refinesProposals }.map { $0.name }) }
    /// Names of the detectors whose features can be contrasted and probed.
    public var levelDetectors: String { alternatives(detectors.filter { $0.hasLevels }.map { $0.name }) }
    /// Names of the methods that learn from classes without segments.
    package var weaklySupervisedMethods: String { alternatives(methods.filter { !$0.needsSegments }.map { $0.name }) }
}
