import Configuration
import Detectors

extension BMNSettings {
    /// Sizes, what the maps are over, targets, and how proposals are scored.
    public mutating func visit(_ keys: ConfigurationKeys) throws {
        try visitMaps(keys)
        try visitNetwork(keys)
        try visitTargets(keys)
        try visitDetection(keys)
    }

    private static var share: Requirement<Float> { .within(0...1) }

    private mutating func visitMaps(_ keys: ConfigurationKeys) throws {
        try keys.value(
            "input_dimension", &expectedDimension, Requirement<Int>.within(1...ConfigurationLimits.channels).orNull, unit: "columns",
            meaning: "checked against the store; `null`: as the store says")
        try keys.value(
            "grid", &grid, meaning: "`rescaled`: recordings are resampled to `temporal_scale` rows; `windows`: they are cut into windows of so many")
        try keys.value("temporal_scale", &temporalScale, .within(2...1024), unit: "rows", meaning: "T: rows that the network sees at once")
        try keys.value("window_stride", &windowStride, .within(1...1024), unit: "rows", meaning: "between windows; with `rescaled` unused")
        try keys.value(
            "proposal_layout", &layout,
            meaning:
                "of the map: `start_end` as in the published code, `duration_start` as in the paper, in SSTAP and in OpenTAD; their samples differ")
        try keys.value(
            "max_duration", &maximumDuration, Requirement<Int>.within(1...1024).orNull, unit: "rows",
            meaning: "of the longest proposal with `duration_start`; `null`: `temporal_scale`")
        try keys.value("samples", &samples, .within(1...256), unit: "count", meaning: "N: samples of a proposal's features")
        try keys.value("sample_points", &pointsPerSample, .within(1...16), unit: "count", meaning: "whose mean is a sample")
        try keys.value("sample_margin", &sampleMargin, .within(0...4), unit: "lengths", meaning: "sampled before and behind a proposal")
    }

    private mutating func visitNetwork(_ keys: ConfigurationKeys) throws {
        let channels = Requirement<Int>.within(1...ConfigurationLimits.channels)
        try keys.value("base_dim", &baseDimension, channels, unit: "channels", meaning: "width of the base and of the boundary branches")
        try keys.value("proposal_dim", &proposalDimension, channels, unit: "channels", meaning: "width of the rows that are sampled (OpenTAD: 128)")
        try keys.value("sampled_dim", &sampledDimension, channels, unit: "channels", meaning: "of a cell after its samples are summed")
        try keys.value("map_dim", &mapDimension, channels, unit: "channels", meaning: "width of the convolutions over the map")
        try keys.value("conv_groups", &groups, .within(1...64), unit: "count", meaning: "groups of the convolutions of base and boundary branches")
        try keys.value("map_channels", &self.channels, meaning: "order of the map's two channels; OpenTAD's is `classification_first`")
        try keys.value("first_weights", &firstWeights, meaning: "`uniform`: PyTorch's default; `xavier`: OpenTAD's, with biases of 0")
    }

    private mutating func visitTargets(_ keys: ConfigurationKeys) throws {
        try keys.value(
            "boundary_anchor", &boundaryAnchor,
            meaning: "what row t stands for beside a boundary: `centered` [t - 0.5, t + 0.5] (published), `wide` [t - 0.5, t + 1.5] (SSTAP), `row` "
                + "[t, t + 1] (OpenTAD)")
        try keys.value("boundary_threshold", &boundaryThreshold, Self.share, meaning: "rows covered by more than this part are boundaries")
        try keys.value("positive_threshold", &positiveThreshold, Self.share, meaning: "cells of a larger tIoU are positive in the classification")
        try keys.value("high_threshold", &highThreshold, Self.share, meaning: "tIoU above which all cells enter the regression")
        try keys.value(
            "low_threshold", &lowThreshold, Self.share, meaning: "tIoU that parts cells of medium and of low overlap; as many of each are drawn")
        try keys.value("low_includes_zero", &lowIncludesZero, meaning: "cells that overlap no action are of low overlap (OpenTAD)")
        try keys.value("regression_weight", &regressionWeight, .within(0...1000), meaning: "factor of the loss of the overlaps")
    }

    private mutating func visitDetection(_ keys: ConfigurationKeys) throws {
        try keys.value(
            "score", &score, meaning: "a product of start, end and both channels of the map, or of the `map`'s alone (OpenTAD on THUMOS14)")
        try keys.value("end_row", &endRow, meaning: "which row's end score a proposal takes: that behind its last (published), or its last (OpenTAD)")
        try keys.value("last_end", &proposesLastEnd, meaning: "proposals may end with the last row, though no row is behind it; for `exclusive`")
        try keys.value(
            "boundary_filter", &filtersBoundaries, meaning: "proposals begin and end only at peaks of the boundary scores (BSN, SSTAP, OpenTAD)")
        try keys.value(
            "suppression", &suppression,
            meaning: "`adaptive`: Soft-NMS with a threshold that grows with the length; `test`: as `test` says, over all "
                + "classes together")
        try keys.value("soft_nms_low", &suppressionLow, Self.share, meaning: "tIoU from which the shortest proposals are suppressed")
        try keys.value("soft_nms_high", &suppressionHigh, Self.share, meaning: "tIoU from which one as long as the recording is")
        try keys.value("soft_nms_alpha", &suppressionAlpha, .above(0), meaning: "width of the decay")
        try keys.value(
            "soft_nms_rounds", &suppressionRounds, .within(1...ConfigurationLimits.rows), unit: "proposals", meaning: "kept by the suppression")
        try keys.value(
            "video_classifier", &videoClassifier,
            meaning: "where classes come from: `own`, a classifier of recordings trained beside the detector on the labelled ones; `known`, the "
                + "classes annotated of each evaluated recording, to measure proposals apart from classes; `file`, "
                + "`test.class_scores`")
        try keys.value(
            "video_classes", &videoClasses, .within(1...1000), unit: "classes",
            meaning: "of `own`: every proposal is repeated for so many of the best")
    }

    /// Groups must divide the columns.
    public func columnFault(_ columns: Int) -> (what: String, key: String, advice: String)? {
        guard columns % groups != 0 else { return nil }
        let divisors = (1...64).filter { columns % $0 == 0 && baseDimension % $0 == 0 }.map(String.init)
        return (
            "no multiple of the \(groups) groups of BMN's convolutions", "model.conv_groups",
            "set model.conv_groups to one of \(divisors.joined(separator: ", "))"
        )
    }

    /// - Throws: `Failure` where classes would come from two places or from none.
    public func check(classScores: String?, _ keys: ConfigurationKeys) throws {
        switch (videoClassifier, classScores) {
        case (.file, nil):
            throw keys.refusal(
                "video_classifier is file, and no scores are given", at: "test.class_scores",
                advice: "name the file of class scores, or set model.video_classifier to own")
        case (.own, .some), (.known, .some):
            throw keys.refusal(
                "class_scores are given, but model.video_classifier is \(videoClassifier.rawValue)", at: "test.class_scores",
                advice: "set model.video_classifier to file, or remove the scores")
        case (.own, nil), (.known, nil), (.file, .some): break
        }
    }

    /// - Throws: `Failure` for groups that do not divide channels, and for durations and thresholds out of order.
    public func check(_ keys: ConfigurationKeys) throws {
        guard baseDimension % groups == 0 else {
            throw keys.refusal(
                "base_dim \(baseDimension) is not a multiple of the \(groups) groups of BMN's convolutions", at: "model.base_dim",
                advice: "choose a multiple of \(groups), or other model.conv_groups")
        }
        if let maximumDuration, maximumDuration > temporalScale || layout == .startEnd {
            throw keys.refusal(
                layout == .startEnd
                    ? "max_duration is set, but the layout start_end has proposals of all lengths"
                    : "max_duration \(maximumDuration) is more than the \(temporalScale) rows of temporal_scale", at: "model.max_duration",
                advice: "remove the key, or set model.proposal_layout to duration_start and at most \(temporalScale)")
        }
        guard lowThreshold <= highThreshold else {
            throw keys.refusal(
                "low_threshold \(lowThreshold) is above high_threshold \(highThreshold)", at: "model.low_threshold", advice: "choose a lower one")
        }
        guard samples * pointsPerSample > 1 else {
            throw keys.refusal("a proposal has one sample of one point", at: "model.samples", advice: "raise model.samples or model.sample_points")
        }
    }
}
