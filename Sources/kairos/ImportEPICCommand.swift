import ArgumentParser
import CommandSupport
import Diagnostics
import Foundation
import TemporalAnnotations

extension EPICAnnotations.Task: ExpressibleByArgument {}

struct ImportEPICCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "epic",
        abstract: "Make annotations in ActivityNet's form from the CSV files of EPIC-KITCHENS-100.",
        discussion: """
            Example:
              kairos import epic --train EPIC_100_train.csv --validation EPIC_100_validation.csv --video-info EPIC_100_video_info.csv \
                --task verb --output epic_verb.json
              kairos import features --annotations epic_verb.json --features slowfast --output epic_verb.h5 --feature-stride 16 --window 32

            A class is the number of a verb or a noun, or both ("3,12"). The subsets are "training" and "validation".
            """)

    @Option(help: "EPIC_100_train.csv; becomes the subset 'training'.")
    var train: String?
    @Option(help: "EPIC_100_validation.csv; becomes the subset 'validation'.")
    var validation: String?
    @Option(help: "EPIC_100_video_info.csv: durations and frames per second. Without it a video ends with its last action.")
    var videoInfo: String?
    @Option(help: "verb, noun or action: what the classes are.")
    var task: EPICAnnotations.Task
    @Option(help: "The annotations to write.")
    var output: String
    @OptionGroup var report: OutputOptions

    struct Summary: Encodable {
        var videos: Int
        var instances: Int
        var classes: Int
        var path: String
    }

    func run() throws {
        try requireOneRank("import epic")
        guard train != nil || validation != nil else {
            throw Failure.wrongUsage("neither --train nor --validation was given", advice: "give one of the published CSV files, or both")
        }
        try requireWritablePlace(of: output, apartFrom: [train, validation, videoInfo])
        let subsets = try [("training" as Subset, train), ("validation", validation)].compactMap { name, path in
            try path.map { (name, try EPICAnnotations(readingCSV: $0)) }
        }
        let set = try EPICAnnotations.annotationSet(
            subsets, task: task, videos: try videoInfo.map { try EPICAnnotations.videoInfo(readingCSV: $0) } ?? [:])
        try set.write(to: output)
        let instances = set.videos.reduce(0) { $0 + $1.instances.count }
        try report.report(
            Summary(videos: set.videos.count, instances: instances, classes: set.classes.count, path: output),
            text: "\(output): \(instances) actions of \(set.classes.count) classes in \(set.videos.count) videos")
    }
}
