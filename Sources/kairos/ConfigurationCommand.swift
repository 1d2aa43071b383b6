import ArgumentParser
import CommandSupport
import Configuration
import Diagnostics
import Foundation
import StandardRegistry
import TrainingMethods

struct ConfigurationCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "configuration",
        abstract: "Print every key of a configuration with its default and meaning, as a YAML file to start from.",
        discussion: """
            Example:
              kairos configuration --detector tridet --method apl > my.yaml

            The file is a valid configuration once data.store and the length of the training are set.
            --markdown prints the tables of docs/configuration.md.
            """)

    @Option(help: "The keys of this detector. (default: the first of model.name's)")
    var detector: String?
    @Option(help: "The sections of this method; those of other methods are left out. (default: all sections)")
    var method: String?
    @Flag(help: "Print the tables of docs/configuration.md instead: all detectors, all methods.")
    var markdown = false
    @Option(help: ArgumentHelp("Rewrite the tables of this document, between its markers.", valueName: "file"))
    var renew: String?
    @OptionGroup var output: OutputOptions

    /// A key in `--json`.
    private struct Key: Encodable {
        var description: KeyDescription
        var detector: String?

        enum CodingKeys: String, CodingKey { case key, type, `default`, values, choices, unit, meaning, detector }

        func encode(to encoder: any Encoder) throws {
            var object = encoder.container(keyedBy: CodingKeys.self)
            try object.encode(description.key, forKey: .key)
            try object.encode(description.type, forKey: .type)
            try object.encode(ConfigurationNode.Content(flow: description.defaultValue), forKey: .default)
            try object.encode(description.values, forKey: .values)
            try object.encodeIfPresent(description.choices, forKey: .choices)
            try object.encode(description.unit, forKey: .unit)
            try object.encode(description.meaning, forKey: .meaning)
            try object.encodeIfPresent(detector, forKey: .detector)
        }
    }

    func run() throws {
        try requireOneRank("configuration")
        let registry = Registry.standard, reference = ConfigurationReference(registry)
        guard !markdown && renew == nil || detector == nil && method == nil && !output.json && !(markdown && renew != nil) else {
            throw Failure.wrongUsage(
                "--markdown and --renew stand for all detectors and methods", at: .key("--markdown"),
                advice: "leave out --detector, --method and --json, and one of the two")
        }
        if let renew {
            let missing = Failure.badInput("the document cannot be read", at: .file(renew), advice: "check the path")
            let text = try ConfigurationNode.text(of: renew, missing: missing)
            return try replaceFile(at: renew, with: Data(try reference.renewed(text, file: renew).utf8))
        }
        if markdown { return try StandardOutput.write(String(reference.markdown.dropLast())) }
        var run = RunConfiguration()
        if let detector { run.model = try ConfigureCommand.chosen(detector, "--detector", registry.detectors.map { ($0.name, $0) }).init() }
        if let method { run.methodName = try ConfigureCommand.chosen(method, "--method", registry.methods.map { ($0.name, $0) }).name }
        let keys = reference.tables.filter { (detector ?? $0.detector) == $0.detector || $0.detector == nil }
            .filter { (method ?? $0.method) == $0.method || $0.method == nil }
        try output.report(
            ["keys": keys.flatMap { table in table.keys.map { Key(description: $0, detector: table.detector) } }],
            text: String(run.commentedYAML(allMethods: method == nil).dropLast()))
    }
}
