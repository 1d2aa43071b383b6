import Configuration
import Detectors
import TemporalAnnotations

/// Everything that shapes a P-GCN, at the values of the published code for THUMOS14 (Alvin-Zeng/PGCN, `data/dataset_cfg.yaml`).
public struct PGCNSettings: DetectorSettings {
    public static let name = "pgcn"
    public static let title = "P-GCN"
    public static let hasDropout = false
    public static let seesWholeRecordings = true
    /// tIoU and tND of a moved proposal with its action.
    public static let qualityBranches = [QualityBranches.none, .tiou, .tiouTND]
    public static let givesPseudoLabels = true
    public static let refinesProposals = true

    public var expectedDimension: Int?
    /// Files of proposals.
    public var proposals: [String] = []
    /// Proposals of a recording that are kept; nil: all.
    public var proposalsPerRecording: Int? = 500
    public var hiddenDimension = 512
    /// Between the two graph convolutions.
    public var graphDropout: Float = 0.7
    /// Before the classifier of activities.
    public var headDropout: Float = 0.8
    /// Lengths before and behind a proposal that completeness sees.
    public var margin = 0.5
    package var graph = ProposalGraph.Rules()
    package var thresholds = ProposalPools.Thresholds()
    public var foregroundSamples = 1
    public var incompleteSamples = 6
    public var backgroundSamples = 1
    /// Part of the incomplete proposals that the completeness learns from, those of the largest loss.
    public var miningRatio = 0.17
    public var completenessWeight = 0.5
    public var regressionWeight = 0.5
    /// Pairs of a proposal and a class that are kept before suppression.
    public var topScores = 2000
    public var nmsThreshold = 0.2

    /// Columns of the features and classes; 0 while no data are known.
    package var inputDimension = 0
    package var classes = 0
    package var options = DetectorOptions()

    /// Everything at its default.
    public init() {}

    public var usualRows: Int { 512 }
    public var sizeKeys: [String] { ["model.hidden_dim"] }
    /// Trees of a recording in a step.
    var samplesPerRecording: Int { foregroundSamples + incompleteSamples + backgroundSamples }

    /// Sizes, the graph, what is learnt from, and how detections are chosen.
    public mutating func visit(_ keys: ConfigurationKeys) throws {
        try visitInputs(keys)
        try visitNetwork(keys)
        try visitSamples(keys)
        try keys.value(
            "top_scores", &topScores, .within(1...ConfigurationLimits.rows), unit: "pairs",
            meaning: "of a proposal and a class, of the largest scores, that enter the suppression (ActivityNet: 100)")
        try keys.value(
            "nms_threshold", &nmsThreshold, .within(0...1), meaning: "tIoU above which a proposal drops worse ones of its class (ActivityNet: 0.4)")
    }

    private mutating func visitInputs(_ keys: ConfigurationKeys) throws {
        try keys.value(
            "input_dimension", &expectedDimension, Requirement<Int>.within(1...ConfigurationLimits.channels).orNull, unit: "columns",
            meaning: "checked against the store; `null`: as the store says")
        try keys.value(
            "proposals", &proposals, Requirement("at most 64, none empty") { $0.count <= 64 && !$0.contains("") }, unit: "paths",
            meaning: "files of proposals, each recording in one of them: results in ActivityNet's JSON, as `kairos detect` writes them, or lists in "
                + "the form of the published BSN lists ([methods.md](methods.md#p-gcn)); `detect` takes others by `--set model.proposals=[FILE]`")
        try keys.value(
            "proposals_per_recording", &proposalsPerRecording, Requirement<Int>.within(1...100_000).orNull, unit: "proposals",
            meaning: "kept of a recording: those of the largest scores, of a list without scores the first; `null`: all")
        try keys.value(
            "margin", &margin, .within(0...4), unit: "lengths", meaning: "before and behind a proposal that the completeness sees")
    }

    private mutating func visitNetwork(_ keys: ConfigurationKeys) throws {
        try keys.value(
            "hidden_dim", &hiddenDimension, .within(1...ConfigurationLimits.channels), unit: "channels", meaning: "between two graph convolutions")
        try keys.value("gcn_dropout", &graphDropout, .below(1, atLeast: 0), meaning: "dropout between two graph convolutions")
        try keys.value("head_dropout", &headDropout, .below(1, atLeast: 0), meaning: "dropout before the classifier of activities")
        try keys.value("context_threshold", &graph.contextThreshold, .within(0...1), meaning: "tIoU above which a proposal is context of another")
        try keys.value(
            "context_candidates", &graph.contextCount, .within(0...1000), unit: "proposals", meaning: "of the context that neighbours are drawn from")
        try keys.value(
            "surrounding_candidates", &graph.surroundingCount, .within(0...1000), unit: "proposals",
            meaning: "nearby without overlap that neighbours are drawn from")
        try keys.value("neighbours", &graph.children, .within(1...32), unit: "proposals", meaning: "drawn for every node; they have as many again")
    }

    private mutating func visitSamples(_ keys: ConfigurationKeys) throws {
        let count = Requirement<Int>.within(0...1000)
        try keys.value("foreground_samples", &foregroundSamples, .within(1...1000), unit: "proposals", meaning: "of a recording in a step")
        try keys.value("incomplete_samples", &incompleteSamples, count, unit: "proposals", meaning: "of a recording in a step")
        try keys.value("background_samples", &backgroundSamples, count, unit: "proposals", meaning: "of a recording in a step")
        try keys.value("foreground_threshold", &thresholds.foreground, .within(0...1), meaning: "tIoU with an action above which it is foreground")
        try keys.value(
            "incomplete_threshold", &thresholds.incomplete, .within(0...1), meaning: "tIoU below which it is incomplete (ActivityNet: 0.6)")
        try keys.value(
            "incomplete_overlap", &thresholds.incompleteOverlap, .within(0...1),
            meaning: "part of an incomplete proposal in its action, at least (ActivityNet: 0)")
        try keys.value(
            "background_threshold", &thresholds.background, .within(0...1), meaning: "tIoU below which it is background (ActivityNet: 0.1)")
        try keys.value(
            "background_coverage", &thresholds.coverage, .within(0...1),
            meaning: "part of the recording that background covers, at least (ActivityNet: 0)")
        try keys.value(
            "mining_ratio", &miningRatio, .upTo(1, above: 0),
            meaning: "part of the incomplete samples, of the largest loss, that completeness learns from")
        try keys.value("completeness_weight", &completenessWeight, .within(0...1000), meaning: "factor of the loss of completeness")
        try keys.value("regression_weight", &regressionWeight, .within(0...1000), meaning: "factor of the loss of the offsets")
    }

    /// - Throws: `Failure` where fewer candidates are there than neighbours are drawn.
    public func check(_ keys: ConfigurationKeys) throws {
        let candidates = graph.contextCount + graph.surroundingCount
        guard graph.children <= candidates else {
            throw keys.refusal(
                "neighbours is \(graph.children), but they are drawn from \(candidates) candidates", at: "model.neighbours",
                advice: "give at most model.context_candidates and model.surrounding_candidates together")
        }
    }

    /// A P-GCN of these settings that knows no proposals.
    public func make(inputDimension: Int, classes: Int, options: DetectorOptions) -> any Detector {
        var settings = self
        (settings.inputDimension, settings.classes, settings.options) = (inputDimension, classes, options)
        return PGCN(settings)
    }

    /// A P-GCN with the proposals of the files.
    ///
    /// - Throws: `Failure` (`.badInput`) for a file that cannot be read or is in neither form.
    public func makeReading(inputDimension: Int, classes: Int, options: DetectorOptions) throws -> any Detector {
        let detector = make(inputDimension: inputDimension, classes: classes, options: options)
        if !proposals.isEmpty { (detector as? PGCN)?.lists = try ProposalLists(proposals, most: proposalsPerRecording) }
        return detector
    }
}
