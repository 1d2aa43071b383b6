import ArgumentParser
import Collectives
import CommandSupport
import Diagnostics
import FeatureStore
import Foundation
import TemporalAnnotations

struct SynthesizeCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "synthesize",
        abstract: "Make a feature store of seeded random features that a detector can learn from.",
        discussion: """
            Examples:
              kairos synthesize --output small.h5 --videos 60 --classes 5 --dimension 64 --seed 1 --annotations-output small.json
              kairos synthesize --output thumos14.h5 --annotations thumos14.json --dimension 2048 --storage float16

            With annotations the videos have their true lengths and actions; without, random ones (two thirds "Validation", one third "Test").
            The same options give the same digest, whatever the number of ranks. Under mpirun all ranks write together.
            """)

    @Option(help: "The feature store to write.")
    var output: String
    @Option(help: "Annotations in ActivityNet's JSON form whose videos are to be made.")
    var annotations: String?
    @Option(help: "Number of videos (without --annotations; default 60).")
    var videos: Int?
    @Option(
        help: ArgumentHelp(
            "Number of classes (without --annotations; default 5). With --annotations: the classes whose actions are kept, all other actions become "
                + "background; they are numbered in this order. \(NameList.help)", valueName: "number or A,B"))
    var classes: [String] = []
    @Option(help: "Values per row (default 64, with --annotations 2048).")
    var dimension: Int?
    @Option(help: "Seed of the random numbers.")
    var seed: UInt64 = 0
    @Option(help: "Frames between feature rows (default 15, with --annotations 4).")
    var featureStride: Double?
    @Option(help: "Frames seen by one feature row (default 30, with --annotations 16).")
    var window: Double?
    @Option(help: "Frames per second of videos whose annotations lack it.")
    var fps: Double = 30
    @Option(help: "float32 or float16 (default float32, with --annotations float16: half the disk).")
    var storage: FeatureStorage?
    @Option(help: "Also write the annotations, as ActivityNet JSON for 'kairos evaluate'.")
    var annotationsOutput: String?
    @OptionGroup var report: OutputOptions

    func run() throws {
        try withRanks { world in
            let (source, version, background) = try world.throwTogether {
                RunWindow.readingInput.pass()
                try requireWritablePlace(of: output, apartFrom: [annotations])
                let (set, background) = try annotationSet()
                StoreOutput.warn(set.notes)
                let isReal = annotations != nil
                let source = try SyntheticFeatures(
                    annotations: set, dimension: dimension ?? (isReal ? 2048 : 64), stride: featureStride ?? (isReal ? 4 : 15),
                    window: window ?? (isReal ? 16 : 30), fps: fps, seed: seed)
                return (source, set.version, background)
            }
            try StoreOutput.write(
                source, to: output, storage: storage ?? (annotations == nil ? .float32 : .float16), annotationsOutput: annotationsOutput,
                version: version, inputs: [annotations], background: background, output: report)
        }
    }

    private func annotationSet() throws -> (AnnotationSet, ClassOptions.Background?) {
        guard let annotations else {
            return (try SyntheticFeatures.annotations(videos: videos ?? 60, classes: try classCount(), fps: fps, seed: seed), nil)
        }
        func both(_ name: String) -> Failure {
            .wrongUsage("\(name) and --annotations were both given", advice: "leave one of them out: the annotations name videos and classes")
        }
        if videos != nil { throw both("--videos") }
        var set: AnnotationSet? = try AnnotationSet(readingJSON: annotations, segments: .lenient)
        // A number that names no class is a number of classes.
        if classes.count == 1, Int(classes[0]) != nil, set?.classes.index(of: classes[0]) == nil { throw both("--classes") }
        var options = ClassOptions()
        options.classes = classes
        let background = try options.select(in: &set)
        return (set ?? AnnotationSet(version: "", classes: ClassMap(names: []), videos: []), background)
    }

    private func classCount() throws -> Int {
        guard !classes.isEmpty else { return 5 }
        guard classes.count == 1, let count = Int(classes[0]) else {
            throw Failure.wrongUsage(
                "--classes names '\(classes.joined(separator: ","))' without --annotations", advice: "give a number of classes, or --annotations")
        }
        return count
    }
}
