import Configuration
import Detectors

/// The configuration of ActionFormer: what pyramids share, and its attention.
public struct ActionFormerConfiguration: PyramidDetectorConfiguration {
    public static let name = "actionformer"
    public static let title = "ActionFormer"

    public var pyramid: PyramidConfiguration
    public var heads = 4
    /// Rows of a level that a position sees around itself; at most 1: all rows.
    public var window = PerLevel.all(-1)
    public var relativePositions = false

    /// 4 heads, full attention and no relative positions.
    public init(_ pyramid: PyramidConfiguration) { self.pyramid = pyramid }

    /// Attention window per level; 1 or less for all positions.
    public var windows: [Int] {
        get { window.values(levels: levels) ?? [] }
        set { window = .each(newValue) }
    }

    /// The keys of all pyramids, and those of the attention.
    public mutating func visit(_ keys: ConfigurationKeys) throws {
        var shared = pyramid
        try shared.visit(
            keys,
            blocks: {
                try keys.value("n_head", &heads, PyramidConfiguration.channels, unit: "count", meaning: "attention heads; divides `embd_dim`")
                try keys.value(
                    "n_mha_win_size", &window,
                    Requirement("at most \(ConfigurationLimits.window)") { $0.allSatisfy { $0 <= ConfigurationLimits.window } },
                    unit: "rows of the level", meaning: "attention window, odd, one for all levels or a list of one per level; at most 1: all rows")
            },
            positions: {
                try keys.value("use_rel_pe", &relativePositions, meaning: "learnt relative positions in the attention; needs windows")
            })
        pyramid = shared
    }

    /// - Throws: `Failure` for even windows or not one per level, heads that do not divide the channels, relative positions without windows.
    public func check(_ keys: ConfigurationKeys) throws {
        try pyramid.check(keys)
        guard let windows = window.values(levels: levels) else {
            throw keys.refusal(
                "n_mha_win_size lists another number of windows than the \(levels) levels", at: "model.n_mha_win_size",
                advice: "give one number for all levels, or one per level")
        }
        if let even = windows.first(where: { $0 > 1 && $0 % 2 == 0 }) {
            throw keys.refusal(
                "the attention window \(even) is even, so it has no middle", at: "model.n_mha_win_size",
                advice: "give odd windows, or -1 for all rows")
        }
        guard pyramid.embeddingDimension % heads == 0 else {
            throw keys.refusal(
                "embd_dim \(pyramid.embeddingDimension) is not a multiple of n_head \(heads)", at: "model.n_head",
                advice: "choose a divisor of embd_dim")
        }
        if relativePositions, windows.contains(where: { $0 <= 1 }) {
            throw keys.refusal(
                "use_rel_pe needs a local attention window on every level", at: "model.use_rel_pe",
                advice: "set n_mha_win_size, or use_rel_pe to false")
        }
    }

    /// An ActionFormer of these settings; the sizes are those of the data.
    public func make(inputDimension: Int, classes: Int, options: DetectorOptions) -> any Detector {
        ActionFormer(completed(inputDimension: inputDimension, classes: classes, options: options))
    }

    public var memorySaver: String? { "a window (model.n_mha_win_size)" }
}
