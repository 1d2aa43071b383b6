import ArgumentParser
import Checkpoints
import CommandSupport
import Diagnostics
import FeatureStore
import Foundation
import HDF5
import NeuralNetworks
import RunRecords

/// What a kind of file says of itself: an object for `--json` (with `kind` and `digest`) and a text for the user.
struct Inspection {
    var object: any Encodable
    var text: String
}

struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Say what a feature store, checkpoint, weight file or run's folder holds.",
        discussion: """
            Examples:
              kairos inspect sbhar.h5 --json
              kairos inspect sbhar.h5 --statistics
              kairos inspect runs/sbhar

            The digest is SHA-256 over names, shapes and values: files with equal digests hold the same, however they were written.
            """)

    @Argument(help: "The file, or a run's folder.")
    var file: String
    @Flag(help: "Compute the digest of a feature store from all of its values and compare it with the recorded one.")
    var verify = false
    @Flag(help: "Also print a feature store's lengths, overlaps, background and classes, for all recordings and for each subset.")
    var statistics = false
    @OptionGroup var output: OutputOptions

    func run() throws {
        try requireOneRank("inspect")
        let inspection = try inspect()
        try output.report(inspection.object, text: inspection.text)
    }

    /// - Throws: `Failure.wrongUsage` when `--statistics` asks for the lengths of what is no store.
    private func requireStore(_ kind: String) throws {
        guard statistics else { return }
        throw Failure.wrongUsage("--statistics is for feature stores, this is a \(kind)", at: .file(file), advice: "leave --statistics out")
    }

    /// Chooses by the file's name or, for HDF5 files, by the root attribute `format`; a folder with a configuration is a run's.
    private func inspect() throws -> Inspection {
        if FileManager.default.fileExists(atPath: RunFolder(file).configuration) {
            try requireStore("run's folder")
            let summary = try RunSummary(RunFolder(file))
            return Inspection(object: summary, text: summary.text)
        }
        if file.hasSuffix(".safetensors") {
            try requireStore("weight file")
            let summary = try WeightFileSummary(try SafetensorsFile(path: file), path: file)
            return Inspection(object: summary, text: summary.text)
        }
        let hdf5 = try HDF5File.open(file)
        let format = hdf5.hasAttribute(of: "", named: "format") ? try hdf5.stringAttribute(of: "", named: "format") : nil
        hdf5.close()
        switch format {
        case "kairos feature store": return try inspectStore()
        case Checkpoint.format?:
            try requireStore("checkpoint")
            let summary = CheckpointSummary(try Checkpoint(path: file))
            return Inspection(object: summary, text: summary.text)
        case let format?:
            throw Failure.badInput("the file's format '\(format)' is unknown", at: .file(file), advice: "give a file that kairos has written")
        case nil:
            throw Failure.badInput("the HDF5 file has no attribute 'format'", at: .file(file), advice: "give a file that kairos has written")
        }
    }

    private func inspectStore() throws -> Inspection {
        let store = try FeatureStore(path: file)
        if verify { try store.verify() }
        var summary = StoreSummary(store)
        if statistics { summary.statistics = store.statistics }
        return Inspection(object: summary, text: summary.text)
    }
}
