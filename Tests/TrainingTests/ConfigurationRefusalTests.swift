import Detectors
import PyramidDetectors
import TrainingMethods
import XCTest

/// Keys and values that are refused, word for word.
final class ConfigurationRefusalTests: RunConfigurationTestCase {
    func testUnknownKeys() {
        refused(
            minimal + "  lerning_rate: 0.1\n",
            """
            error: unknown key 'lerning_rate'; did you mean 'training.learning_rate'?
              where: file 'run.yaml', key 'training.lerning_rate', line 5
              do: correct or remove the key; docs/configuration.md lists all keys
            """)
        refused(
            minimal + "trainning:\n  seed: 1\n",
            """
            error: unknown key 'trainning'; did you mean 'training'?
              where: file 'run.yaml', key 'trainning', line 5
              do: correct or remove the key; docs/configuration.md lists all keys
            """)
        refused(
            minimal + "  nms_sigma: 0.5\n",
            """
            error: unknown key 'nms_sigma'; did you mean 'test.nms_sigma'?
              where: file 'run.yaml', key 'training.nms_sigma', line 5
              do: correct or remove the key; docs/configuration.md lists all keys
            """)
        refused(
            minimal, ["method.quality_threshold=1"],
            """
            error: unknown key 'quality_threshold'; known here: name
              where: key '--set method.quality_threshold'
              do: correct or remove the key; docs/configuration.md lists all keys
            """)
    }

    /// Keys of one detector are refused for the other, with the reason.
    func testKeysOfTheOtherDetector() throws {
        for key in ["n_head", "n_mha_win_size", "use_rel_pe"] {
            refused(
                minimal, ["model.name=tridet", "model.\(key)=4"],
                """
                error: '\(key)' belongs to the detector actionformer, but model.name is tridet
                  where: key '--set model.\(key)'
                  do: remove the key, or set model.name to actionformer
                """)
        }
        let own = [
            "n_sgp_win_size", "k", "sgp_mlp_dim", "init_conv_vars", "use_trident_head", "num_bins", "boundary_kernel_size", "iou_weight_power",
            "input_noise",
        ]
        for key in own {
            refused(
                minimal + "model:\n  \(key): 1\n",
                """
                error: '\(key)' belongs to the detector tridet, but model.name is actionformer
                  where: file 'run.yaml', key 'model.\(key)', line 6
                  do: remove the key, or set model.name to tridet
                """)
        }
        // What one detector has alone is in no canonical form of the other, which reads back.
        let tridet = try read(minimal, ["model.name=tridet", "model.k=2", "model.n_sgp_win_size=[1, 3, 5, 3, 3, 1]"])
        XCTAssertEqual((tridet.model as? TriDetConfiguration)?.windowFactor, 2)
        XCTAssertEqual(try read(tridet.canonicalYAML), tridet)
        for key in own { XCTAssertTrue(tridet.lines.contains { $0.key == "model.\(key)" }, key) }
        XCTAssertFalse(tridet.canonicalYAML.contains("n_head"))
        XCTAssertFalse(try read(minimal).canonicalYAML.contains("num_bins"))
    }

    func testTriDetKeysThatDoNotFit() throws {
        refused(
            minimal, ["model.name=tridet", "model.n_sgp_win_size=[9, 9]"],
            """
            error: n_sgp_win_size lists another number of windows than the 6 levels
              where: key '--set model.n_sgp_win_size'
              do: give one number for all levels, or one per level
            """)
        refused(
            minimal, ["model.name=tridet", "model.n_sgp_win_size=-1"],
            """
            error: expected a whole number or a list of whole numbers, odd and from 1 to 4097, found -1
              where: key '--set model.n_sgp_win_size'
              do: correct the value, or leave the key out for its default 1
            """)
        refused(
            minimal, ["model.name=tridet", "model.embd_dim=40", "model.fpn_dim=40"],
            """
            error: embd_dim 40 is not a multiple of the 16 groups of TriDet's group norm
              where: key '--set model.embd_dim'
              do: choose a multiple of 16
            """)
        refused(
            minimal, ["model.name=tridet", "training.dropout=0.1"],
            """
            error: dropout 0.1 is set, but TriDet has none
              where: key '--set training.dropout'
              do: remove the key; training.droppath is there
            """)
        let run = try read(
            minimal, ["model.name=tridet", "model.boundary_kernel_size=1", "model.use_trident_head=false", "training.label_smoothing=0.1"])
        let model = try XCTUnwrap(try run.detector(inputDimension: 8, classes: 3) as? TriDet).configuration
        XCTAssertEqual([model.boundaryKernel, model.bins, model.hiddenDimension], [1, 16, 768])
        XCTAssertFalse(model.tridentHead)
        XCTAssertEqual(model.labelSmoothing, 0.1)
    }

    func testMistypedValues() {
        refused(
            "data:\n  store: s.h5\n  batch_size: two\ntraining: {iterations: 10}\n",
            """
            error: expected a whole number, from 1 to 65536, found the text 'two'
              where: file 'run.yaml', key 'data.batch_size', line 3
              do: correct the value, or leave the key out for its default 2
            """)
        refused(
            minimal, ["training.iterations=1.5"],
            """
            error: expected a whole number or null, from 1 to 1000000000, found 1.5
              where: key '--set training.iterations'
              do: correct the value, or leave the key out for its default null
            """)
        refused(
            "data: {store: [a, b]}\n",
            """
            error: expected text, found a list of 2
              where: file 'run.yaml', key 'data.store', line 1
              do: correct the value, or leave the key out for its default ""
            """)
        refused(
            minimal, ["model.embd_with_ln=1"],
            """
            error: expected true or false, found 1
              where: key '--set model.embd_with_ln'
              do: correct the value, or leave the key out for its default true
            """)
        refused(
            minimal, ["model.fpn_type=pyramid"],
            """
            error: expected one of identity, fpn, found the text 'pyramid'
              where: key '--set model.fpn_type'
              do: correct the value, or leave the key out for its default identity
            """)
        refused(
            minimal, ["model.regression_range=[[0, 4], [8]]"],
            """
            error: expected a list, each a list, each a number, as [low, high] per level with 0 <= low < high, found a list of 2
              where: key '--set model.regression_range'
              do: correct the value, or leave the key out for its default [[0.0, 4.0], [4.0, 8.0], [8.0, 16.0], [16.0, 32.0], [32.0, 64.0], [64.0, 10000.0]]
            """)
        refused(
            "data: 5\n",
            """
            error: expected a section of keys, found 5
              where: file 'run.yaml', key 'data', line 1
              do: indent the section's keys below its name
            """)
    }

    func testValuesOutOfRange() {
        refused(
            minimal, ["data.labeled_fraction=10"],
            """
            error: expected a number, above 0.0 and at most 1.0, found 10
              where: key '--set data.labeled_fraction'
              do: correct the value, or leave the key out for its default 1.0
            """)
        refused(
            minimal + "  droppath: 1.0\n",
            """
            error: expected a number, at least 0.0 and below 1.0, found 1.0
              where: file 'run.yaml', key 'training.droppath', line 5
              do: correct the value, or leave the key out for its default 0.1
            """)
        refused(
            minimal + "  learning_rate: .nan\n",
            """
            error: expected a number, above 0.0 and at most 10.0, found nan
              where: file 'run.yaml', key 'training.learning_rate', line 5
              do: correct the value, or leave the key out for its default 0.0001
            """)
        refused(
            minimal, ["model.scale_factor=3"],
            """
            error: expected a whole number, which must be 2, found 3
              where: key '--set model.scale_factor'
              do: correct the value, or leave the key out for its default 2
            """)
    }

    /// Numbers whose products would not fit into 64 bits, or whose buffers would not fit into any memory.
    func testUpperBounds() {
        let huge = Int.max
        let cases: [(key: String, value: String, found: String, expected: String, standard: String)] = [
            ("data.batch_size", "9223372036854775804", "9223372036854775804", "a whole number, from 1 to 65536", "2"),
            ("data.max_rows", "\(huge)", "\(huge)", "a whole number or null, from 1 to 1073741824", "null"),
            (
                "model.backbone_arch", "[2, 2, 63]", "a list of 3",
                "a list, each a whole number, as [embedding, stem, branch], from 1, 0 and 0 to 64, 64 and 16", "[2, 2, 5]"
            ),
            ("model.n_mha_win_size", "1000001", "1000001", "a whole number or a list of whole numbers, at most 4097", "-1"),
            ("model.n_mha_win_size", "[9, 9, 4099, 9, 9, 9]", "a list of 6", "a whole number or a list of whole numbers, at most 4097", "-1"),
            ("model.embd_dim", "\(huge)", "\(huge)", "a whole number, from 1 to 65536", "512"),
            ("model.embd_kernel_size", "4099", "4099", "a whole number, odd and from 1 to 4097", "3"),
            ("model.head_num_layers", "65", "65", "a whole number, from 1 to 64", "3"),
            ("model.max_seq_len", "\(huge)", "\(huge)", "a whole number, from 1 to 1048576", "2304"),
            ("training.iterations", "\(huge)", "\(huge)", "a whole number or null, from 1 to 1000000000", "null"),
            ("training.epochs", "\(huge)", "\(huge)", "a whole number or null, from 1 to 1000000", "null"),
            ("training.warmup_epochs", "\(huge)", "\(huge)", "a whole number or null, from 0 to 1000000", "null"),
            ("training.schedule_steps", "[\(huge)]", "a list of 1", "a list, each a whole number, ascending, up to 1000000000", "[]"),
            ("training.bucket_elements", "\(huge)", "\(huge)", "a whole number, from 1 to 1073741824", "1048576"),
            ("test.pre_nms_topk", "\(huge)", "\(huge)", "a whole number, from 1 to 1073741824", "5000"),
        ]
        for (key, value, found, expected, standard) in cases {
            refused(
                minimal, ["\(key)=\(value)"],
                """
                error: expected \(expected), found \(found)
                  where: key '--set \(key)'
                  do: correct the value, or leave the key out for its default \(standard)
                """)
        }
    }

    func testKeysThatDoNotFitTogether() {
        refused(
            "training: {iterations: 5}\n",
            """
            error: the feature store is not named
              where: file 'run.yaml', key 'data.store'
              do: give the path of a store made by 'kairos import' or 'kairos synthesize'
            """)
        refused(
            minimal + "  epochs: 2\n",
            """
            error: both iterations and epochs are given
              where: file 'run.yaml', key 'training.epochs', line 5
              do: keep one of training.iterations and training.epochs
            """)
        refused(
            "data: {store: s.h5}\n",
            """
            error: the length of the run is not given
              where: file 'run.yaml', key 'training.iterations'
              do: set one of training.iterations and training.epochs
            """)
        refused(
            minimal, ["data.batch_size=6", "data.virtual_shards=4"],
            """
            error: batch_size 6 is not a multiple of virtual_shards 4
              where: key '--set data.batch_size'
              do: every virtual shard takes the same number of recordings per iteration: choose a multiple, or fewer shards
            """)
        refused(
            minimal, ["model.backbone_arch=[2, 2, 3]"],
            """
            error: 6 regression ranges are given for 4 pyramid levels
              where: file 'run.yaml', key 'model.regression_range'
              do: give one [low, high] per level: the branch blocks of backbone_arch and one more
            """)
        refused(
            minimal, ["model.n_head=3"],
            """
            error: embd_dim 512 is not a multiple of n_head 3
              where: key '--set model.n_head'
              do: choose a divisor of embd_dim
            """)
        refused(
            minimal, ["model.n_mha_win_size=[9, 9]"],
            """
            error: n_mha_win_size lists another number of windows than the 6 levels
              where: key '--set model.n_mha_win_size'
              do: give one number for all levels, or one per level
            """)
    }

    /// What is off is not checked.
}
