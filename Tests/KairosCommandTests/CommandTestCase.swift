import Foundation
import XCTest

/// A test with a folder of its own that starts `kairos` as a user does, alone and under mpirun.
class CommandTestCase: XCTestCase {
    private(set) var folder = ""
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    /// Tests in the background of a script, or under nohup, have these ignored, and so would the programs that they start.
    override class func setUp() {
        super.setUp()
        for number in [SIGINT, SIGHUP] { signal(number, SIG_DFL) }
    }
    override func setUpWithError() throws { try makeFolder() }
    override func tearDown() { removeFolder() }

    func makeFolder() throws {
        folder = NSTemporaryDirectory() + "/kairos-train-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }
    func removeFolder() { try? FileManager.default.removeItem(atPath: folder) }

    /// A model that trains in milliseconds, as a section of a configuration.
    static func tinyModel(width: Int = 8) -> String {
        """
        model:
          backbone_arch: [1, 1, 2]
          n_mha_win_size: 5
          n_head: 2
          embd_dim: \(width)
          fpn_dim: \(width)
          head_dim: \(width)
          regression_range: [[0, 4], [4, 16], [16, 10000]]
        """
    }

    /// A whole APL run of 30 iterations of burn-in: its stages end at steps 4, 34, 39 and 44.
    static let tinyStages = """
        apl: {pretraining_iterations: 4, round_iterations: 5, rounds: 2, unlabeled_batch_size: 4, selection_floor: 0.002}
        icd: {hidden: 8, learning_rate: 0.05, eap_threshold: 0.4, mpp_threshold: 0.6}
        acp: {frames: 16}
        """

    /// Makes FOLDER/store.h5: three classes, 8 columns.
    func makeStore(videos: Int) throws {
        let made = try kairos(
            "synthesize", "--output", folder + "/store.h5", "--videos", "\(videos)", "--classes", "3", "--dimension", "8", "--seed", "5")
        XCTAssertEqual(made.code, 0, made.errors)
    }

    /// Makes a store of 12 recordings and FOLDER/run.yaml, a short supervised run over it.
    func makeRun(shards: Int, training: String) throws {
        try makeStore(videos: 12)
        try write(
            """
            data: {store: FOLDER/store.h5, virtual_shards: \(shards), batch_size: \(shards), max_rows: 100}
            \(Self.tinyModel())
            training: {\(training), learning_rate: 0.01, threads: 1}
            test: {max_seg_num: 20}
            """, "run.yaml")
    }

    /// The longest run of bytes without zeros lies within values.
    static func withinValues(_ bytes: Data) -> Range<Int> {
        var best = 0..<0, first = 0
        for (place, byte) in bytes.enumerated() where byte == 0 {
            if place - first > best.count { best = first..<place }
            first = place + 1
        }
        return best
    }

    /// Writes a file of the test's folder, with that folder for the word FOLDER.
    func write(_ text: String, _ name: String) throws {
        try Data(text.replacingOccurrences(of: "FOLDER", with: folder).utf8).write(to: URL(fileURLWithPath: folder + "/" + name))
    }

    typealias Ended = (code: Int32, output: String, errors: String)

    var executable: URL {
        URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath().deletingLastPathComponent().appendingPathComponent("kairos")
    }

    func kairos(_ arguments: String...) throws -> Ended { try start(executable, arguments) }

    func mpirun(_ ranks: Int, _ arguments: String...) throws -> Ended { try mpirun(ranks, arguments) }

    /// - Parameter program: what is started on every rank with the arguments; nil: the program.
    func mpirun(_ ranks: Int, _ arguments: [String], program: [String]? = nil) throws -> Ended {
        try start(root.appendingPathComponent("launch/mpirun"), ["\(ranks)"] + (program ?? [executable.path]) + arguments)
    }

    func start(_ program: URL, _ arguments: [String]) throws -> Ended {
        let process = Process()
        process.executableURL = program
        process.arguments = arguments
        // Other tests of this process start MPI, which leaves its marks in the environment.
        let marks = ["OMPI_", "PMIX_", "PMI_", "ORTE_", "OPAL_"]
        var environment = ProcessInfo.processInfo.environment.filter { variable in !marks.contains { variable.key.hasPrefix($0) } }
        // For scripts that would build otherwise.
        environment["KAIROS"] = executable.path
        process.environment = environment
        // Through files: pipes of several ranks could fill up.
        let paths = ["out", "err"].map { folder + "/" + $0 }
        for path in paths { _ = FileManager.default.createFile(atPath: path, contents: nil) }
        process.standardOutput = FileHandle(forWritingAtPath: paths[0])
        process.standardError = FileHandle(forWritingAtPath: paths[1])
        try process.run()
        process.waitUntilExit()
        let texts = try paths.map { try String(contentsOfFile: $0, encoding: .utf8) }
        return (process.terminationStatus, texts[0], texts[1].replacingOccurrences(of: folder, with: "FOLDER"))
    }

    func object(_ ended: Ended, line: UInt = #line) throws -> [String: Any] {
        XCTAssertEqual(ended.code, 0, ended.errors, line: line)
        return try XCTUnwrap(JSONSerialization.jsonObject(with: Data(ended.output.utf8)) as? [String: Any], ended.output, line: line)
    }

    func file(_ path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: folder + "/" + path)) }
}
