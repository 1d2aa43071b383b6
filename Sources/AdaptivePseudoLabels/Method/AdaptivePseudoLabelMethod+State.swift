import Diagnostics
import NeuralNetworks
import PseudoLabels
import TemporalAnnotations
import Training

/// What a checkpoint keeps, as the bytes of doubles and floats of this machine.
///
/// `apl_round`: round, normaliser, whether the quality is known and its four numbers, the discriminator's steps. `apl_labels`: position of the
/// recording in the store, start, end (seconds), class of each pseudo-label. `icd_weights`, `icd_first_moments`, `icd_second_moments`: in the order of the
/// discriminator's parameters.
extension AdaptivePseudoLabelMethod {
    private var discriminatorArrays: [(name: String, values: UnsafeMutablePointer<Float>, count: Int)] {
        guard let icd = discriminator else { return [] }
        return [
            ("icd_weights", icd.arena.values, icd.arena.count), ("icd_first_moments", icd.optimizer.firstMoments, icd.arena.count),
            ("icd_second_moments", icd.optimizer.secondMoments, icd.arena.count),
        ]
    }

    public var learntArrays: [UnsafeBufferPointer<Float>] {
        discriminatorArrays.prefix(1).map { UnsafeBufferPointer(start: $0.values, count: $0.count) }
    }

    public var state: [String: [UInt8]] {
        let quality = round.quality
        let numbers: [Double] = [
            Double(round.round), round.normalizer, quality == nil ? 0 : 1, quality?.classAccuracy ?? 0, quality?.averageTIoU ?? 0,
            quality?.positiveAccuracy ?? 0, Double(quality?.count ?? 0), Double(discriminator?.optimizer.step ?? 0),
        ]
        var result = ["apl_round": Self.bytes(numbers)]
        let labels = round.instances.sorted { $0.key < $1.key }.flatMap { index, instances in
            instances.flatMap { [Double(index), $0.segment.start, $0.segment.end, Double($0.label)] }
        }
        if !labels.isEmpty { result["apl_labels"] = Self.bytes(labels) }
        for (name, values, count) in discriminatorArrays { result[name] = Self.bytes(Array(UnsafeBufferPointer(start: values, count: count))) }
        return result
    }

    public func restore(_ state: [String: [UInt8]]) throws {
        func damaged(_ name: String) -> Failure {
            Failure.badInput(
                "the checkpoint's state of the method does not fit: '\(name)' has \(state[name]?.count ?? 0) bytes", at: .key("method.name"),
                advice: "resume with the configuration of the run, or use an older checkpoint")
        }
        let numbers: [Double] = Self.values(state["apl_round"] ?? [])
        guard numbers.count == 8, let number = Int(exactly: numbers[0]), let count = Int(exactly: numbers[6]), let steps = Int(exactly: numbers[7])
        else { throw damaged("apl_round") }
        let rows: [Double] = Self.values(state["apl_labels"] ?? [])
        guard rows.count % 4 == 0 else { throw damaged("apl_labels") }
        var labels = RoundLabels(round: number, normalizer: numbers[1])
        for at in stride(from: 0, to: rows.count, by: 4) {
            guard let index = Int(exactly: rows[at]), store.videos.indices.contains(index), let label = Int(exactly: rows[at + 3]),
                store.classes.names.indices.contains(label)
            else { throw damaged("apl_labels") }
            let instance = ActionInstance(segment: Segment(start: rows[at + 1], end: rows[at + 2]), label: label)
            labels.instances[index, default: []].append(instance)
        }
        if numbers[2] == 1 {
            labels.quality = PseudoLabelQuality(classAccuracy: numbers[3], averageTIoU: numbers[4], positiveAccuracy: numbers[5], count: count)
        }
        for (name, values, count) in discriminatorArrays {
            let array: [Float] = Self.values(state[name] ?? [])
            guard array.count == count else { throw damaged(name) }
            for (i, value) in array.enumerated() { values[i] = value }
        }
        discriminator?.optimizer.step = steps
        try take(labels)
    }

    private static func bytes<Number>(_ values: [Number]) -> [UInt8] { values.withUnsafeBytes { Array($0) } }

    private static func values<Number>(_ bytes: [UInt8]) -> [Number] {
        bytes.withUnsafeBytes { raw in
            stride(from: 0, to: raw.count / MemoryLayout<Number>.stride * MemoryLayout<Number>.stride, by: MemoryLayout<Number>.stride)
                .map { raw.loadUnaligned(fromByteOffset: $0, as: Number.self) }
        }
    }
}
