import Autograd
import Detectors
import Foundation
import NeuralNetworks

extension BMN {
    /// By the overlap of proposals and of boundaries with the actions.
    public func assignTargets(_ batch: PackedBatch) -> BMNTargets {
        let sources = sources(batch.features)
        let maps = sources.map { source in
            segments(batch.instances[source.recording], of: source, in: batch.features.rows(of: source.recording))
        }
        var result = BMNTargets(maps, settings)
        guard settings.videoClassifier == .own else { return result }
        result.isClassified = batch.instances.map { !$0.isEmpty }
        result.classes = batch.instances.flatMap { instances in
            var present = [Float](repeating: 0, count: settings.classes)
            for instance in instances where present.indices.contains(instance.label) { present[instance.label] = 1 }
            return present
        }
        return result
    }

    /// A recording's actions in rows of a map.
    private func segments(_ instances: [GridInstance], of source: MapSource, in rows: Range<Int>) -> [BMNTargets.RowSegment] {
        let length = Double(rows.count), scale = Double(settings.temporalScale)
        return instances.compactMap { instance in
            // On the grid a row stands at its middle.
            let start = Double(instance.segment.start) + 0.5, end = Double(instance.segment.end) + 0.5
            if source.rows == rows {
                let low = min(max(start, 0), length), high = min(max(end, 0), length), factor = settings.grid == .rescaled ? scale / length : 1
                return low < high ? (low * factor, high * factor) : nil
            }
            let window = source.rows.lowerBound - rows.lowerBound..<source.rows.upperBound - rows.lowerBound
            return SlidingWindows.kept(start: start, end: end, in: window)
        }
    }

    /// The losses of the boundaries and of the map, and that of the classifier of recordings.
    ///
    /// - Returns: `boundaries`, `classification`, `regression` (without its weight), `classifier` where there is one, and `total`.
    public func seedLosses(_ outputs: Outputs, targets: BMNTargets, normalizers: [Float], tape _: Tape) -> [String: Double] {
        func count(_ what: BMNTargets.Count) -> Float { normalizers[what.rawValue] }
        func channel(_ tensor: Tensor, _ place: Int = 0) -> BMNLosses.Channel {
            BMNLosses.Channel(values: tensor.values + place, gradient: tensor.gradientToWrite().pointer + place, stride: tensor.columns)
        }
        let scale = settings.temporalScale, cells = max(targets.cells, 1), channelOfRegression = settings.regressionChannel
        func boundary(_ tensor: Tensor, _ wanted: [Float], _ positives: BMNTargets.Count) -> Double {
            BMNLosses.logistic(
                channel(tensor), targets: wanted, threshold: settings.boundaryThreshold, entries: count(.rows), positives: count(positives)
            ) { targets.isCounted[$0 / scale] }
        }
        let boundaries = boundary(outputs.start, targets.start, .starts) + boundary(outputs.end, targets.end, .ends)
        let classification = BMNLosses.logistic(
            channel(outputs.map, 1 - channelOfRegression), targets: targets.overlap, threshold: settings.positiveThreshold, entries: count(.cells),
            positives: count(.positives)
        ) { targets.isCounted[$0 / cells] }
        let regression = BMNLosses.regression(
            channel(outputs.map, channelOfRegression), targets: targets.overlap, taken: targets.taken, count: count(.taken),
            weight: settings.regressionWeight)
        var result = ["boundaries": boundaries, "classification": classification, "regression": regression]
        var total = boundaries + classification + settings.regressionWeight * regression
        if let logits = outputs.classLogits {
            let classifier = classifierLoss(logits, targets, recordings: count(.classified))
            result["classifier"] = classifier
            total += classifier
        }
        result["total"] = total
        return result
    }

    /// Binary cross-entropy, the mean over recordings and classes.
    private func classifierLoss(_ logits: Tensor, _ targets: BMNTargets, recordings: Float) -> Double {
        let classes = logits.columns, (gradient, _) = logits.gradientToWrite(), divisor = Double(recordings) * Double(classes)
        var sum = 0.0
        for i in 0..<logits.count {
            guard targets.isClassified[i / classes] else {
                gradient[i] = 0
                continue
            }
            let x = Double(logits.values[i]), y = Double(targets.classes[i])
            sum += max(x, 0) - x * y + log1p(exp(-abs(x)))
            gradient[i] = Float((1 / (1 + exp(-x)) - y) / divisor)
        }
        return recordings > 0 ? sum / divisor : 0
    }
}
