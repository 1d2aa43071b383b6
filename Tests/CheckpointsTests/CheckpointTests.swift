import Checkpoints
import Diagnostics
import FeatureStore
import Foundation
import HDF5
import NeuralNetworks
import RandomStreams
import RunRecords
import TemporalAnnotations
import TestSupport
import XCTest

final class TwoLayers: Module {
    let layers: [(String, Parameter)]
    init(_ layers: [(String, Parameter)]) { self.layers = layers }
    func visitParameters(_ visitor: ParameterVisitor) { for (name, parameter) in layers { visitor.visit(name, parameter) } }

    static func usual(output: Int = 3) -> TwoLayers {
        TwoLayers([
            (
                "conv.weight",
                Parameter(.convolution(kernel: 3, input: 2, output: output), count: 6 * output, isDecayed: true, initialization: .uniform(bound: 1))
            ),
            ("norm.weight", Parameter(.channels, count: output, isDecayed: false, initialization: .constant(1))),
            ("scale", Parameter(.scalar, count: 1, isDecayed: false, initialization: .constant(1))),
        ])
    }
}

final class CheckpointTests: XCTestCase {
    private var folder = ""
    private var path: String { folder + "/step-00000007.h5" }

    override func setUpWithError() throws {
        folder = NSTemporaryDirectory() + "kairos-checkpoint-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }
    override func tearDown() { try? FileManager.default.removeItem(atPath: folder) }

    /// A state whose every array holds other numbers.
    private func state(_ module: TwoLayers = .usual(), seed: UInt64 = 1) -> TrainingState {
        module.initializeParameters(seed: seed)
        let state = TrainingState(arena: ParameterArena(module), weightDecay: 0.1, emaDecay: 0.9, initialLossNormalizer: 100)
        var random = RandomStream(seed: seed, "state")
        for parameter in state.arena.parameters {
            for i in parameter.arenaOffset..<parameter.arenaOffset + parameter.count {
                state.average.values[i] = random.normal()
                state.optimizer.firstMoments[i] = random.normal()
                state.optimizer.secondMoments[i] = random.uniform()
            }
        }
        state.optimizer.step = 7
        state.step = 7
        state.lossNormalizer = 123.456
        return state
    }

    private var header: Checkpoint.Header {
        Checkpoint.Header(
            programVersion: "0.1.0", programDigest: "0123456789abcdef", step: 7, optimizerStep: 7, seed: 3, lossNormalizer: 123.456,
            configuration: "data:\n  store: s.h5\n", configurationDigest: "c", storeDigest: "s", classes: ["a", "b"], inputDimension: 2,
            featureRate: rate, metrics: "{}", methodState: ["round": [1, 2, 3]])
    }

    private let rate = FeatureRate(
        secondsPerRow: .init(least: 0.1, median: 2.0 / 15, greatest: 1.0 / 6), secondsPerWindow: .init(least: 0.5, median: 0.5, greatest: 0.7))

    private func arrays(_ state: TrainingState) -> [[Float]] {
        [state.arena.values, state.average.values, state.optimizer.firstMoments, state.optimizer.secondMoments].map {
            (array: UnsafeMutablePointer<Float>) in
            Array(UnsafeBufferPointer(start: array, count: state.arena.count))
        }
    }

    private func refused(_ expected: String, _ body: () throws -> Void, line: UInt = #line) {
        XCTAssertThrowsError(try body(), line: line) { error in
            XCTAssertEqual("\(error)".replacingOccurrences(of: path, with: "PATH"), expected, line: line)
            XCTAssertEqual((error as? Failure)?.exitCode, 3, line: line)
        }
    }

    /// A reader of a run's folder needs neither a model nor a training state.
    func testRunFolderReadsCheckpoint() throws {
        let run = RunFolder(folder)
        try FileManager.default.createDirectory(atPath: run.checkpoints, withIntermediateDirectories: true)
        let saved = state()
        try Checkpoint.write(saved, header: header, to: run.checkpoints(keep: 1).file(step: 7))
        let checkpoint = try run.readCheckpoint(step: 7)
        XCTAssertEqual(checkpoint.header, header)
        for (weights, values) in [(StoredWeights.current, saved.arena.values), (.ema, saved.average.values)] {
            for parameter in saved.arena.parameters {
                XCTAssertEqual(try checkpoint.readValues(of: parameter.name, weights), parameter.published(values + parameter.arenaOffset))
            }
        }
        XCTAssertThrowsError(try checkpoint.readValues(of: "none", .current)) { XCTAssertEqual(($0 as? Failure)?.exitCode, 3) }
        XCTAssertThrowsError(try run.readCheckpoint(step: 8)) { XCTAssertEqual(($0 as? Failure)?.exitCode, 3) }
    }

    func testEveryBitComesBack() throws {
        let saved = state()
        let digest = try Checkpoint.write(saved, header: header, to: path)
        let checkpoint = try Checkpoint(path: path)
        XCTAssertEqual(checkpoint.digest, digest)
        XCTAssertEqual(checkpoint.header, header)
        XCTAssertEqual(checkpoint.parameters.map(\.name), ["conv.weight", "norm.weight", "scale"])
        XCTAssertEqual(checkpoint.parameters.map(\.shape), [[3, 2, 3], [1, 3, 1], []])
        XCTAssertEqual(checkpoint.parameterCount, 22)
        let restored = state(seed: 2)
        XCTAssertNotEqual(arrays(restored), arrays(saved))
        restored.lossNormalizer = 0
        restored.step = 0
        restored.optimizer.step = 0
        try checkpoint.restore(into: restored)
        XCTAssertEqual(arrays(restored).map { $0.map(\.bitPattern) }, arrays(saved).map { $0.map(\.bitPattern) })
        XCTAssertEqual(restored.lossNormalizer, 123.456)
        XCTAssertEqual(restored.step, 7)
        XCTAssertEqual(restored.optimizer.step, 7)
        XCTAssertEqual(try FileManager.default.contentsOfDirectory(atPath: folder), ["step-00000007.h5"])
    }

    /// The digest covers weights, average, moments, normaliser, position and what the method keeps; not configuration or metrics.
    func testDigestCoversTheState() throws {
        func digest(_ change: (TrainingState, inout Checkpoint.Header) -> Void) throws -> String {
            let state = state()
            var header = header
            change(state, &header)
            return try Checkpoint.write(state, header: header, to: path)
        }
        let usual = try digest { _, _ in }
        XCTAssertEqual(try digest { _, header in header.metrics = "{\"a\": 1}" }, usual)
        XCTAssertEqual(try digest { _, header in header.configuration = "data: {}" }, usual)
        XCTAssertEqual(try digest { _, header in header.libraries = "oneDNN 3.13.0" }, usual)
        XCTAssertEqual(try digest { _, header in (header.programDigest, header.featureRate) = ("", nil) }, usual)
        let changes: [(String, (TrainingState, inout Checkpoint.Header) -> Void)] = [
            ("weight", { state, _ in state.arena.values[0] = state.arena.values[0].nextUp }),
            ("average", { state, _ in state.average.values[1] += 1 }),
            ("first moment", { state, _ in state.optimizer.firstMoments[2] += 1 }),
            ("second moment", { state, _ in state.optimizer.secondMoments[3] += 1 }),
            ("normaliser", { _, header in header.lossNormalizer += 1e-9 }),
            ("step", { _, header in header.step = 8 }),
            ("optimiser's step", { _, header in header.optimizerStep = 8 }),
            ("seed", { _, header in header.seed = 4 }),
            ("method's state", { _, header in header.methodState["round"] = [1, 2, 4] }),
            ("exchanged weights", { state, _ in (state.arena.values[0], state.arena.values[1]) = (state.arena.values[1], state.arena.values[0]) }),
        ]
        for (name, change) in changes { XCTAssertNotEqual(try digest(change), usual, name) }
    }

    /// A checkpoint says who wrote it; a run that another build goes on with says so.
    func testPrograms() throws {
        let header = header
        XCTAssertEqual(header.writer, "kairos 0.1.0 (build 0123456789ab)")
        XCTAssertNil(header.otherBuildNote(version: "0.1.0", digest: "0123456789abcdef"))
        XCTAssertNil(header.otherBuildNote(version: "0.1.0", digest: ""))
        let differs = "the result may differ in its last bits from that of an uninterrupted run"
        XCTAssertEqual(
            header.otherBuildNote(version: "0.1.0", digest: "fedcba9876543210"),
            "warning: the checkpoint was written by kairos 0.1.0 (build 0123456789ab), this is kairos 0.1.0 (build fedcba987654): \(differs)")
        var old = header
        old.programDigest = ""
        XCTAssertEqual(old.writer, "kairos 0.1.0")
        XCTAssertNil(old.otherBuildNote(version: "0.1.0", digest: "fedcba9876543210"))
        XCTAssertEqual(
            old.otherBuildNote(version: "0.2.0", digest: "fedcba9876543210"),
            "warning: the checkpoint was written by kairos 0.1.0, this is kairos 0.2.0 (build fedcba987654): \(differs)")
        XCTAssertNil(header.otherLibrariesNote("oneDNN 2.6.3, OpenBLAS 0.3.21"), "nobody recorded them")
        old.libraries = "oneDNN 2.6.3, OpenBLAS 0.3.21"
        XCTAssertNil(old.otherLibrariesNote("oneDNN 2.6.3, OpenBLAS 0.3.21"))
        XCTAssertEqual(
            old.otherLibrariesNote("oneDNN 3.13.0, OpenBLAS 0.3.21"),
            "warning: the checkpoint was written with oneDNN 2.6.3, OpenBLAS 0.3.21, this program has oneDNN 3.13.0, OpenBLAS 0.3.21: \(differs)")
        XCTAssertNil(old.otherLibrariesNote("oneDNN 2.6.3 (AVX2), OpenBLAS 0.3.21 (Zen)"), "nobody recorded the instructions")
        old.libraries = "oneDNN 2.6.3 (AVX-512), OpenBLAS 0.3.21 (SkylakeX)"
        XCTAssertNil(old.otherLibrariesNote(old.libraries))
        XCTAssertEqual(
            old.otherLibrariesNote("oneDNN 2.6.3 (AVX2), OpenBLAS 0.3.21 (Zen)"),
            "warning: the checkpoint was written with oneDNN 2.6.3 (AVX-512), OpenBLAS 0.3.21 (SkylakeX), this program has oneDNN 2.6.3 (AVX2), "
                + "OpenBLAS 0.3.21 (Zen): \(differs)")
        // The test's own program.
        XCTAssertEqual(ProgramVersion.buildDigest.count, 64)
        XCTAssertEqual(ProgramVersion.text, "0.1.0 (build \(ProgramVersion.buildDigest.prefix(12)))")
    }

    func testDamagedCheckpoints() throws {
        refused(
            """
            error: the file does not exist
              where: file 'PATH'
              do: check the path
            """
        ) { _ = try Checkpoint(path: path) }

        try Checkpoint.write(state(), header: header, to: path)
        let whole = try Data(contentsOf: URL(fileURLWithPath: path))
        try whole.prefix(whole.count / 2).write(to: URL(fileURLWithPath: path))
        refused(
            """
            error: the file ends early: its header promises \(Damage.endOfHDF5(whole)) bytes, it holds \(whole.count / 2)
              where: file 'PATH'
              do: copy the file again from its source, or make it again
            """
        ) { _ = try Checkpoint(path: path) }

        // One bit of a weight.
        let saved = state()
        try Checkpoint.write(saved, header: header, to: path)
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        let weight = saved.arena.parameters[0].published(saved.arena.values)
        let pattern = weight.prefix(4).withUnsafeBytes { Data($0) }
        let place = try XCTUnwrap(bytes.range(of: pattern))
        bytes[place.lowerBound] ^= 1
        try bytes.write(to: URL(fileURLWithPath: path))
        XCTAssertThrowsError(try Checkpoint(path: path)) { error in
            let failure = error as? Failure
            XCTAssertTrue(failure?.what.hasPrefix("the checkpoint is damaged: its checksum is ") == true, "\(error)")
            XCTAssertEqual(failure?.places, [.file(path)])
            XCTAssertEqual(failure?.advice, "use an older checkpoint of the run")
        }
    }

    func testACheckpointThatIsNotWholeIsNotTaken() throws {
        let digest = try Checkpoint.write(state(), header: header, to: path)
        XCTAssertNoThrow(try Checkpoint.requireWhole(path, digest: digest))
        func check(_ what: String, digest: String, line: UInt = #line) {
            XCTAssertThrowsError(try Checkpoint.requireWhole(path, digest: digest), line: line) { error in
                let failure = error as? Failure
                XCTAssertEqual(failure?.kind, .failed, line: line)
                XCTAssertTrue(failure?.what.hasPrefix("the checkpoint could not be written whole: \(what)") == true, "\(error)", line: line)
                XCTAssertEqual(failure?.places, [.file(path)], line: line)
                XCTAssertEqual(
                    failure?.advice, "free space on the disk, or check it for faults, then start again; the earlier checkpoints are kept", line: line)
            }
        }
        check("its contents are not those that were written", digest: "another")
        let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        try bytes.prefix(bytes.count - 8).write(to: URL(fileURLWithPath: path))
        check("the file ends early", digest: digest)
    }

    func testFilesThatAreNotCheckpoints() throws {
        let plain = try HDF5File.create(path)
        plain.close()
        refused(
            """
            error: the file is not a checkpoint: it has no attribute 'format'
              where: file 'PATH'
              do: give a file from RUN/checkpoints
            """
        ) { _ = try Checkpoint(path: path) }
        let other = try HDF5File.create(path)
        try other.setAttribute(of: "", named: "format", "kairos feature store")
        other.close()
        refused(
            """
            error: the file is not a checkpoint: its format is 'kairos feature store'
              where: file 'PATH'
              do: give a file from RUN/checkpoints
            """
        ) { _ = try Checkpoint(path: path) }
        let later = try HDF5File.create(path)
        try later.setAttribute(of: "", named: "format", Checkpoint.format)
        try later.setAttribute(of: "", named: "version", 9)
        later.close()
        refused(
            """
            error: the checkpoint has version 9, this program reads version 1
              where: file 'PATH'
              do: use the program that wrote it
            """
        ) { _ = try Checkpoint(path: path) }
    }

    func testCheckpointsOfAnotherModel() throws {
        try Checkpoint.write(state(), header: header, to: path)
        let checkpoint = try Checkpoint(path: path)
        refused(
            """
            error: the checkpoint is of another model: its shape is [3, 2, 3], the model's is [4, 2, 3]
              where: file 'PATH', parameter 'conv.weight'
              do: use the configuration that the checkpoint was trained with (inspect shows it), or start a new run
            """
        ) { try checkpoint.restore(into: state(.usual(output: 4))) }
        let renamed = TwoLayers(TwoLayers.usual().layers.map { ($0.0 == "scale" ? "factor" : $0.0, $0.1) })
        refused(
            """
            error: the checkpoint is of another model: it lacks 1 of the model's 3 parameters (factor); it holds 1 that the model does not have (scale)
              where: file 'PATH'
              do: use the configuration that the checkpoint was trained with (inspect shows it), or start a new run
            """
        ) { try checkpoint.restore(into: state(renamed)) }
    }

    func testNothingIsLeftOfAWriteThatFails() throws {
        XCTAssertThrowsError(try Checkpoint.write(state(), header: header, to: folder + "/missing/step-00000007.h5")) { error in
            XCTAssertEqual(
                "\(error)",
                """
                error: the output's folder '\(folder)/missing' does not exist
                  where: file '\(folder)/missing/step-00000007.h5'
                  do: make the folder or choose another output path
                """)
        }
    }
}
