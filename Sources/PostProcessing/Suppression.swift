import Kernels

/// Suppresses overlapping detections: per class or over all classes, then sorts by score and cuts. Results equal the published
/// ActionFormer's (`batched_nms` with its C++ kernels): arithmetic is float32 in the same order, equal scores go by input order.
///
/// - Returns: the survivors with their new scores (and, with voting, new ends), best first. With `.none`, the best of the input as they are.
public func suppress(_ candidates: [Candidate], settings: SuppressionSettings) -> [Candidate] {
    guard !candidates.isEmpty else { return [] }
    var kept: [Candidate] = []
    if settings.method == .none {
        kept = candidates
    } else if settings.perClass {
        var byClass: [Int: [Candidate]] = [:]
        for candidate in candidates { byClass[candidate.label, default: []].append(candidate) }
        kept = suppressEach(byClass.keys.sorted().compactMap { byClass[$0] }, settings: settings)
    } else {
        kept = suppressTogether(candidates, settings: settings)
        if settings.votingThreshold > 0 { kept = vote(kept, among: candidates, threshold: settings.votingThreshold) }
    }
    let sorted = sortedByScore(kept)
    return settings.maxSegments > 0 ? Array(sorted.prefix(settings.maxSegments)) : sorted
}

/// Classes know nothing of one another, so threads share them.
private func suppressEach(_ classes: [[Candidate]], settings: SuppressionSettings) -> [Candidate] {
    var kept = [[Candidate]](repeating: [], count: classes.count)
    kept.withUnsafeMutableBufferPointer { kept in
        Threads.overRanges(classes.count, grain: 1) { range in
            for place in range { kept[place] = suppressTogether(classes[place], settings: settings) }
        }
    }
    return Array(kept.joined())
}

private func suppressTogether(_ candidates: [Candidate], settings: SuppressionSettings) -> [Candidate] {
    switch settings.method {
    case .soft: softNMS(candidates, sigma: settings.sigma, minScore: settings.minScore, limit: settings.maxSegments)
    case .hard: hardNMS(candidates, iouThreshold: settings.iouThreshold, minScore: settings.minScore, limit: settings.maxSegments)
    case .none: candidates
    }
}

/// Best first; equal scores in input order.
func sortedByScore(_ candidates: [Candidate]) -> [Candidate] {
    candidates.enumerated().sorted { $0.element.score != $1.element.score ? $0.element.score > $1.element.score : $0.offset < $1.offset }
        .map(\.element)
}

/// What the published kernels add to every length, so that two empty segments do not divide zero by zero.
let lengthOffset: Float = 1e-6
