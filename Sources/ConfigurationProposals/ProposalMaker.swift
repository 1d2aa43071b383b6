import Configuration
import Detectors
import FeatureStore
import PostProcessing
import TemporalAnnotations
import TrainingMethods

/// Makes the proposals of each section.
struct ProposalMaker {
    let facts: ProposalFacts
    let size: TrainingSize
    let levels: PyramidLevels
    /// Stem blocks that the detector has by default: some have none.
    private let stem: Int
    let needsSegments: Bool
    let mixesRecordings: Bool
    private let detection: DetectionSettings
    /// Rows of a recording of middle length, and of the longest.
    let medianRows: Double, longestRows: Double

    init(_ facts: ProposalFacts, detector: any DetectorSettings.Type, method: any MethodSettings.Type) {
        self.facts = facts
        needsSegments = method.needsSegments
        mixesRecordings = detector.mixesRecordings
        detection = detector.usualDetection
        let recordings = facts.training.recordingRows
        medianRows = max(recordings?.median ?? 1, 1)
        longestRows = max(recordings?.greatest ?? 1, 1)
        let shards = TrainingSize.shards(ranks: facts.ranks, recordings: facts.smallestPart) ?? 1
        size = TrainingSize(recordings: facts.labelled, shards: shards, medianRows: medianRows, actions: facts.labelledActions)
        let spread = recordings ?? ValueSpread([1])
        levels = spread.map { PyramidLevels(actions: facts.training.actionRows, recordings: $0) } ?? PyramidLevels.one
        let architecture = detector.defaultLines.first { $0.key == "backbone_arch" }?.value ?? ""
        let counts = architecture.split { !$0.isNumber }.compactMap { Int($0) }
        stem = counts.count == 3 ? counts[1] : 0
    }

    // MARK: Sections

    var data: [Proposal] {
        var result = [
            Proposal("data.store", Proposal.quoted(facts.store), "the store that was looked at"),
            Proposal("data.training_subset", Proposal.quoted(facts.subsets.training), facts.subsets.trainingReason),
            Proposal(
                "data.evaluation_subset", facts.subsets.evaluation.map(Proposal.quoted) ?? "null", facts.subsets.evaluationReason),
        ]
        switch facts.labels {
        case .all: break
        case .fraction(let fraction):
            result.append(
                Proposal(
                    "data.labeled_fraction", "\(fraction)",
                    "\(facts.labelled) of \(facts.training.recordings): the labels of the others are not used; set it to what you have"))
        case .list(let path, let fraction):
            result.append(
                Proposal("data.labeled_fraction", "\(fraction)", "the \(facts.labelled) recordings of the list, of \(facts.training.recordings)"))
            result.append(Proposal("data.labeled_order", Proposal.quoted(path), "recordings that have actions with segments"))
        }
        result.append(
            Proposal(
                "data.virtual_shards", size.shards,
                "any number of ranks that divides it gives the same result; asked for: \(facts.ranks)"))
        result.append(
            Proposal(
                "data.batch_size", size.batch,
                "about \(Int(TrainingSize.rowsPerStep)) rows per step, at least a recording per shard; a recording of middle length has "
                    + "\(Proposal.rows(medianRows)) rows, \(counted(facts.labelled, "recording")) are labelled"))
        let longest = Proposal.rows(longestRows)
        if let most = TrainingSize.maximumRows(longest: longestRows, longestAction: levels.longest) {
            result.append(
                Proposal("data.max_rows", most, "the longest of \(longest) rows is cropped at random: steps of more rows take more memory and time"))
        } else {
            result.append(Proposal("data.max_rows", "null", "the longest recording, of \(longest) rows, is learnt whole"))
        }
        return result
    }

    var model: [Proposal] {
        let ranges = "[" + levels.ranges.map { "[\($0.lowerBound), \($0.upperBound)]" }.joined(separator: ", ") + "]"
        let width = "\(counted(facts.labelledActions, "labelled action")): 128 below 500, 256 below 5,000, else 512"
        return [
            Proposal("model.input_dimension", facts.training.dimension, "values per row; checked against the store"),
            Proposal("model.backbone_arch", "[2, \(stem), \(levels.count - 1)]", "\(counted(levels.count, "level")): \(levels.reason)"),
            Proposal(
                "model.n_mha_win_size", levels.window(medianRows: medianRows),
                "rows of a level that a point sees: on the last level about half a recording of middle length, from 9 to 37"),
            Proposal("model.n_sgp_win_size", 5, "as on SBHAR"),
            Proposal("model.k", 2, "as on SBHAR: the second kernel is 13 rows wide"),
            Proposal("model.sgp_mlp_dim", 2 * size.width, "twice the width"),
            Proposal("model.init_conv_vars", "0.1", "at 0 the convolutions of the blocks would not learn"),
            Proposal("model.embd_dim", size.width, width),
            Proposal("model.fpn_dim", size.width, "the same width"),
            Proposal("model.head_dim", size.width, "the same width"),
            Proposal("model.regression_range", ranges, levels.rangesReason),
            Proposal(
                "model.num_bins", levels.bins(atLeast: 16, atMost: 256),
                "the ends of the longest action, of \(Proposal.rows(levels.longest)) rows, are within reach of the last level"),
            Proposal("model.iou_weight_power", "0.25", "as on SBHAR"),
        ]
    }

    var training: [Proposal] {
        let epochs = Double(size.iterations * size.batch) / Double(max(facts.labelled, 1))
        var result = [
            Proposal(
                "training.iterations", size.iterations,
                "\(counted(facts.labelled, "labelled recording")), each seen about \(Int(epochs.rounded())) times; "
                    + "at least \(TrainingSize.leastIterations)"),
            Proposal("training.warmup_iterations", size.warmup, "one twentieth"),
            Proposal(
                "training.learning_rate", size.learningRate.yaml,
                "1e-3 at 128 channels, 3e-4 at 256, 1e-4 at 512; --try measures it"),
            Proposal("training.weight_decay", "0.05", "the published value"),
            Proposal("training.clip_gradient_norm", "1.0", "the published value"),
        ]
        let weights =
            needsSegments ? "the average of the last steps, as published" : "labels made in training are noisy: the average evens them out"
        result.append(Proposal("training.evaluate_weights", "ema", weights))
        let isLong = needsSegments && size.iterations > 2000
        result.append(Proposal("training.ema_decay", isLong ? "0.999" : "0.99", "over about \(isLong ? "1,000" : "100") steps"))
        if needsSegments, !isLong {
            result.append(
                Proposal(
                    "training.droppath", "0.0",
                    "a short run: with drop path, branches of blocks begin at 1e-4 of their size, as published, and are learnt late"))
        }
        if needsSegments, mixesRecordings, facts.labelled <= Self.fewRecordings {
            result.append(
                Proposal("training.mixup_alpha", "0.4", "few labelled recordings: mixing them gained 1 to 3 points of mAP on held-out recordings"))
        }
        result.append(Proposal("training.checkpoint_every", max(100, size.iterations / 300 * 100), "a few checkpoints in a run"))
        return result
    }

    /// Up to so many labelled recordings are few.
    static let fewRecordings = 200

    var test: [Proposal] {
        let most = Int(facts.training.actionsPerRecording?.greatest ?? 0), kept = max(200, (4 * most + 99) / 100 * 100)
        return [
            Proposal("test.pre_nms_thresh", "\(detection.preNMSThresh)", "as published"),
            Proposal("test.pre_nms_topk", detection.preNMSTopK, "candidates per level, as published"),
            Proposal("test.min_score", "\(detection.minScore)", "as published"),
            Proposal("test.max_seg_num", kept, "detections kept of a recording; there are up to \(counted(most, "action")) in one"),
        ]
    }
}

extension PyramidLevels {
    /// For no recordings.
    static var one: PyramidLevels { PyramidLevels(count: 1, ranges: [0...beyond], reason: "no recording", rangesReason: "no recording", longest: 1) }

    init(count: Int, ranges: [ClosedRange<Int>], reason: String, rangesReason: String, longest: Double) {
        self.count = count
        self.ranges = ranges
        self.reason = reason
        self.rangesReason = rangesReason
        self.longest = longest
    }
}
