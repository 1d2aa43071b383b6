import Configuration
import Detectors
import Diagnostics

extension RunConfiguration {
    /// Where the classes of detections come from.
    public var classSource: ClassSource { test.classScores == nil ? model.classSource : .file }

    /// The detector that `model.name` says, with the settings of the sections `model`, `training` and `test`.
    ///
    /// - Parameters:
    ///   - inputDimension: columns of the features.
    ///   - classes: number of classes.
    ///   - classWeights: factors of the classes in the classification loss, one for each; nil: all 1.
    ///   - origin: what says both, for messages; nil: the store.
    /// - Throws: `Failure` (`.badInput`) when `model.input_dimension` or `training.head_empty_cls` do not fit them, and for files that the section
    ///   names.
    public func detector(inputDimension: Int, classes: Int, classWeights: [Float]? = nil, origin: ModelOrigin? = nil) throws -> any Detector {
        try check(inputDimension: inputDimension, classes: classes, origin ?? ModelOrigin(name: "the store", path: data.store))
        var options = detectorOptions
        options.classWeights = classWeights
        return try model.makeReading(inputDimension: inputDimension, classes: classes, options: options)
    }

    /// What says how many columns and classes a model has.
    public struct ModelOrigin: Sendable {
        /// "the checkpoint".
        public var name: String
        public var path: String

        public init(name: String, path: String) {
            self.name = name
            self.path = path
        }
    }

    private var detectorOptions: DetectorOptions {
        var result = DetectorOptions()
        result.dropout = Float(training.dropout)
        result.dropPath = Float(training.dropPath)
        result.centerSampleRadius = training.centerSample == .radius ? Float(training.centerSampleRadius) : nil
        result.labelSmoothing = Float(training.labelSmoothing)
        result.regressionWeight = Float(training.lossWeight)
        result.priorProbability = Float(training.classPriorProbability)
        result.emptyClasses = training.emptyClasses
        result.quality = method.quality
        result.detection = test.detection
        return result
    }

    private func check(inputDimension: Int, classes: Int, _ origin: ModelOrigin) throws {
        if let expected = model.expectedDimension, expected != inputDimension {
            throw Failure.badInput(
                "\(origin.name)'s features have \(inputDimension) columns, the configuration says \(expected)", at: .file(origin.path),
                .key("model.input_dimension"),
                advice: "use the store that the configuration was written for, or leave model.input_dimension out")
        }
        if let fault = model.columnFault(inputDimension) {
            throw Failure.badInput(
                "\(origin.name)'s features have \(inputDimension) columns, \(fault.what)", at: .file(origin.path), .key(fault.key),
                advice: fault.advice)
        }
        if training.rotationDegrees != nil, !inputDimension.isMultiple(of: 3) {
            throw Failure.badInput(
                "\(origin.name)'s features have \(inputDimension) columns, rotation turns vectors of three numbers", at: .file(origin.path),
                .key("training.rotation_degrees"), advice: "set the key to null where the features are not x, y, z, x, y, z, ...")
        }
        if let unknown = training.emptyClasses.first(where: { $0 >= classes }) {
            throw Failure.badInput(
                "class \(unknown) does not exist: \(origin.name) has \(classes) classes", at: .file(origin.path), .key("training.head_empty_cls"),
                advice: "give indices from 0 to \(classes - 1)")
        }
    }
}
