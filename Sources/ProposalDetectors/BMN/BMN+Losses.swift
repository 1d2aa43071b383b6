import Autograd
import Detectors
import Foundation
import NeuralNetworks
import TemporalAnnotations

extension BMN {
    /// By the overlap of proposals and of boundaries with the actions.
    public func assignTargets(_ batch: PackedBatch) -> BMNTargets {
        let sources = sources(batch.features)
        var maps: [[BMNTargets.RowSegment]] = [], weights: [[Float]] = [], ignored: [[BMNTargets.RowSegment]] = []
        for source in sources {
            let rows = batch.features.rows(of: source.recording)
            let labels = batch.instances[source.recording].enumerated().compactMap { place, instance in
                segment(instance.segment, of: source, in: rows).map { (segment: $0, place: place) }
            }
            maps.append(labels.map(\.segment))
            guard let known = batch.weights else { continue }
            weights.append(labels.map { known.instances[source.recording][$0.place] })
            ignored.append(known.ignored[source.recording].compactMap { segment($0, of: source, in: rows) })
        }
        let isWeighed = batch.weights != nil
        var result = BMNTargets(maps, weights: isWeighed ? weights : nil, ignored: isWeighed ? ignored : nil, settings)
        guard settings.videoClassifier == .own else { return result }
        let known = batch.instances.indices.map { batch.classes.classes(of: $0, batch.instances) }
        result.isClassified = known.map { $0 != nil }
        result.classes = known.flatMap { classes in
            var present = [Float](repeating: 0, count: settings.classes)
            for label in classes ?? [] where present.indices.contains(label) { present[label] = 1 }
            return present
        }
        return result
    }

    /// A segment of a recording in rows of a map; nil: too little of it is there.
    private func segment(_ segment: GridSegment, of source: MapSource, in rows: Range<Int>) -> BMNTargets.RowSegment? {
        let length = Double(rows.count), scale = Double(settings.temporalScale)
        // On the grid a row stands at its middle.
        let start = Double(segment.start) + 0.5, end = Double(segment.end) + 0.5
        if source.rows == rows {
            let low = min(max(start, 0), length), high = min(max(end, 0), length), factor = settings.grid == .rescaled ? scale / length : 1
            return low < high ? (low * factor, high * factor) : nil
        }
        let window = source.rows.lowerBound - rows.lowerBound..<source.rows.upperBound - rows.lowerBound
        return SlidingWindows.kept(start: start, end: end, in: window)
    }

    /// The losses of the boundaries and of the map, and that of the classifier of recordings.
    ///
    /// - Returns: `boundaries`, `classification`, `regression` (without its weight), with ALQA's channel `localization` (likewise), `classifier` where
    ///   there is one, and `total`.
    public func seedLosses(_ outputs: Outputs, targets: BMNTargets, normalizers: [Float], tape _: Tape) -> [String: Double] {
        func count(_ what: BMNTargets.Count) -> Float { normalizers[what.rawValue] }
        let boundaries =
            boundaryLoss(outputs.start, targets, targets.start, targets.weights?.start, count(.rows), count(.starts))
            + boundaryLoss(outputs.end, targets, targets.end, targets.weights?.end, count(.endRows), count(.ends))
        var result = mapLosses(outputs, targets, normalizers)
        result["boundaries"] = boundaries
        var total = boundaries + (result["classification"] ?? 0) + settings.regressionWeight * (result["regression"] ?? 0)
        if let localization = result["localization"] { total += Double(settings.options.quality.localizationWeight) * localization }
        if let logits = outputs.classLogits {
            let classifier = classifierLoss(logits, targets, recordings: count(.classified))
            result["classifier"] = classifier
            total += classifier
        }
        result["total"] = total
        return result
    }

    private func channel(_ tensor: Tensor, _ place: Int = 0) -> BMNLosses.Channel {
        BMNLosses.Channel(values: tensor.values + place, gradient: tensor.gradientToWrite().pointer + place, stride: tensor.columns)
    }

    private func boundaryLoss(
        _ tensor: Tensor, _ targets: BMNTargets, _ wanted: [Float], _ weights: [Float]?, _ rows: Float, _ positives: Float
    ) -> Double {
        let scale = settings.temporalScale
        return BMNLosses.logistic(
            channel(tensor), targets: wanted, threshold: settings.boundaryThreshold, entries: rows, positives: positives
        ) { targets.isCounted[$0 / scale] ? weights?[$0] ?? 1 : 0 }
    }

    /// Classification, regression and tND of the map's cells.
    private func mapLosses(_ outputs: Outputs, _ targets: BMNTargets, _ normalizers: [Float]) -> [String: Double] {
        func count(_ what: BMNTargets.Count) -> Float { normalizers[what.rawValue] }
        let cells = max(targets.cells, 1), place = settings.regressionChannel, quality = settings.options.quality
        let overlaps = channel(outputs.map, place), classes = channel(outputs.map, 1 - place), weights = targets.weights
        func weight(_ cell: Int) -> Float { targets.isCounted[cell / cells] ? weights?.classification[cell] ?? 1 : 0 }
        let regression = BMNLosses.regression(
            overlaps, targets: targets.overlap, taken: targets.taken, weights: weights?.regression, count: count(.taken),
            weight: settings.regressionWeight)
        guard quality.branches != .none else {
            let classification = BMNLosses.logistic(
                classes, targets: targets.overlap, threshold: settings.positiveThreshold, entries: count(.cells), positives: count(.positives),
                weight: weight)
            return ["classification": classification, "regression": regression]
        }
        let reliability = BMNReliability(outputs, settings)
        let (classification, slopes) = BMNLosses.softLogistic(
            classes, reliability: reliability.values, isJoint: quality.focalScore == .joint, targets: targets.overlap,
            threshold: settings.positiveThreshold, entries: count(.cells), positives: count(.positives), weight: weight)
        var result = ["classification": classification, "regression": regression]
        let distances = outputs.distance.map { channel($0) }
        if let distances {
            result["localization"] = BMNLosses.crossEntropy(
                distances, targets: targets.distance, taken: targets.taken, weights: weights?.regression, count: count(.taken),
                weight: Double(quality.localizationWeight))
        }
        // At the floor P_diou does not move.
        for (cell, slope) in slopes.enumerated() where slope != 0 && reliability.isFree[cell] {
            overlaps.gradient[cell * overlaps.stride] += slope
            if let distances { distances.gradient[cell] -= slope }
        }
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
