import ArgumentParser
import Collectives
import CommandSupport
import Configuration
import ConfigurationProposals
import Diagnostics
import FeatureStore
import Foundation
import StandardRegistry
import Training
import TrainingMethods

struct ConfigureCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "configure",
        abstract: "Propose a configuration for a feature store, with the reason beside each value.",
        discussion: """
            Examples:
              kairos configure emg.h5 --output emg.yaml --try
              kairos configure emg.h5 --detector tridet --method apl --labeled-fraction 0.1 --ranks 4 --output emg_apl.yaml
              kairos configure emg.h5 --detector pgcn --set 'model.proposals=[emg-proposals.json]' --output emg_pgcn.yaml

            Looks at the lengths of recordings and actions, overlaps, classes, the width of rows and the memory of this machine, and writes a
            configuration that 'kairos train' takes as it is. Without --output it is printed.

            --try trains some steps with ascending learning rates and proposes the rate from the losses. The same store and options give the same rate.
            """)

    @Argument(help: "The feature store.")
    var store: String
    @Option(help: "The detector to train. (default: the first of model.name's)")
    var detector: String?
    @Option(help: "The method to train with. (default: the first of method.name's)")
    var method: String?
    @Option(help: "The configuration to write. (default: it is printed)")
    var output: String?
    @Option(help: "Ranks that the run is for; all of them on this machine. (default: 2, with a single recording 1)")
    var ranks: Int?
    @Option(help: "The subset to learn from. (default: chosen by names and numbers of recordings)")
    var trainingSubset: String?
    @Option(help: "The subset to evaluate on. (default: as above)")
    var evaluationSubset: String?
    @Option(help: "Part of the training recordings whose labels are used.")
    var labeledFraction: Double?
    @Flag(name: .customLong("try"), help: "Find the learning rate by a range test.")
    var tryRates = false
    @Option(help: "Steps of the range test, from 20 to 10000.")
    var trySteps = 200
    @Option(
        name: .customLong("set"), parsing: .singleValue,
        help: ArgumentHelp("Set a key of the proposed configuration; the other values stay as proposed.", valueName: "key.path=value"))
    var set: [String] = []
    @OptionGroup var report: OutputOptions

    /// The rates of the range test.
    private static let rates = 1e-5...1e-1

    func validate() throws {
        if let ranks, !(1...4096).contains(ranks) { throw ValidationError("--ranks must be from 1 to 4096, not \(ranks)") }
        if let labeledFraction, !(labeledFraction > 0 && labeledFraction <= 1) {
            throw ValidationError("--labeled-fraction must be above 0 and at most 1, not \(labeledFraction)")
        }
        if !(20...10_000).contains(trySteps) { throw ValidationError("--try-steps must be from 20 to 10000, not \(trySteps)") }
    }

    func run() throws {
        try requireOneRank("configure")
        let registry = Registry.standard
        let detector = try detector.map { try Self.chosen($0, "--detector", registry.detectors.map { ($0.name, $0) }) } ?? registry.detectors[0]
        let method = try method.map { try Self.chosen($0, "--method", registry.methods.map { ($0.name, $0) }) } ?? registry.methods[0]
        if let output { for place in [output, listPath(beside: output)] { try requireWritablePlace(of: place, apartFrom: [store]) } }
        let asked = try set.map(Proposal.init(assignment:))
        if tryRates, asked.contains(where: { $0.key == "training.learning_rate" }) {
            throw Failure.wrongUsage(
                "--try was given with --set training.learning_rate", at: .key("--try"), advice: "leave one of them out: --try finds the rate")
        }
        let opened = try FeatureStore(path: store)
        let (facts, list) = try facts(opened, method, registry)
        var proposal = ConfigurationProposal(facts, detector: detector, method: method)
        asked.forEach { proposal.set($0) }
        try withRanks { world in
            // The list of labelled recordings is read where it will not stay, so that nothing is written when the proposal is refused.
            let draft = try Draft(list)
            defer { draft.remove() }
            try fit(&proposal, facts, opened, draft, world)
            asked.forEach { proposal.set($0) }
            let trial = try TrainingTrial(try proposal.configuration(draft.overrides, registry: registry), communicator: world)
            trial.notes.filter { $0.hasPrefix("warning: ") }.forEach(note)
            let range = tryRates ? try tryRates(trial, &proposal) : nil
            try write(proposal, facts, list, range)
        }
    }

    // MARK: Steps

    /// The registered one of a name.
    static func chosen<Type>(_ name: String, _ option: String, _ known: [(name: String, type: Type)]) throws -> Type {
        if let found = known.first(where: { $0.name == name }) { return found.type }
        let names = known.map(\.name)
        throw Failure.wrongUsage(
            "'\(name)' is unknown" + (nearestName(to: name, among: names).map { "; did you mean '\($0)'?" } ?? ""), at: .key(option),
            advice: "give one of \(names.joined(separator: ", "))")
    }

    private func facts(
        _ store: FeatureStore, _ method: any MethodSettings.Type, _ registry: Registry
    ) throws -> (facts: ProposalFacts, list: [String]) {
        let choice = try SubsetChoice(
            store.statisticsOfSubsets, training: trainingSubset, evaluation: evaluationSubset, store: store.path)
        return try ProposalFacts.of(
            store, subsets: choice, method: method, fraction: labeledFraction, listPath: output.map(listPath), ranks: ranks,
            weakMethods: registry.weaklySupervisedMethods)
    }

    /// "emg_labeled.json" beside "emg.yaml".
    private func listPath(beside output: String) -> String {
        let name = output.hasSuffix(".yaml") || output.hasSuffix(".yml") ? String(output[..<(output.lastIndex(of: ".") ?? output.endIndex)]) : output
        return name + "_labeled.json"
    }

    private func fit(
        _ proposal: inout ConfigurationProposal, _ facts: ProposalFacts, _ store: FeatureStore, _ draft: Draft, _ world: Communicator
    ) throws {
        guard let available = AvailableMemory(machine: world.machine).bounds.map(\.bytes).min(), let longest = facts.training.recordingRows?.greatest
        else { return }
        try proposal.fit(
            ranks: facts.ranks, available: available, longestRecording: longest, longestAction: facts.training.actionRows?.greatest ?? 1
        ) {
            try TrainingTrial.memory(try $0.configuration(draft.overrides, registry: .standard), store: store, communicator: world).total
        }
    }

    private func tryRates(_ trial: TrainingTrial, _ proposal: inout ConfigurationProposal) throws -> LearningRateRange {
        let range = try trial.sweep(Self.rates, steps: trySteps)
        switch range.verdict {
        case .rate(let rate):
            let lowest = String(format: "%.1e", range.lowest?.rate ?? rate)
            proposal.set(
                Proposal(
                    "training.learning_rate", rate.yaml,
                    "range test of \(range.points.count) steps: the loss was least at \(lowest), the rate is a "
                        + "\(LearningRateRange.marginText) of it"))
        case .flat:
            note("warning: the range test tells nothing, the loss hardly fell in \(range.points.count) steps: the learning rate is the usual one")
        }
        return range
    }

    // MARK: Output

    private func write(_ proposal: ConfigurationProposal, _ facts: ProposalFacts, _ list: [String], _ range: LearningRateRange?) throws {
        let yaml = proposal.yaml(head: head(facts))
        if let output {
            if case .list(let path, _) = facts.labels { try replaceFile(at: path, with: try JSONEncoder().encode(list)) }
            try replaceFile(at: output, with: Data(yaml.utf8))
        }
        let object = ConfigurationReport(path: output, yaml: output == nil ? yaml : nil, proposal: proposal, facts: facts, range: range)
        try report.report(object, text: output.map { object.text(path: $0) } ?? String(yaml.dropLast()))
    }

    private func head(_ facts: ProposalFacts) -> [String] {
        let training = facts.training
        let actions = training.actionRows.map {
            "; \(training.actions) actions of \(training.classes.count) classes, of \(Int($0.least)) to \(Int($0.greatest.rounded(.up))) rows"
        }
        let file = output.map(Proposal.shellWord) ?? "CONFIG.yaml"
        return [
            "Proposed by 'kairos configure' for '\(store)': it learns from \(training.recordings) recordings of \(training.rows) rows\(actions ?? "").",
            "The reason stands beside each value; keys that are not here have their defaults (docs/configuration.md).", "",
            "  launch/mpirun \(facts.ranks) kairos train \(file) --check",
            "  launch/mpirun \(facts.ranks) kairos train \(file) --output runs/NAME",
        ]
    }
}

/// A list of labelled recordings in a file that does not stay.
private struct Draft {
    /// Names the file, where there is a list.
    let overrides: [String]
    private let path: String?

    init(_ list: [String]) throws {
        guard !list.isEmpty else {
            (overrides, path) = ([], nil)
            return
        }
        let path = NSTemporaryDirectory() + "/kairos-\(UUID().uuidString).json"
        try replaceFile(at: path, with: try JSONEncoder().encode(list))
        (overrides, self.path) = (["data.labeled_order=\(path)"], path)
    }

    func remove() { if let path { unlink(path) } }
}
