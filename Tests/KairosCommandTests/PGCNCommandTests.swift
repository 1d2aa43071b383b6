import Foundation
import XCTest

/// P-GCN as a user trains it: on the proposals of a BMN.
final class PGCNCommandTests: DetectorCommandTestCase {
    override var tinyModel: [String] {
        [
            "model={name: pgcn, proposals: [\"\(folder)/proposals.json\"], hidden_dim: 8, proposals_per_recording: 40}", "data.max_rows=null",
            "training.optimizer=sgd",
        ].flatMap { ["--set", $0] }
    }

    /// The detections of a BMN in all recordings.
    override func setUpWithError() throws {
        try super.setUpWithError()
        let bmn = "model={name: bmn, temporal_scale: 16, samples: 4, base_dim: 8, proposal_dim: 8, sampled_dim: 8, map_dim: 8, conv_groups: 1}"
        _ = try object(
            try kairos(
                "train", folder + "/supervised.yaml", "--output", folder + "/bmn", "--json", "--set", bmn, "--set", "data.evaluation_subset=null",
                "--set", "test.max_seg_num=60"))
        _ = try object(
            try kairos(
                "detect", "--checkpoint", folder + "/bmn/checkpoints/step-00000030.h5", "--store", folder + "/store.h5", "--output",
                folder + "/proposals.json", "--json"))
    }

    func testSupervised() throws { try checkSupervised(ranks: [2, 4]) }

    func testAdaptivePseudoLabels() throws {
        try checkAdaptivePseudoLabels(
            "apl", ["apl.pretraining_iterations=0", "acp.weight=0", "apl.selection_floor=0"].flatMap { ["--set", $0] }, steps: 40)
    }

    /// Measurements have recordings of their own, whose proposals are made up; a trial's rounds learn from made-up labels.
    func testMeasurements() throws {
        let model = tinyModel + ["--set", "acp.weight=0.1", "--set", "apl.pretraining_iterations=0"], apl = folder + "/apl.yaml"
        for phase in ["train", "infer"] {
            let measured = try object(
                try start(
                    executable,
                    ["benchmark", "step", "--model", apl, "--phase", phase, "--repetitions", "1", "--classes", "3", "--json"] + model
                        + ["--set", "model.input_dimension=8"]))
            XCTAssertGreaterThan(try XCTUnwrap(measured["videos_per_second"] as? Double), 0, phase)
        }
        let plan = try object(try start(executable, ["plan", apl, "--ranks", "1,2", "--json"] + model))
        XCTAssertFalse(plan.isEmpty)
        let checked = try object(try start(executable, ["train", apl, "--check", "--json"] + model)),
            stages = try XCTUnwrap(checked["stages"] as? [[String: Any]])
        XCTAssertEqual(stages.compactMap { $0["name"] as? String }, ["burn-in", "round 1", "round 2"])
        XCTAssertTrue(stages.allSatisfy { ($0["seconds_per_step"] as? Double ?? 0) > 0 })
    }

    /// Only the classes of recordings are known to FuSTAL, which P-GCN's offsets are not found from.
    func testWeakSupervisionIsRefused() throws {
        let ended = try start(executable, ["train", folder + "/fustal.yaml", "--output", folder + "/r"] + tinyModel)
        XCTAssertEqual(ended.code, 2)
        XCTAssertEqual(
            ended.errors,
            """
            error: a detector that refines proposals is prepared with labelled segments, and the method knows none
              where: key 'model.name'
              do: set model.name to actionformer, tridet, temporalmaxer or bmn

            """)
    }

    /// RGB and flow: other columns of the same recordings.
    func testTwoStreams() throws {
        let made = try kairos(
            "synthesize", "--output", folder + "/flow.h5", "--videos", "24", "--classes", "3", "--dimension", "6", "--seed", "5")
        XCTAssertEqual(made.code, 0, made.errors)
        _ = try train(1, "supervised", "rgb")
        _ = try train(1, "supervised", "flow", ["--set", "data.store=\"\(folder)/flow.h5\""])
        let first = [
            "detect", "--checkpoint", folder + "/rgb/checkpoints/step-00000030.h5", "--store", folder + "/store.h5", "--subset", "Test", "--output",
            folder + "/p.json", "--set", "model.nms_threshold=0.32", "--json",
        ]
        let second = ["--second-checkpoint", folder + "/flow/checkpoints/step-00000030.h5", "--second-store", folder + "/flow.h5"]
        _ = try object(try mpirun(1, first))
        let alone = try file("p.json")
        _ = try object(try mpirun(1, first + second))
        let joined = try file("p.json")
        XCTAssertNotEqual(joined, alone)
        _ = try object(try mpirun(2, first + second + ["--second-weight", "1.2"]))
        XCTAssertEqual(try file("p.json"), joined)
        func refused(_ options: [String], _ expected: String, line: UInt = #line) throws {
            let ended = try start(executable, first + options)
            XCTAssertEqual(ended.code, 2, line: line)
            XCTAssertEqual(ended.errors, expected, line: line)
        }
        try refused(
            ["--second-store", "x"],
            """
            error: --second-store was given without --second-checkpoint
              do: give both

            """)
        try refused(
            ["--second-checkpoint", "x"],
            """
            error: --second-checkpoint was given without --second-store
              do: streams are joined on two feature stores: give --store and --second-store

            """)
        try refused(
            second + ["--second-weight", "0"],
            """
            error: --second-weight is 0.0
              do: give a number above 0 and below 1000

            """)
    }

    /// All parameters go on, heads with several rows of a class and one of none too.
    func testInitialWeights() throws {
        _ = try train(1, "supervised", "first")
        let ended = try start(
            executable,
            ["train", folder + "/supervised.yaml", "--output", folder + "/second"] + tinyModel + [
                "--set", "training.initial_weights=\"\(folder)/first/checkpoints/step-00000030.h5\"", "--stop-after", "1",
            ])
        XCTAssertEqual(ended.code, 0, ended.errors)
        let said = ended.errors + ended.output
        XCTAssertTrue(said.contains("initial weights: 15 of the model's 15 parameters are taken from"), said)
        XCTAssertTrue(said.contains("initial weights: classifier rows of 3 of the 3 classes are taken by name"), said)
        XCTAssertFalse(said.contains("do not fit"), said)
    }

    func testDetectorsThatJoinNoStreams() throws {
        let bmn = folder + "/bmn/checkpoints/step-00000030.h5"
        let ended = try start(
            executable,
            [
                "detect", "--checkpoint", bmn, "--store", folder + "/store.h5", "--output", folder + "/q.json", "--second-checkpoint", bmn,
                "--second-store", folder + "/store.h5",
            ])
        XCTAssertEqual(ended.code, 2)
        XCTAssertEqual(
            ended.errors,
            """
            error: the detector bmn joins no streams
              where: key '--second-checkpoint'
              do: leave it out, or give two checkpoints of P-GCN

            """)
        XCTAssertFalse(FileManager.default.fileExists(atPath: folder + "/q.json"))
    }

    private func refused(_ options: [String], code: Int32, _ expected: String, line: UInt = #line) throws {
        let ended = try start(
            executable, ["train", folder + "/supervised.yaml", "--output", folder + "/r"] + tinyModel + options.flatMap { ["--set", $0] })
        XCTAssertEqual(ended.code, code, line: line)
        XCTAssertEqual(ended.errors, expected, line: line)
    }

    func testRefusedSettings() throws {
        try refused(
            ["data.max_rows=50"], code: 2,
            """
            error: max_rows is set, but P-GCN sees recordings whole
              where: key '--set data.max_rows'
              do: set it to null

            """)
        try refused(
            ["model.neighbours=11"], code: 2,
            """
            error: neighbours is 11, but they are drawn from 10 candidates
              where: key '--set model.neighbours'
              do: give at most model.context_candidates and model.surrounding_candidates together

            """)
        try refused(
            ["model.proposals=[]"], code: 3,
            """
            error: there are no proposals to refine
              where: key 'model.proposals'
              do: name files of proposals, such as the detections of a BMN over all recordings

            """)
        try write("# 0\nvideo\n10\n1\n0\n1\n0 0 0 5 x\n", "list.txt")
        try refused(
            ["model.proposals=[\"\(folder)/list.txt\"]"], code: 3,
            """
            error: '0 0 0 5 x' is not a proposal: CLASS TIOU OVERLAP START END
              where: file 'FOLDER/list.txt', line 7, video 'video'
              do: copy the list again from its source; docs/methods.md has its form

            """)
        // Every rank ends.
        let ended = try mpirun(
            2,
            ["train", folder + "/supervised.yaml", "--output", folder + "/r"] + tinyModel
                + ["--set", "model.proposals=[\"\(folder)/none.json\"]"])
        XCTAssertEqual(ended.code, 3)
        XCTAssertTrue(ended.errors.contains("error: the file does not exist or cannot be read\n  where: rank "), ended.errors)
        XCTAssertTrue(ended.errors.contains(", file 'FOLDER/none.json'\n"), ended.errors)
        XCTAssertFalse(FileManager.default.fileExists(atPath: folder + "/r/checkpoints"))
    }
}
