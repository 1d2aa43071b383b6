import ConfigurationProposals
import Diagnostics
import FeatureStore
import StandardRegistry
import TestSupport
import TrainingMethods
import XCTest

final class ConfigurationProposalTests: FolderTestCase {
    private let registry = Registry.standard

    /// Recordings of 60 rows with an action of 6 rows each, half of them for evaluation.
    private func store(_ count: Int, classes: [String] = ["run", "jump"]) throws -> FeatureStore {
        var made = MadeRecordings(classes: classes)
        for number in 0..<2 * count {
            made.add(
                "v\(number)", subset: number < count ? "Training" : "Test", duration: 30.5, rows: 60,
                actions: [(3, 6, number % classes.count), (10, 13, 0)])
        }
        return try made.store(path("it's \"one\": #1.h5"))
    }

    private func facts(
        _ store: FeatureStore, method: String = "supervised", fraction: Double? = nil, ranks: Int? = nil, listPath: String? = "list.json"
    ) throws -> (facts: ProposalFacts, list: [String]) {
        try ProposalFacts.of(
            store, subsets: try SubsetChoice(store.statisticsOfSubsets, training: nil, evaluation: nil, store: store.path),
            method: try XCTUnwrap(registry.method(named: method)), fraction: fraction, listPath: listPath, ranks: ranks, weakMethods: "fustal")
    }

    private func proposal(_ facts: ProposalFacts, detector: String = "actionformer", method: String = "supervised") throws -> ConfigurationProposal {
        ConfigurationProposal(
            facts, detector: try XCTUnwrap(registry.detector(named: detector)), method: try XCTUnwrap(registry.method(named: method)))
    }

    /// What is written is read back, with every value as proposed, for every detector and method.
    func testEveryDetectorAndMethodReadsItsFile() throws {
        let store = try store(12)
        for detector in registry.detectors {
            for method in registry.methods {
                let proposal = try proposal(try facts(store, method: method.name).facts, detector: detector.name, method: method.name)
                let yaml = proposal.yaml(head: ["head", "", "two\nlines"])
                let read = try RunConfiguration(yaml: yaml, file: "c.yaml", registry: registry)
                XCTAssertEqual(read, try proposal.configuration(registry: registry))
                XCTAssertEqual(read.data.store, store.path)
                XCTAssertEqual(read.model.name, detector.name)
                XCTAssertEqual(read.methodName, method.name)
                XCTAssertTrue(yaml.hasPrefix("# head\n#\n# two lines\ndata:\n"), yaml)
                XCTAssertFalse(proposal.proposals.contains { $0.reason.isEmpty })
                XCTAssertEqual(Set(proposal.proposals.map(\.key)).count, proposal.proposals.count)
            }
        }
    }

    /// Names that YAML could read as something else come back as they are.
    func testNamesAreQuoted() throws {
        var facts = try facts(try store(12)).facts
        for name in ["no", "a: b # c", "it's \"so\" \\n", "line\nfeed\u{2028}\u{85}\u{FEFF}", "\u{1F3C3} läuft", " ", "1.0"] {
            facts.subsets.training = name
            facts.subsets.trainingReason = "named \(name)"
            facts.store = name + ".h5"
            let proposal = try proposal(facts)
            let read = try RunConfiguration(yaml: proposal.yaml(head: [name]), file: "c.yaml", registry: registry)
            XCTAssertEqual(read.data.trainingSubset, name)
            XCTAssertEqual(read.data.store, name + ".h5")
        }
        XCTAssertEqual(Proposal.shellWord("it's a.yaml"), "'it'\\''s a.yaml'")
    }

    func testDetectorsHaveTheirOwnKeys() throws {
        let facts = try facts(try store(12)).facts
        let actionFormer = try proposal(facts), triDet = try proposal(facts, detector: "tridet"),
            maxer = try proposal(facts, detector: "temporalmaxer")
        XCTAssertEqual(actionFormer["model.backbone_arch"]?.value, "[2, 2, 1]")
        XCTAssertEqual(actionFormer["model.n_mha_win_size"]?.value, "15")
        XCTAssertNil(actionFormer["model.num_bins"])
        XCTAssertEqual(triDet["model.num_bins"]?.value, "16")
        XCTAssertNil(triDet["model.n_mha_win_size"])
        XCTAssertEqual(maxer["model.backbone_arch"]?.value, "[2, 0, 1]")
        XCTAssertEqual(actionFormer["model.regression_range"]?.value, "[[0, 4], [2, 10000]]")
        XCTAssertEqual(actionFormer["model.input_dimension"]?.value, "4")
        XCTAssertNil(actionFormer["apl.rounds"])
    }

    /// TriDet's bins reach the ends of the longest action, of 600 rows, from its middle: 300 rows of the only level's, and two more, are above the most.
    func testBinsReachTheLongestAction() throws {
        var made = MadeRecordings()
        for number in 0..<30 { made.add("v\(number)", subset: "train", duration: 8, rows: 15, actions: [(1, 3, 0)]) }
        made.add("long", subset: "train", duration: 305, rows: 609, actions: [(1, 301, 1)])
        let proposal = try proposal(try facts(try made.store(path("s.h5"))).facts, detector: "tridet")
        XCTAssertEqual(proposal["model.backbone_arch"]?.value, "[2, 2, 0]")
        XCTAssertEqual(proposal["model.num_bins"]?.value, "256")
    }

    /// ICD learns from pairs of different classes.
    func testOneClassIsNotComparedWithOthers() throws {
        var made = MadeRecordings()
        for number in 0..<30 { made.add("v\(number)", subset: "train", duration: 8, rows: 15, actions: [(1, 3, 1)]) }
        let proposal = try proposal(try facts(try made.store(path("s.h5")), method: "apl").facts, method: "apl")
        for key in ["icd.eap", "icd.mpp"] { XCTAssertEqual(proposal[key]?.value, "false") }
        XCTAssertNil(proposal["icd.mpp_threshold"])
    }

    func testMethodsHaveTheirOwnKeys() throws {
        let store = try store(12)
        let apl = try proposal(try facts(store, method: "apl").facts, method: "apl")
        XCTAssertEqual(apl["data.labeled_fraction"]?.value, "0.2")
        XCTAssertEqual(apl["icd.mpp_overlap"]?.value, "0.1")
        XCTAssertNil(apl["icd.mpp"])
        XCTAssertEqual(apl["training.mixup_alpha"]?.value, "0.4")
        XCTAssertNil(apl["fustal.filter"])
        for (key, value) in [("apl.pretraining_iterations", "0"), ("acp.coarse", "false"), ("acp.fine", "false")] {
            XCTAssertEqual(apl[key]?.value, value)
        }
        let bmn = try proposal(try facts(store, method: "apl").facts, detector: "bmn", method: "apl")
        XCTAssertEqual(bmn["apl.pretraining_iterations"]?.value, "300")
        XCTAssertNil(bmn["acp.coarse"])
        let fustal = try proposal(try facts(store, method: "fustal").facts, method: "fustal")
        XCTAssertEqual(fustal["fustal.segments"]?.value, "60")
        XCTAssertEqual(fustal["fustal.generator_batch_size"]?.value, "12")
        XCTAssertEqual(fustal["fustal.distill_after_iterations"]?.value, "450")
        XCTAssertEqual(fustal["training.evaluate_weights"]?.value, "ema")
        XCTAssertNil(fustal["training.mixup_alpha"])
        XCTAssertNil(fustal["training.droppath"])
        XCTAssertEqual(apl["training.droppath"]?.value, "0.0")
        // A detector whose recordings cannot be mixed.
        XCTAssertNil(try proposal(try facts(store).facts, detector: "bmn")["training.mixup_alpha"])
        XCTAssertEqual(try proposal(try facts(store).facts)["training.mixup_alpha"]?.value, "0.4")
        XCTAssertNil(fustal["apl.rounds"])
    }

    func testFractionsAndRanks() throws {
        let store = try store(12)
        let half = try facts(store, method: "apl", fraction: 0.5, ranks: 4).facts
        XCTAssertEqual(half.labelled, 6)
        XCTAssertEqual(half.smallestPart, 6)
        XCTAssertEqual(try proposal(half, method: "apl")["data.virtual_shards"]?.value, "4")
        XCTAssertEqual(try proposal(half, method: "apl")["data.batch_size"]?.value, "4")
        assertFailure(
            """
            error: 2 recordings cannot be shared out over 4 ranks
              where: file 'FOLDER/it's "one": #1.h5', key '--ranks'
              do: give --ranks 2 or fewer
            """
        ) { try facts(store, method: "apl", ranks: 4) }
        XCTAssertEqual(try facts(store, ranks: 12).facts.ranks, 12)
    }

    /// One recording, one row: everything has a value that is allowed.
    func testTheSmallestStore() throws {
        var made = MadeRecordings(classes: ["one"])
        made.add("v", subset: "Training", duration: 1, rows: 1, actions: [(0, 1, 0)])
        let facts = try facts(try made.store(path("s.h5"))).facts
        XCTAssertEqual(facts.ranks, 1)
        for detector in registry.detectors {
            let read = try proposal(facts, detector: detector.name).configuration(registry: registry)
            XCTAssertEqual(read.data.virtualShards, 1)
            XCTAssertEqual(read.data.batchSize, 1)
            XCTAssertNil(read.data.evaluationSubset)
        }
    }

    func testLongRecordingsAreCropped() throws {
        var made = MadeRecordings()
        made.add("v", subset: "Training", duration: 2501, rows: 5001, actions: [(0, 10, 0)])
        made.add("w", subset: "Training", duration: 2501, rows: 5001, actions: [(0, 10, 1)])
        XCTAssertEqual(try proposal(try facts(try made.store(path("s.h5"))).facts)["data.max_rows"]?.value, "4608")
    }

    // MARK: Labels

    /// APL takes the recordings without actions as unlabelled ones, by a list.
    func testRecordingsWithoutActionsAreUnlabelled() throws {
        var made = MadeRecordings()
        for number in 0..<6 {
            made.add("v\(number)", subset: "Training", duration: 30.5, rows: 60, actions: number % 3 == 0 ? [(3, 6, 0), (8, 9, 1)] : [])
        }
        let store = try made.store(path("s.h5"))
        let (few, list) = try facts(store, method: "apl")
        XCTAssertEqual(list, ["v0", "v3"])
        XCTAssertEqual(few.labels, .list(path: "list.json", fraction: 2.0 / 6))
        let proposal = try proposal(few, method: "apl")
        XCTAssertEqual(proposal["data.labeled_order"]?.value, "\"list.json\"")
        // The supervised method takes them as background.
        XCTAssertEqual(try facts(store).facts.labels, .all)
        assertFailure(
            """
            error: 2 of the 6 recordings of the subset 'Training' have segments, and a list must name them
              where: file 'FOLDER/s.h5'
              do: give --output: the list is written beside the configuration
            """, kind: .wrongUsage
        ) { try facts(store, method: "apl", listPath: nil) }
    }

    // MARK: Memory

    func testCropsGrowShorterUntilTheRunFits() throws {
        var proposal = try proposal(try facts(try store(12)).facts)
        func rows(_ one: ConfigurationProposal) -> Int { one["data.max_rows"].flatMap { Int($0.value) } ?? 4000 }
        // A rank needs 1000 bytes per row; two ranks have 4 MB, of which they take 3.2: 1600 rows.
        proposal.fit(ranks: 2, available: 4_000_000, longestRecording: 4000, longestAction: 10) { 1000 * rows($0) }
        XCTAssertEqual(proposal["data.max_rows"]?.value, "1000")
        XCTAssertEqual(
            proposal["data.max_rows"]?.reason,
            "longer recordings are cropped at random: 2 ranks would need 7.6 MiB of the 3.8 MiB that are left")
        let before = proposal
        proposal.fit(ranks: 2, available: 4_000_000, longestRecording: 4000, longestAction: 10) { 1000 * rows($0) }
        XCTAssertEqual(proposal, before)
    }

    /// Where the memory is not that of crops, recordings stay whole and the run's own check speaks.
    func testCropsThatDoNotHelpAreNotMade() throws {
        var proposal = try proposal(try facts(try store(12)).facts)
        let before = proposal
        proposal.fit(ranks: 1, available: 1000, longestRecording: 4000, longestAction: 10) { _ in 5000 }
        XCTAssertEqual(proposal, before)
    }
}
