/// The names of what TensorBoard shows.
enum BoardTag {
    /// The part of a tag before its "/", a section on TensorBoard's pages.
    enum Section: String {
        case loss, training, validation, evaluation
        case heldOut = "held_out"
        case pseudoLabels = "pseudo_labels"
    }

    static let configuration = "configuration"
    static let scores = "detection_scores"

    static func name(_ section: Section, _ name: String) -> String { "\(section.rawValue)/\(name)" }

    /// Whether a run that goes on at a step keeps an event, or will write it again, as it does with the lines of `log.jsonl`: what is found after
    /// the step stays, what a stage or a run begins with is written again when it goes on from just there, and so is what is found at the end.
    static func stays(_ tag: String, of event: Int, at step: Int) -> Bool {
        guard tag != configuration else { return event < step }
        switch Section(rawValue: String(tag.prefix { $0 != "/" })) {
        case .evaluation: return false
        case .pseudoLabels: return event < step
        default: return event <= step
        }
    }
}
