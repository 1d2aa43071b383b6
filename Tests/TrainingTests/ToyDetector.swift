import Autograd
import Detectors
import Foundation
import NeuralNetworks
import RandomStreams
import TemporalAnnotations

/// One weight per column: a recording's score is the mean over its rows of x . w, its loss 0.5 (score - 1)^2, and every action counts as a positive.
final class ToyDetector: AnnotationAssigned {
    let weight: Parameter
    /// Calls of `seedLosses` after which the loss is no number.
    var healthyCalls = Int.max
    /// Weights as they were when `detect` was last called.
    var weightsAtDetection: [Float] = []
    /// Recordings that `detect` was called on, in the order of the calls.
    private(set) var detected: [VideoID] = []
    /// Noise on the loss from the random stream given, so that a wrong stream shows in the weights.
    private(set) var calls = 0

    init(columns: Int, name: String = "weight") {
        weight = Parameter(.vector, count: columns, isDecayed: true, initialization: .uniform(bound: 0.5))
        self.name = name
    }
    private let name: String

    func visitParameters(_ visitor: ParameterVisitor) { visitor.visit(name, weight) }

    func assignTargets(_ batch: PackedBatch) -> PointTargets {
        PointTargets(classes: [], offsets: [], positives: Array(0..<batch.instances.reduce(0) { $0 + $1.count }))
    }

    /// What the network says: nothing but what it has seen, and the goals that it draws.
    struct Outputs {
        var features: PackedSequence
        var goals: [Float]
    }

    func callAsFunction(_ features: PackedSequence, _ pass: ForwardPass) -> Outputs {
        Outputs(features: features, goals: (0..<features.count).map { _ in 1 + 0.1 * pass.random.uniform() })
    }

    func seedLosses(_ outputs: Outputs, targets: PointTargets, normalizers: [Float], tape: Tape) -> [String: Double] {
        calls += 1
        let columns = weight.count, normalizer = normalizers[0]
        var gradient = [Float](repeating: 0, count: columns)
        var total = 0.0
        for (b, goal) in outputs.goals.enumerated() {
            let means = Self.means(outputs.features, b)
            let score = zip(means, weight.values).reduce(Float(0)) { $0 + $1.0 * $1.1 }
            total += Double(0.5 * (score - goal) * (score - goal) / normalizer)
            for c in 0..<columns { gradient[c] += (score - goal) * means[c] / normalizer }
        }
        tape.record(leaves: [weight.tensor]) { [weight] in
            let (pointer, add) = weight.tensor.gradientToWrite()
            for c in 0..<columns { pointer[c] = add ? pointer[c] + gradient[c] : gradient[c] }
        }
        if calls > healthyCalls { total = .nan }
        return ["regression": total, "classification": 0, "total": total]
    }

    static func means(_ features: PackedSequence, _ b: Int) -> [Float] {
        let rows = features.rows(of: b)
        return (0..<features.columns).map { c in
            rows.reduce(Float(0)) { $0 + features.tensor.values[$1 * features.columns + c] } / Float(rows.count)
        }
    }

    func detect(_ batch: PackedBatch) -> [[Detection]] {
        weightsAtDetection = Array(weight.values)
        detected += batch.videos.map(\.id)
        return batch.videos.map { video in
            [Detection(video: video.id, segment: Segment(start: 0, end: video.duration / 2), label: 0, score: 0.5)]
        }
    }
}
