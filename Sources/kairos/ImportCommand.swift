import ArgumentParser
import Collectives
import CommandSupport
import Diagnostics
import FeatureStore
import Foundation
import TemporalAnnotations

extension FeatureStorage: ExpressibleByArgument {}
extension SBHARRecordings.Channels: ExpressibleByArgument {}

struct ImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Import recordings, extracted features or weights.",
        subcommands: [ImportSBHARCommand.self, ImportFeaturesCommand.self, ImportEPICCommand.self, ImportWeightsCommand.self])
}

struct ImportSBHARCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sbhar",
        abstract: "Make a feature store from the raw recordings of the UCI HAPT data set.",
        discussion: """
            Example:
              kairos import sbhar --source "HAPT Data Set" --output sbhar.h5 --annotations-output sbhar.json

            A row is one window of 50 samples (1 s), every 25 samples, flattened sample by sample. Users in Test/subject_id_test.txt form the
            subset "Test", the others "Validation". Under mpirun all ranks write together.

            Only the six postural transitions, with all other activities as background:
              kairos import sbhar --source "HAPT Data Set" --output transitions.h5 \
                --classes STAND_TO_SIT,SIT_TO_STAND,SIT_TO_LIE,LIE_TO_SIT,STAND_TO_LIE,LIE_TO_STAND
            """)

    @Option(help: "The unpacked 'HAPT Data Set': the folder with RawData, Test and activity_labels.txt.")
    var source: String
    @Option(help: "The feature store to write.")
    var output: String
    @Option(help: "acceleration (150 values per row) or all (with the gyroscope, 300).")
    var channels: SBHARRecordings.Channels = .acceleration
    @Option(help: "Cut recordings into clips of this many seconds.")
    var clipSeconds: Double?
    @OptionGroup var selection: ClassOptions
    @Option(help: "float32 or float16.")
    var storage: FeatureStorage = .float32
    @Option(help: "Also write the annotations, as ActivityNet JSON for 'kairos evaluate'.")
    var annotationsOutput: String?
    @OptionGroup var report: OutputOptions

    func run() throws {
        try withRanks { world in
            let (recordings, background) = try world.throwTogether {
                RunWindow.readingInput.pass()
                try requireWritablePlace(of: output)
                let recordings = try SBHARRecordings(folder: source, channels: channels, clipSeconds: clipSeconds)
                return (recordings, try selection.select(in: recordings))
            }
            try StoreOutput.write(
                recordings, to: output, storage: storage, annotationsOutput: annotationsOutput, version: "sbhar", background: background,
                output: report)
        }
    }
}
