import XCTest

/// BMN as a user trains it.
final class BMNCommandTests: DetectorCommandTestCase {
    override var tinyModel: [String] {
        [
            "model={name: bmn, temporal_scale: 16, samples: 4, base_dim: 8, proposal_dim: 8, sampled_dim: 8, map_dim: 8, conv_groups: 1}",
            "training.optimizer=adam",
        ].flatMap { ["--set", $0] }
    }

    func testSupervised() throws { try checkSupervised(ranks: [2, 4]) }

    /// The source of classes stands in the metrics; what is known of recordings takes the place of the classifier in training and detection alike.
    func testKnownClasses() throws {
        let own = try train(1, "supervised", "own"), known = try train(1, "supervised", "known", ["--set", "model.video_classifier=known"])
        XCTAssertEqual(own["class_source"] as? String, "own")
        XCTAssertEqual(known["class_source"] as? String, "known")
        _ = try object(
            try kairos(
                "detect", "--checkpoint", folder + "/known/checkpoints/step-00000030.h5", "--store", folder + "/store.h5", "--subset", "Test",
                "--output", folder + "/p.json", "--json"))
        XCTAssertEqual(try file("p.json"), try file("known/predictions.json"))
        let summary = try kairos("inspect", folder + "/own").output
        XCTAssertTrue(summary.contains(" %, classes from: own\n"), summary)
    }

    private func refused(_ options: [String], _ expected: String, line: UInt = #line) throws {
        let ended = try start(
            executable, ["train", folder + "/supervised.yaml", "--output", folder + "/r"] + tinyModel + options.flatMap { ["--set", $0] })
        XCTAssertEqual(ended.code, 2, line: line)
        XCTAssertEqual(ended.errors, expected, line: line)
    }

    func testRefusedSettings() throws {
        try refused(
            ["model.conv_groups=3"],
            """
            error: base_dim 8 is not a multiple of the 3 groups of BMN's convolutions
              where: key '--set model.base_dim'
              do: choose a multiple of 3, or other model.conv_groups

            """)
        try refused(
            ["model.max_duration=8"],
            """
            error: max_duration is set, but the layout start_end has proposals of all lengths
              where: key '--set model.max_duration'
              do: remove the key, or set model.proposal_layout to duration_start and at most 16

            """)
        try refused(
            ["model.proposal_layout=duration_start", "model.max_duration=17"],
            """
            error: max_duration 17 is more than the 16 rows of temporal_scale
              where: key '--set model.max_duration'
              do: remove the key, or set model.proposal_layout to duration_start and at most 16

            """)
        try refused(
            ["model.low_threshold=0.8"],
            """
            error: low_threshold 0.8 is above high_threshold 0.7
              where: key '--set model.low_threshold'
              do: choose a lower one

            """)
    }

    /// The store has 8 columns.
    func testColumnsThatGroupsDoNotDivide() throws {
        let ended = try start(
            executable,
            ["train", folder + "/supervised.yaml", "--output", folder + "/r"] + tinyModel
                + ["--set", "model.conv_groups=3", "--set", "model.base_dim=24"])
        XCTAssertEqual(ended.code, 3)
        XCTAssertEqual(
            ended.errors.components(separatedBy: "error: ").last,
            """
            the store's features have 8 columns, no multiple of the 3 groups of BMN's convolutions
              where: file 'FOLDER/store.h5', key 'model.conv_groups'
              do: set model.conv_groups to one of 1, 2, 4, 8

            """)
    }

    func testRefusedClassesAndWindows() throws {
        try refused(
            ["model.video_classifier=file"],
            """
            error: video_classifier is file, and no scores are given
              where: file 'FOLDER/supervised.yaml', key 'test.class_scores'
              do: name the file of class scores, or set model.video_classifier to own

            """)
        try refused(
            ["test.class_scores=s.json"],
            """
            error: class_scores are given, but model.video_classifier is own
              where: key '--set test.class_scores'
              do: set model.video_classifier to file, or remove the scores

            """)
        try refused(
            ["data.window_stride=8", "data.max_rows=null"],
            """
            error: windows have no length
              where: key '--set data.max_rows'
              do: set data.max_rows, or remove data.window_stride

            """)
        try refused(
            ["data.window_stride=8", "data.crop_ratio=[0.5, 1]"],
            """
            error: windows are not cropped
              where: key '--set data.crop_ratio'
              do: set data.crop_ratio to null, or remove data.window_stride

            """)
        try refused(
            ["data.window_stride=8", "method.name=apl", "apl.round_iterations=5"],
            """
            error: window_stride is set, but the method 'apl' learns from recordings
              where: key '--set data.window_stride'
              do: remove the key

            """)
    }
}
