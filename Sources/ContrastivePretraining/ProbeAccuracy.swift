/// How often a classifier of frames is right.
public struct ProbeAccuracy: Equatable, Sendable {
    /// Part of all frames whose class is found.
    public var accuracy: Double
    /// Mean over the classes that a frame has, background among them, of the part of their frames that is found: the recall of APL's Tables S2 and S5.
    public var meanClassAccuracy: Double
    /// Part of all frames of which it is found whether they are action or background.
    public var actionAccuracy: Double

    /// - Parameters:
    ///   - predictions: class of each frame, at least one.
    ///   - labels: its true class.
    ///   - background: the class of frames without action.
    public init(predictions: [Int], labels: [Int], background: Int) {
        precondition(predictions.count == labels.count && !labels.isEmpty)
        let frames = Double(labels.count), pairs = zip(predictions, labels)
        var found: [Int: Int] = [:], total: [Int: Int] = [:]
        for (prediction, label) in pairs {
            total[label, default: 0] += 1
            if prediction == label { found[label, default: 0] += 1 }
        }
        accuracy = Double(found.values.reduce(0, +)) / frames
        let parts = total.keys.sorted().map { Double(found[$0] ?? 0) / Double(total[$0] ?? 1) }
        meanClassAccuracy = parts.reduce(0, +) / Double(parts.count)
        actionAccuracy = Double(pairs.filter { ($0 == background) == ($1 == background) }.count) / frames
    }
}
