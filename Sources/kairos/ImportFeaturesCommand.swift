import ArgumentParser
import Collectives
import CommandSupport
import Diagnostics
import FeatureStore
import Foundation
import TemporalAnnotations

struct ImportFeaturesCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "features",
        abstract: "Make a feature store from folders of .npy or .npz files, with annotations in ActivityNet's form or without.",
        discussion: """
            Examples:
              kairos import features --annotations thumos14.json --features i3d_features --output thumos14.h5 --feature-stride 4 --window 16
              kairos import features --annotations anet.json --features rgb,flow --output anet.h5 --rows-span-video
              kairos import features --features new_videos --fps 30 --output new.h5 --feature-stride 4 --window 16

            Each file VIDEO.npy holds floats or integers of shape [rows, dimension]; VIDEO.npz (--file-suffix .npz) one such array, or
            several (--array NAME). The columns of several folders are joined. The number of rows is checked against the video's duration, fps,
            stride and window. Without --annotations every file is a video to detect actions in. Under mpirun all ranks write together.
            """)

    @Option(help: "Annotations in ActivityNet's JSON form. Without them every file is a video without actions, and --fps is needed.")
    var annotations: String?
    @Option(
        help: ArgumentHelp(
            "The folder with one file per video. Several folders (A,B or the option repeated): their columns are joined in this order.",
            valueName: "folder"))
    var features: [String]
    @Option(help: "The feature store to write.")
    var output: String
    @Option(help: "Frames between feature rows (default 4).")
    var featureStride: Double?
    @Option(help: "Frames seen by one feature row (default 16).")
    var window: Double?
    @Flag(help: "The rows of every video span it from beginning to end, whatever its length, as in features rescaled to 100 rows.")
    var rowsSpanVideo = false
    @Option(help: "Frames per second of all videos, in place of the annotations' own.")
    var fps: Double?
    @Option(help: "float32 or float16.")
    var storage: FeatureStorage = .float32
    @Option(help: "Prefix of the file names before the video's name, such as v_. Repeated: one for each folder.")
    var filePrefix: [String] = []
    @Option(help: "Suffix of the file names after the video's name (default .npy). Repeated: one for each folder.")
    var fileSuffix: [String] = []
    @Option(help: "The array to read, for .npz files with several. Several arrays (A,B or the option repeated): one for each folder, or joined.")
    var array: [String] = []
    @Option(help: "Resample every video to this number of rows by linear interpolation, as is usual for ActivityNet.")
    var rescale: Int?
    @Option(help: "Cut videos into clips of this many seconds, each with the parts of the actions inside it.")
    var clipSeconds: Double?
    @Flag(help: "Leave videos without features out instead of refusing.")
    var allowMissing = false
    @Flag(
        help: """
            Cut actions to their video, and leave those out that lie outside it, instead of refusing; refused when more than a tenth of all, or a whole \
            class, would be lost.
            """)
    var cutSegments = false
    @Option(
        help: ArgumentHelp("Videos whose annotated duration is wrong: take it from their features. \(NameList.help)", valueName: "A,B"))
    var durationFromFeatures: [String] = []
    @OptionGroup var selection: ClassOptions
    @Option(help: "The subset of videos without annotations (default \(NumpyFeatures.unlabeledSubset)).")
    var subsetName: String?
    @Option(help: "Also write the imported videos' annotations, as ActivityNet JSON for 'kairos evaluate'.")
    var annotationsOutput: String?
    @OptionGroup var report: OutputOptions

    func run() throws {
        try withRanks { world in
            let (source, version, background) = try world.throwTogether {
                RunWindow.readingInput.pass()
                try requireWritablePlace(of: output, apartFrom: [annotations])
                try checkOptions()
                var set = try annotations.map { try AnnotationSet(readingJSON: $0, segments: .asWritten) }
                StoreOutput.warn(set?.notes ?? [])
                let background = try selection.select(in: &set)
                let source = try NumpyFeatures(
                    folders: try folders(), annotations: set, options: try options(videos: Set((set?.videos ?? []).map(\.id))),
                    annotationsPath: annotations)
                return (source, set?.version ?? "", background)
            }
            StoreOutput.warn(source.notes)
            func write(_ videos: some FeatureSource) throws {
                try StoreOutput.write(
                    videos, to: output, storage: storage, annotationsOutput: annotationsOutput, version: version, inputs: [annotations],
                    missing: source.missing, parts: source.partDimensions, background: background, output: report)
            }
            guard let clipSeconds else { return try write(source) }
            try write(try world.throwTogether { try ClippedFeatures(source, seconds: clipSeconds) })
        }
    }

    private func checkOptions() throws {
        if rowsSpanVideo, featureStride != nil || window != nil {
            throw Failure.wrongUsage(
                "--rows-span-video and \(featureStride != nil ? "--feature-stride" : "--window") were both given",
                advice: "leave --feature-stride and --window out: they follow from the video's length and its rows")
        }
        if let subsetName, annotations != nil || subsetName.isEmpty {
            throw Failure.wrongUsage(
                subsetName.isEmpty ? "--subset-name is empty" : "--subset-name and --annotations were both given",
                advice: subsetName.isEmpty ? "give a name" : "leave one of them out: the annotations name the subsets")
        }
        if annotations == nil, !selection.classes.isEmpty {
            throw Failure.wrongUsage("--classes was given without --annotations", advice: "leave it out: videos without annotations have no actions")
        }
    }

    private func folders() throws -> [String] {
        try NameList.names(features, option: "--features") { FileManager.default.fileExists(atPath: $0) }
    }

    private func options(videos: Set<VideoID>) throws -> NumpyFeatures.Options {
        var options = NumpyFeatures.Options()
        options.stride = featureStride ?? options.stride
        options.window = window ?? options.window
        options.fps = fps
        options.rowsSpanVideo = rowsSpanVideo
        options.rescaledRows = rescale
        options.allowMissing = allowMissing
        options.cutSegments = cutSegments
        options.durationFromFeatures = Set(
            try NameList.names(durationFromFeatures, option: "--duration-from-features") { videos.contains(VideoID($0)) }.map { VideoID($0) })
        if !filePrefix.isEmpty { options.filePrefixes = filePrefix }
        if !fileSuffix.isEmpty { options.fileSuffixes = fileSuffix }
        options.arrays = try NameList.names(array, option: "--array")
        options.subset = subsetName.map { Subset(rawValue: $0) } ?? options.subset
        return options
    }
}
