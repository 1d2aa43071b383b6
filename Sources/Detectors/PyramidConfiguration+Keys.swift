import Configuration

extension PyramidConfiguration {
    package static var odd: Requirement<Int> {
        Requirement("odd and from 1 to \(ConfigurationLimits.window)") { (1...ConfigurationLimits.window).contains($0) && $0 % 2 == 1 }
    }
    package static var channels: Requirement<Int> { .within(1...ConfigurationLimits.channels) }

    /// The keys that pyramids share, in the order of the canonical form; a detector's own keys stand among them.
    ///
    /// - Parameters:
    ///   - blocks: names the keys of the backbone's blocks.
    ///   - positions: names further keys of positions.
    package mutating func visit(_ keys: ConfigurationKeys, blocks: () throws -> Void = {}, positions: () throws -> Void = {}) throws {
        try visitBackbone(keys, blocks)
        try keys.value("fpn_type", &neck, meaning: "neck")
        try keys.value("fpn_dim", &neckDimension, Self.channels, unit: "channels", meaning: "width of the neck; with `identity` equal to `embd_dim`")
        try keys.value("fpn_with_ln", &neckNorm, meaning: "layer norm at the neck's end")
        var startLevel = 0
        try keys.value("fpn_start_level", &startLevel, Requirement("which must be 0") { $0 == 0 }, meaning: "first level of the neck")
        try keys.value("head_dim", &headDimension, Self.channels, unit: "channels", meaning: "width of the heads")
        try keys.value("head_kernel_size", &headKernel, Self.odd, unit: "rows", meaning: "kernel of the heads")
        try keys.value("head_num_layers", &headLayers, .within(1...64), unit: "count", meaning: "layers of a head, the last one included")
        try keys.value("head_with_ln", &headNorm, meaning: "layer norm in the heads")
        try keys.value("use_abs_pe", &absolutePositions, meaning: "absolute position encoding added to the embedding")
        try positions()
        var ranges = regressionRanges.map { [$0.lowerBound, $0.upperBound] }
        try keys.value(
            "regression_range", &ranges,
            Requirement("as [low, high] per level with 0 <= low < high") { ranges in
                ranges.allSatisfy { $0.count == 2 && $0[0] >= 0 && $0[0] < $0[1] }
            }, unit: "rows", meaning: "per level: the larger distance to the action's ends that the level is responsible for")
        regressionRanges = ranges.map { $0[0]...$0[1] }
        try keys.value("max_seq_len", &maximumLength, .within(1...1_048_576), unit: "rows", meaning: "length of the absolute position encoding")
    }

    private mutating func visitBackbone(_ keys: ConfigurationKeys, _ blocks: () throws -> Void) throws {
        try keys.value(
            "input_dimension", &expectedDimension, Self.channels.orNull, unit: "columns",
            meaning: "checked against the store; `null`: as the store says")
        var architecture = [embeddingConvolutions, stemBlocks, branchBlocks]
        try keys.value(
            "backbone_arch", &architecture,
            Requirement("as [embedding, stem, branch], from 1, 0 and 0 to 64, 64 and 16") {
                $0.count == 3 && (1...64).contains($0[0]) && (0...64).contains($0[1]) && (0...16).contains($0[2])
            }, unit: "counts", meaning: "embedding convolutions, stem blocks, branch blocks; there is one pyramid level more than branch blocks")
        (embeddingConvolutions, stemBlocks, branchBlocks) = (architecture[0], architecture[1], architecture[2])
        var scaleFactor = 2
        try keys.value("scale_factor", &scaleFactor, Requirement("which must be 2") { $0 == 2 }, meaning: "length ratio of neighbouring levels")
        try blocks()
        try keys.value("embd_kernel_size", &embeddingKernel, Self.odd, unit: "rows", meaning: "kernel of the embedding convolutions")
        try keys.value("embd_dim", &embeddingDimension, Self.channels, unit: "channels", meaning: "width of the backbone")
        try keys.value("embd_with_ln", &embeddingNorm, meaning: "layer norm in the embedding")
    }

    /// Checks of several keys that pyramids share.
    package func check(_ keys: ConfigurationKeys) throws {
        guard regressionRanges.count == levels else {
            throw keys.refusal(
                "\(regressionRanges.count) regression ranges are given for \(levels) pyramid levels", at: "model.regression_range",
                advice: "give one [low, high] per level: the branch blocks of backbone_arch and one more")
        }
        if neck == .identity, neckDimension != embeddingDimension {
            throw keys.refusal(
                "fpn_dim \(neckDimension) differs from embd_dim \(embeddingDimension), and the identity neck cannot change it",
                at: "model.fpn_dim", advice: "set both alike, or fpn_type to fpn")
        }
    }
}
