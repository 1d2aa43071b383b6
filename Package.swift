// swift-tools-version: 6.1
import PackageDescription

// The floors of the house, lowest first; every target imports only targets above it in this file. docs/architecture.md says why.

/// Arithmetic on bare pointers whose shapes the callers have checked. Debug builds, which the sanitizers run, keep every check.
let uncheckedArithmetic: [SwiftSetting] = [.unsafeFlags(["-Ounchecked"], .when(configuration: .release))]

let argumentParser = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")

let package = Package(
    name: "kairos",
    products: [.executable(name: "kairos", targets: ["kairos"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.0.0"),
    ],
    targets: [
        // Floor 0
        .systemLibrary(name: "COpenMPI", pkgConfig: "ompi-c", providers: [.apt(["libopenmpi-dev", "openmpi-bin"])]),
        .systemLibrary(name: "CHDF5", pkgConfig: "hdf5-openmpi", providers: [.apt(["libhdf5-openmpi-dev"])]),
        .systemLibrary(name: "COpenBLAS", pkgConfig: "openblas", providers: [.apt(["libopenblas-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
        // oneDNN 2.6 of Debian has no pkg-config file.
        .systemLibrary(name: "COneDNN", providers: [.apt(["libdnnl-dev"])]),
        .systemLibrary(name: "CProcessor"),
        .target(name: "CSignals"),
        .target(name: "Diagnostics", dependencies: ["CProcessor", "CSignals"]),
        .target(name: "Digests", dependencies: ["COpenSSL"]),
        .target(name: "RandomStreams"),
        .target(name: "TemporalAnnotations", dependencies: ["Diagnostics", "Digests"]),
        // Floor 1
        .target(name: "Kernels", dependencies: ["COneDNN", "COpenBLAS", "CProcessor", "Diagnostics"], swiftSettings: uncheckedArithmetic),
        .target(name: "Collectives", dependencies: ["COpenMPI", "Diagnostics"]),
        .target(name: "Configuration", dependencies: ["Diagnostics", yams]),
        // Floor 2
        .target(name: "Autograd", dependencies: ["Diagnostics", "Kernels"]),
        .target(name: "HDF5", dependencies: ["CHDF5", "COpenMPI", "Diagnostics", "Digests"]),
        .target(
            name: "FeatureStore", dependencies: ["CZlib", "Collectives", "Diagnostics", "HDF5", "RandomStreams", "TemporalAnnotations"]),
        .target(name: "PostProcessing", dependencies: ["Kernels", "TemporalAnnotations"]),
        .target(name: "DetectionMetrics", dependencies: ["Diagnostics", "TemporalAnnotations"]),
        .target(name: "RunRecords", dependencies: ["DetectionMetrics", "Diagnostics", "HDF5", "TemporalAnnotations"]),
        // Floor 3
        .target(name: "DetectionAnalysis", dependencies: ["DetectionMetrics", "TemporalAnnotations"]),
        .target(name: "NeuralNetworks", dependencies: ["Autograd", "Diagnostics", "Kernels", "RandomStreams", "TemporalAnnotations"]),
        // Floor 4
        .target(name: "DataParallel", dependencies: ["Autograd", "Collectives", "Diagnostics", "Kernels", "NeuralNetworks"]),
        .target(
            name: "Detectors",
            dependencies: [
                "Autograd", "Configuration", "Kernels", "NeuralNetworks", "PostProcessing", "RandomStreams", "TemporalAnnotations",
            ]),
        .target(
            name: "PyramidDetectors",
            dependencies: [
                "Autograd", "Configuration", "Detectors", "Kernels", "NeuralNetworks", "TemporalAnnotations",
            ]),
        .target(
            name: "ProposalDetectors",
            dependencies: [
                "Autograd", "Configuration", "Detectors", "Kernels", "NeuralNetworks", "PostProcessing", "RandomStreams", "TemporalAnnotations",
            ]),
        .target(
            name: "GraphDetectors",
            dependencies: [
                "Autograd", "Configuration", "Detectors", "Diagnostics", "Kernels", "NeuralNetworks", "RandomStreams", "TemporalAnnotations",
            ]),
        // Floor 5
        .target(
            name: "Checkpoints",
            dependencies: [
                "Autograd", "Detectors", "Diagnostics", "Digests", "FeatureStore", "HDF5", "NeuralNetworks", "RunRecords", "TemporalAnnotations",
            ]),
        .target(
            name: "Sampling",
            dependencies: ["Autograd", "DataParallel", "Detectors", "Diagnostics", "FeatureStore", "HDF5", "RandomStreams", "TemporalAnnotations"]),
        .target(
            name: "TrainingMethods",
            dependencies: [
                "Autograd", "Checkpoints", "Collectives", "Configuration", "DataParallel", "Detectors", "Diagnostics", "Digests", "FeatureStore",
                "Kernels", "NeuralNetworks", "PostProcessing", "RandomStreams", "RunRecords", "Sampling",
            ]),
        .target(
            name: "TrainingReview",
            dependencies: ["Detectors", "Diagnostics", "FeatureStore", "NeuralNetworks", "Sampling", "TemporalAnnotations", "TrainingMethods"]),
        // Floor 6
        .target(
            name: "ActionDetection",
            dependencies: [
                "Autograd", "Checkpoints", "Collectives", "DataParallel", "Detectors", "Diagnostics", "FeatureStore", "Kernels", "NeuralNetworks",
                "PostProcessing", "RunRecords", "Sampling", "TemporalAnnotations", "TrainingMethods",
            ]),
        .target(
            name: "Training",
            dependencies: [
                "ActionDetection",
                "Autograd", "Checkpoints", "Collectives", "Configuration", "DataParallel", "DetectionMetrics", "Detectors", "Diagnostics",
                "FeatureStore", "Kernels", "NeuralNetworks", "PostProcessing", "RandomStreams", "RunRecords", "Sampling", "TemporalAnnotations",
                "TrainingMethods", "TrainingReview",
            ]),
        .target(
            name: "Ablation",
            dependencies: [
                "Configuration", "DataParallel", "DetectionMetrics", "Diagnostics", "RunRecords", "TrainingMethods",
            ]),
        .target(
            name: "PseudoLabels",
            dependencies: [
                "Collectives", "Detectors", "Diagnostics", "FeatureStore", "RunRecords", "TemporalAnnotations", "TrainingMethods", "TrainingReview",
            ]),
        .target(
            name: "ContrastivePretraining",
            dependencies: [
                "ActionDetection", "Autograd", "Collectives", "Configuration", "DataParallel", "Detectors", "Diagnostics", "Kernels",
                "NeuralNetworks", "RandomStreams", "Sampling", "TemporalAnnotations", "Training", "TrainingMethods",
            ]),
        // Floor 7
        .target(
            name: "AdaptivePseudoLabels",
            dependencies: [
                "ActionDetection", "Autograd", "Checkpoints", "Collectives", "Configuration", "ContrastivePretraining", "DataParallel",
                "DetectionMetrics", "Detectors", "Diagnostics", "FeatureStore", "Kernels", "NeuralNetworks", "PseudoLabels", "RandomStreams",
                "RunRecords", "Sampling", "TemporalAnnotations", "Training", "TrainingMethods", "TrainingReview",
            ]),
        .target(
            name: "WeakSupervision",
            dependencies: [
                "ActionDetection",
                "Autograd", "Checkpoints", "Configuration", "DataParallel", "Detectors", "Diagnostics", "FeatureStore", "Kernels", "NeuralNetworks",
                "PostProcessing", "PseudoLabels", "RandomStreams", "RunRecords", "Sampling", "TemporalAnnotations", "Training", "TrainingMethods",
                "TrainingReview",
            ]),
        .target(
            name: "Benchmarks",
            dependencies: [
                "Autograd", "Checkpoints", "Collectives", "ContrastivePretraining", "DataParallel", "Detectors", "Diagnostics", "FeatureStore",
                "HDF5",
                "Kernels", "NeuralNetworks", "RandomStreams", "Sampling", "TemporalAnnotations", "TrainingMethods",
            ]),
        .target(
            name: "Reports",
            dependencies: ["DetectionAnalysis", "DetectionMetrics", "Diagnostics", "Digests", "RunRecords", "TemporalAnnotations"]),
        .target(name: "ScalingPlans", dependencies: ["DataParallel", "Diagnostics", "Sampling", "TrainingMethods"]),
        .target(name: "TensorBoard", dependencies: ["DetectionMetrics", "Diagnostics", "RunRecords"]),
        .target(
            name: "ConfigurationProposals",
            dependencies: [
                "Collectives", "Configuration", "Detectors", "Diagnostics", "FeatureStore", "PostProcessing", "TemporalAnnotations", "Training",
                "TrainingMethods",
            ]),
        // Floor 8
        .target(
            name: "StandardRegistry",
            dependencies: [
                "AdaptivePseudoLabels", "GraphDetectors", "ProposalDetectors", "PyramidDetectors", "Training", "TrainingMethods", "WeakSupervision",
            ]),
        .target(name: "CommandSupport", dependencies: ["Collectives", "Diagnostics", "Training", argumentParser]),
        .target(
            name: "BenchmarkCommands",
            dependencies: [
                "ActionDetection", "AdaptivePseudoLabels", "Benchmarks", "Collectives", "CommandSupport", "ContrastivePretraining", "Detectors",
                "Diagnostics",
                "FeatureStore", "Kernels", "PostProcessing", "PseudoLabels", "RandomStreams", "RunRecords", "ScalingPlans", "StandardRegistry",
                "TemporalAnnotations",
                "Training",
                "TrainingMethods", argumentParser,
            ]),
        .executableTarget(
            name: "kairos",
            dependencies: [
                "Ablation", "ActionDetection", "AdaptivePseudoLabels", "BenchmarkCommands", "Benchmarks", "Checkpoints", "Collectives",
                "CommandSupport", "Configuration", "ConfigurationProposals", "ContrastivePretraining", "DetectionMetrics", "Diagnostics",
                "FeatureStore", "HDF5", "Kernels", "NeuralNetworks", "PostProcessing", "Reports", "RunRecords", "StandardRegistry",
                "TemporalAnnotations", "TensorBoard", "Training", "TrainingMethods", argumentParser,
            ]),

        .target(
            name: "TestSupport",
            dependencies: ["Autograd", "Detectors", "Diagnostics", "FeatureStore", "HDF5", "Kernels", "NeuralNetworks", "RandomStreams"],
            path: "Tests/TestSupport"),
        .testTarget(name: "DiagnosticsTests", dependencies: ["Diagnostics"]),
        .testTarget(name: "DigestsTests", dependencies: ["Digests"]),
        .testTarget(name: "RandomStreamsTests", dependencies: ["RandomStreams"]),
        .testTarget(name: "TemporalAnnotationsTests", dependencies: ["TemporalAnnotations", "TestSupport"]),
        .testTarget(name: "KernelsTests", dependencies: ["CSignals", "Diagnostics", "Kernels", "RandomStreams", "TestSupport"]),
        .testTarget(name: "ConfigurationTests", dependencies: ["Configuration", "Diagnostics"]),
        .testTarget(name: "CollectivesTests", dependencies: ["Collectives"]),
        .testTarget(name: "AutogradTests", dependencies: ["Autograd", "Diagnostics", "Kernels", "NeuralNetworks", "RandomStreams", "TestSupport"]),
        .testTarget(name: "HDF5Tests", dependencies: ["Diagnostics", "HDF5", "TestSupport"]),
        .testTarget(name: "FeatureStoreTests", dependencies: ["CZlib", "Digests", "FeatureStore", "HDF5", "RandomStreams", "TestSupport"]),
        .testTarget(name: "PostProcessingTests", dependencies: ["HDF5", "Kernels", "PostProcessing", "TestSupport"]),
        .testTarget(name: "DetectionMetricsTests", dependencies: ["DetectionMetrics", "TestSupport"]),
        .testTarget(name: "NeuralNetworksTests", dependencies: ["Kernels", "NeuralNetworks", "RandomStreams"]),
        .testTarget(name: "DataParallelTests", dependencies: ["DataParallel"]),
        .testTarget(name: "DetectorsTests", dependencies: ["Detectors", "HDF5", "Kernels", "PyramidDetectors", "RandomStreams", "TestSupport"]),
        .testTarget(
            name: "ProposalDetectorsTests",
            dependencies: [
                "Autograd", "Detectors", "HDF5", "Kernels", "NeuralNetworks", "PostProcessing", "ProposalDetectors", "RandomStreams",
                "TemporalAnnotations", "TestSupport",
            ]),
        .testTarget(
            name: "GraphDetectorsTests",
            dependencies: [
                "Autograd", "Detectors", "Diagnostics", "GraphDetectors", "HDF5", "Kernels", "NeuralNetworks", "RandomStreams", "TemporalAnnotations",
                "TestSupport",
            ]),
        .testTarget(
            name: "AdaptivePseudoLabelsTests",
            dependencies: [
                "AdaptivePseudoLabels", "Autograd", "Checkpoints", "Collectives", "ContrastivePretraining", "DataParallel", "Detectors",
                "FeatureStore", "HDF5", "Kernels", "NeuralNetworks", "PseudoLabels", "PyramidDetectors", "RandomStreams", "RunRecords", "Sampling",
                "StandardRegistry", "TemporalAnnotations", "TestSupport", "Training", "TrainingMethods", "TrainingReview",
            ]),
        .testTarget(
            name: "WeakSupervisionTests",
            dependencies: [
                "Autograd", "Checkpoints", "Detectors", "Diagnostics", "FeatureStore", "HDF5", "NeuralNetworks", "PostProcessing", "PyramidDetectors",
                "RandomStreams", "RunRecords", "Sampling", "StandardRegistry", "TemporalAnnotations", "TestSupport", "Training", "TrainingMethods",
                "WeakSupervision",
            ]),
        .testTarget(name: "RunRecordsTests", dependencies: ["DetectionMetrics", "Diagnostics", "RunRecords", "TemporalAnnotations"]),
        .testTarget(name: "ScalingPlansTests", dependencies: ["ScalingPlans", "TrainingMethods"]),
        .testTarget(name: "DetectionAnalysisTests", dependencies: ["DetectionAnalysis", "TemporalAnnotations"]),
        .testTarget(name: "ReportsTests", dependencies: ["DetectionMetrics", "Diagnostics", "Reports", "RunRecords", "TemporalAnnotations"]),
        .testTarget(name: "TensorBoardTests", dependencies: ["DetectionMetrics", "Diagnostics", "RunRecords", "TemporalAnnotations", "TensorBoard"]),
        .testTarget(
            name: "CheckpointsTests",
            dependencies: [
                "Checkpoints", "Diagnostics", "FeatureStore", "HDF5", "NeuralNetworks", "RandomStreams", "RunRecords", "TemporalAnnotations",
                "TestSupport",
            ]),
        .testTarget(
            name: "SamplingTests", dependencies: ["Autograd", "Detectors", "Diagnostics", "RandomStreams", "Sampling", "TemporalAnnotations"]),
        .testTarget(
            name: "AblationTests", dependencies: ["Ablation", "DetectionMetrics", "Diagnostics", "StandardRegistry", "TrainingMethods"]),
        .testTarget(
            name: "TrainingTests",
            dependencies: [
                "Ablation", "ActionDetection", "Checkpoints", "HDF5", "Kernels", "PyramidDetectors", "RunRecords", "Sampling", "StandardRegistry",
                "TestSupport", "Training", "TrainingMethods", "TrainingReview",
            ]),
        .testTarget(
            name: "ConfigurationProposalsTests",
            dependencies: ["ConfigurationProposals", "Diagnostics", "FeatureStore", "StandardRegistry", "TestSupport", "TrainingMethods"]),
        .testTarget(name: "PseudoLabelsTests", dependencies: ["Detectors", "PseudoLabels", "RunRecords", "TemporalAnnotations"]),
        .testTarget(
            name: "KairosCommandTests",
            dependencies: ["Diagnostics", "RandomStreams", "RunRecords", "TemporalAnnotations", "TestSupport"]),
        .testTarget(
            name: "ParallelTests",
            dependencies: [
                "AdaptivePseudoLabels", "Collectives", "ContrastivePretraining", "DataParallel", "Detectors", "FeatureStore", "NeuralNetworks",
                "PseudoLabels", "RandomStreams", "RunRecords", "Sampling", "StandardRegistry", "Training", "TrainingMethods",
            ]),
    ]
)

// Most tests take longer to optimise than to run; those of these targets compute much themselves.
let optimisedTests = ["AdaptivePseudoLabelsTests", "HDF5Tests", "KernelsTests", "ParallelTests", "TrainingTests"]
for target in package.targets where target.type == .test && !optimisedTests.contains(target.name) {
    target.swiftSettings = [.unsafeFlags(["-Onone"], .when(configuration: .release))]
}

// Fuzzers are part of the builds of launch/fuzz alone, which links them with a runtime of the compiler's.
if Context.environment["KAIROS_FUZZ"] != nil {
    package.targets.append(
        .target(
            name: "Fuzzing",
            dependencies: [
                "Ablation", "Checkpoints", "Collectives", "Diagnostics", "FeatureStore", "NeuralNetworks", "PseudoLabels", "RunRecords", "Sampling",
                "StandardRegistry", "TemporalAnnotations", "TestSupport", "TrainingMethods",
            ], path: "Tests/Fuzzing", exclude: ["Seeds"]))
}

// The documentation site is built by launch/docs alone, which makes the module of its articles and needs a plugin that other builds do not.
if Context.environment["KAIROS_DOCS"] != nil {
    package.dependencies.append(.package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.5.0"))
    package.targets.append(.target(name: "Kairos", path: ".build/documentation/Kairos"))
}
