import Diagnostics
import HDF5
import TemporalAnnotations

extension Checkpoint {
    /// What a checkpoint holds besides arrays.
    public struct Header: Equatable, Sendable {
        public var programVersion: String
        /// `ProgramVersion.buildDigest` of the program that wrote the file; empty when nobody recorded it.
        public var programDigest: String
        /// Steps done; the next step's recordings and random numbers follow from it and the seed.
        public var step: Int
        public var optimizerStep: Int
        public var seed: Int
        public var lossNormalizer: Double
        /// Running averages of the detector's other normalisers, by their names; most detectors have none.
        public var furtherNormalizers: [String: Double]
        /// Canonical YAML.
        public var configuration: String
        /// The configuration's digest.
        public var configurationDigest: String
        /// The feature store's digest; the classes in the order of the logits; columns of the features.
        public var storeDigest: String
        public var classes: [String]
        public var inputDimension: Int
        /// How the rows of the features stand in time; nil when nobody recorded it.
        public var featureRate: FeatureRate?
        /// JSON of the metrics known so far; empty when there are none.
        public var metrics: String
        /// `LabeledSubset.digest` of the recordings whose labels are used; empty when nobody recorded it.
        public var labeledDigest: String
        /// The library of the run's float32 matrix products, which decides bits; empty when nobody recorded it.
        public var gemm: String
        /// `MatrixMultiply.libraries` of the program that wrote the file; empty when nobody recorded it.
        public var libraries: String
        /// The method's own state.
        public var methodState: [String: [UInt8]]

        public init(
            programVersion: String, programDigest: String = "", step: Int, optimizerStep: Int, seed: Int, lossNormalizer: Double,
            furtherNormalizers: [String: Double] = [:], configuration: String, configurationDigest: String, storeDigest: String, classes: [String],
            inputDimension: Int,
            featureRate: FeatureRate? = nil, metrics: String = "", labeledDigest: String = "", gemm: String = "",
            libraries: String = "", methodState: [String: [UInt8]] = [:]
        ) {
            self.programVersion = programVersion
            self.programDigest = programDigest
            self.step = step
            self.optimizerStep = optimizerStep
            self.seed = seed
            self.lossNormalizer = lossNormalizer
            self.furtherNormalizers = furtherNormalizers
            self.configuration = configuration
            self.configurationDigest = configurationDigest
            self.storeDigest = storeDigest
            self.classes = classes
            self.inputDimension = inputDimension
            self.featureRate = featureRate
            self.metrics = metrics
            self.labeledDigest = labeledDigest
            self.gemm = gemm
            self.libraries = libraries
            self.methodState = methodState
        }
    }
}

extension Checkpoint.Header {
    /// All texts by the names of their datasets; those that files of earlier versions lack only where there is something to say.
    package var texts: [(String, String)] {
        [
            ("program_version", programVersion), ("configuration", configuration), ("configuration_digest", configurationDigest),
            ("store_digest", storeDigest), ("metrics", metrics),
        ] + optionalTexts.filter { !$0.1.isEmpty }
    }

    /// Those that files of earlier versions lack.
    private var optionalTexts: [(String, String)] {
        [
            ("labeled_digest", labeledDigest), ("gemm", gemm), ("libraries", libraries), ("program_digest", programDigest),
            ("feature_rate", featureRate?.json ?? ""),
        ]
    }

    /// - Throws: `Failure.badInput` for a text or a number that is missing or of another type.
    init(reading file: HDF5File) throws {
        func text(_ name: String) throws -> String { try file.readStrings(name).first ?? "" }
        func optionalText(_ name: String) throws -> String { file.exists(name) ? try text(name) : "" }
        var methodState: [String: [UInt8]] = [:]
        if file.exists("method_state") {
            for name in try file.children(of: "method_state") { methodState[name] = try file.readBytes("method_state/\(name)") }
        }
        var further: [String: Double] = [:]
        for name in file.exists("loss_normalizers") ? try file.readStrings("loss_normalizers") : [] {
            further[name] = try file.doubleAttribute(of: "", named: "loss_normalizer_\(name)")
        }
        self.init(
            programVersion: try text("program_version"), programDigest: try optionalText("program_digest"),
            step: try file.intAttribute(of: "", named: "step"),
            optimizerStep: try file.intAttribute(of: "", named: "optimizer_step"), seed: try file.intAttribute(of: "", named: "seed"),
            lossNormalizer: try file.doubleAttribute(of: "", named: "loss_normalizer"), furtherNormalizers: further,
            configuration: try text("configuration"),
            configurationDigest: try text("configuration_digest"), storeDigest: try text("store_digest"), classes: try file.readStrings("classes"),
            inputDimension: try file.intAttribute(of: "", named: "input_dimension"),
            featureRate: FeatureRate(json: try optionalText("feature_rate")), metrics: try text("metrics"),
            labeledDigest: try optionalText("labeled_digest"), gemm: try optionalText("gemm"), libraries: try optionalText("libraries"),
            methodState: methodState)
    }
}
