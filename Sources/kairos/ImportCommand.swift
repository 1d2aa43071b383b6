import ArgumentParser
import Collectives
import Diagnostics
import FeatureStore
import Foundation
import TemporalAnnotations

extension FeatureStorage: ExpressibleByArgument {}
extension SBHARRecordings.Channels: ExpressibleByArgument {}

struct ImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Bring recordings, extracted features or weights into kairos.",
        subcommands: [ImportSBHARCommand.self, ImportFeaturesCommand.self, ImportWeightsCommand.self])
}

struct ImportSBHARCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sbhar",
        abstract: "Make a feature store from the raw recordings of the UCI HAPT data set.",
        discussion: """
            Example:
              kairos import sbhar --source "HAPT Data Set" --output sbhar.h5 --annotations-output sbhar.json

            A row is one window of 50 samples (1 s), every 25 samples, flattened sample by sample. Users named in Test/subject_id_test.txt make the
            subset "Test", the others "Validation". Under mpirun all ranks write together.
            """)

    @Option(help: "The unpacked 'HAPT Data Set': the folder that holds RawData, Test and activity_labels.txt.")
    var source: String
    @Option(help: "The feature store to write.")
    var output: String
    @Option(help: "acceleration (150 values per row) or all (with the gyroscope, 300).")
    var channels: SBHARRecordings.Channels = .acceleration
    @Option(help: "Cut recordings into clips of this many seconds.")
    var clipSeconds: Double?
    @Option(help: "float32 or float16.")
    var storage: FeatureStorage = .float32
    @Option(help: "Also write the annotations, as ActivityNet JSON for 'kairos evaluate'.")
    var annotationsOutput: String?
    @OptionGroup var report: OutputOptions

    func run() throws {
        try withRanks { world in
            let recordings = try world.throwTogether {
                try requireWritablePlace(of: output)
                return try SBHARRecordings(folder: source, channels: channels, clipSeconds: clipSeconds)
            }
            try StoreOutput.write(
                recordings, to: output, storage: storage, annotationsOutput: annotationsOutput, version: "sbhar", output: report)
        }
    }
}

struct ImportFeaturesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "features",
        abstract: "Make a feature store from a folder of .npy files and annotations in ActivityNet's form.",
        discussion: """
            Example:
              kairos import features --annotations thumos14.json --features i3d_features --output thumos14.h5 --feature-stride 4 --window 16

            Each file VIDEO.npy holds float16, float32 or float64 of shape [rows, dimension]; VIDEO.npz (--file-suffix .npz) one such array. The
            number of rows is checked against the video's duration, fps, stride and window. Under mpirun all ranks write together.
            """)

    @Option(help: "Annotations in ActivityNet's JSON form.")
    var annotations: String
    @Option(help: "The folder with one .npy file per video.")
    var features: String
    @Option(help: "The feature store to write.")
    var output: String
    @Option(help: "Frames between feature rows.")
    var featureStride: Double = 4
    @Option(help: "Frames seen by one feature row.")
    var window: Double = 16
    @Option(help: "Frames per second of all videos, in place of the annotations' own.")
    var fps: Double?
    @Option(help: "float32 or float16.")
    var storage: FeatureStorage = .float32
    @Option(help: "What stands before the video's name in the files' names, such as v_.")
    var filePrefix = ""
    @Option(help: "What stands after the video's name in the files' names.")
    var fileSuffix = ".npy"
    @Option(help: "Bring every video to this number of rows by linear interpolation, as is usual for ActivityNet.")
    var rescale: Int?
    @Flag(help: "Leave videos without features out instead of refusing.")
    var allowMissing = false
    @Flag(help: "Cut actions to their video, and leave those out that lie outside it, instead of refusing.")
    var cutSegments = false
    @Option(help: "A video whose annotated duration is wrong: take it from its features. May be given several times.")
    var durationFromFeatures: [String] = []
    @Option(help: "Also write the imported videos' annotations, as ActivityNet JSON for 'kairos evaluate'.")
    var annotationsOutput: String?
    @OptionGroup var report: OutputOptions

    func run() throws {
        try withRanks { world in
            let (source, version) = try world.throwTogether {
                try requireWritablePlace(of: output, apartFrom: [annotations])
                let set = try AnnotationSet(readingJSON: annotations, segments: .asWritten)
                var options = NumpyFeatures.Options()
                options.stride = featureStride
                options.window = window
                options.fps = fps
                options.rescaledRows = rescale
                options.allowMissing = allowMissing
                options.cutSegments = cutSegments
                options.durationFromFeatures = Set(durationFromFeatures.map { VideoID($0) })
                options.filePrefix = filePrefix
                options.fileSuffix = fileSuffix
                return (try NumpyFeatures(folder: features, annotations: set, options: options, annotationsPath: annotations), set.version)
            }
            StoreOutput.warn(source.notes)
            try StoreOutput.write(
                source, to: output, storage: storage, annotationsOutput: annotationsOutput, version: version, inputs: [annotations],
                missing: source.missing, output: report)
        }
    }
}
