import Configuration
import Detectors
import Kernels
import PostProcessing

/// Everything that shapes a BMN, at the values of the published code for ActivityNet (JJBOY/BMN-Boundary-Matching-Network, `opts.py`).
public struct BMNSettings: DetectorSettings {
    public static let name = "bmn"
    public static let title = "BMN"
    public static let hasDropout = false
    public static let mixesRecordings = false
    /// The map's tIoU, and a channel more for tND.
    public static let qualityBranches = [QualityBranches.none, .tiou, .tiouTND]
    public static let givesPseudoLabels = true
    /// No score is too low, as published: on recordings unlike those that were learnt, the product of four probabilities is small everywhere.
    public static let usualDetection = DetectionSettings(preNMSThresh: 0, preNMSTopK: 10_000, minScore: 0)
    public static let hasLevels = true

    /// How a recording of any length becomes rows of a fixed number.
    public enum Grid: String, ConfigurationChoice, Sendable {
        /// The whole recording is resampled to `temporalScale` rows.
        case rescaled
        /// It is cut into windows of `temporalScale` rows.
        case windows
    }

    /// The order of the map's two channels.
    public enum Channels: String, ConfigurationChoice, Sendable {
        case regressionFirst = "regression_first"
        case classificationFirst = "classification_first"
    }

    /// The stretch of time that row t stands for where it is compared with a boundary.
    public enum BoundaryAnchor: String, ConfigurationChoice, Sendable {
        /// [t - 0.5, t + 0.5]: the published code's.
        case centered
        /// [t - 0.5, t + 1.5]: SSTAP's.
        case wide
        /// [t, t + 1]: OpenTAD's.
        case row

        var offsets: (low: Double, high: Double) {
            switch self {
            case .centered: (-0.5, 0.5)
            case .wide: (-0.5, 1.5)
            case .row: (0, 1)
            }
        }
    }

    /// The distribution of the first weights.
    public enum FirstWeights: String, ConfigurationChoice, Sendable {
        /// Uniform within 1 / sqrt(inputs of an output), biases too: PyTorch's default.
        case uniform
        /// Uniform within sqrt(6 / (inputs + outputs)), biases 0 (Glorot and Bengio 2010): OpenTAD's.
        case xavier
    }

    /// What a proposal's score is a product of.
    public enum Score: String, ConfigurationChoice, Sendable {
        /// Start, end, and both channels of the map.
        case boundaries
        /// Both channels of the map.
        case map
    }

    /// The row that says how likely a proposal [s, b) ends.
    public enum EndRow: String, ConfigurationChoice, Sendable {
        /// b, the row behind its last: the published code's.
        case exclusive
        /// b - 1, its last row: OpenTAD's.
        case inclusive
    }

    /// How overlapping proposals are suppressed.
    public enum ProposalSuppression: String, ConfigurationChoice, Sendable {
        /// Soft-NMS whose threshold grows with the proposal's length: the published code's.
        case adaptive
        /// As the section `test` says.
        case test
    }

    /// Where the classes of proposals come from.
    public enum VideoClassifier: String, ConfigurationChoice, Sendable {
        /// A classifier of recordings trained beside the detector, on the labelled recordings alone.
        case own
        /// The file `test.class_scores`.
        case file
        /// The classes annotated of each recording.
        case known
    }

    public var expectedDimension: Int?
    public var grid = Grid.rescaled
    /// T, rows that the network sees.
    public var temporalScale = 100
    /// Between windows.
    public var windowStride = 64
    public var layout = ProposalLayout.startEnd
    /// Rows of the longest proposal with `durationStart`; nil: `temporalScale`.
    public var maximumDuration: Int?
    public var samples = 32
    public var pointsPerSample = 3
    public var sampleMargin = 0.5
    public var baseDimension = 256
    public var proposalDimension = 256
    public var sampledDimension = 512
    public var mapDimension = 128
    public var groups = 4
    public var channels = Channels.regressionFirst
    public var firstWeights = FirstWeights.uniform

    public var boundaryAnchor = BoundaryAnchor.centered
    public var boundaryThreshold: Float = 0.5
    public var positiveThreshold: Float = 0.9
    public var highThreshold: Float = 0.7
    public var lowThreshold: Float = 0.3
    public var lowIncludesZero = false
    public var regressionWeight = 10.0

    public var score = Score.boundaries
    public var endRow = EndRow.exclusive
    public var proposesLastEnd = false
    public var filtersBoundaries = false
    public var suppression = ProposalSuppression.adaptive
    public var suppressionLow: Float = 0.5
    public var suppressionHigh: Float = 0.9
    public var suppressionAlpha: Float = 0.4
    public var suppressionRounds = 101
    public var videoClassifier = VideoClassifier.own
    public var videoClasses = 2

    /// Columns of the features and classes; 0 while no data are known.
    package var inputDimension = 0
    package var classes = 0
    package var options = DetectorOptions()

    /// Everything at its default.
    public init() {}

    public var usualRows: Int { temporalScale }
    public var classSource: ClassSource {
        switch videoClassifier {
        case .own: .own
        case .file: .file
        case .known: .known
        }
    }
    public var sizeKeys: [String] { ["model.base_dim", "model.proposal_dim", "model.sampled_dim", "model.map_dim", "model.samples"] }

    /// The proposals.
    package var map: ProposalMap {
        ProposalMap(layout, scale: temporalScale, durations: layout == .startEnd ? temporalScale : maximumDuration ?? temporalScale)
    }
    package var windows: SlidingWindows { SlidingWindows(rows: temporalScale, stride: windowStride) }
    /// Channels of the map's output.
    package var regressionChannel: Int { channels == .regressionFirst ? 0 : 1 }

    /// A BMN of these settings.
    public func make(inputDimension: Int, classes: Int, options: DetectorOptions) -> any Detector {
        var settings = self
        (settings.inputDimension, settings.classes, settings.options) = (inputDimension, classes, options)
        return BMN(settings)
    }
}

extension ProposalLayout: ConfigurationChoice {}
