import Checkpoints
import Diagnostics
import Foundation
import NeuralNetworks
import RunRecords
import TemporalAnnotations
import TestSupport

@testable import FeatureStore

/// Small HDF5 files that are damaged at random, each opened by a process of its own, so that a signal ends that one alone.
enum DamagedFile: String, CaseIterable {
    case store, checkpoint
    /// As other programs and version 0.1.0 write them: without the digest of the index.
    case bareStore = "bare-store"
    case bareCheckpoint = "bare-checkpoint"

    private var isStore: Bool { self == .store || self == .bareStore }
    private var isBare: Bool { self == .bareStore || self == .bareCheckpoint }

    /// - Returns: whether every damaged file was read or refused in order.
    func damage(count: Int, seed: UInt64) throws -> Bool {
        let path = "/dev/shm/kairos-damage-\(getpid()).h5"
        defer { unlink(path) }
        let whole = try bytes()
        // Where the bytes are not zero: the index, not the room that is left in it.
        let regions = whole.indices.filter { whole[$0] != 0 }.map { $0..<$0 + 1 }
        var refused = 0, read = 0, bad: [(number: Int, status: Int32)] = []
        for number in 0..<count {
            try Data(Damage.damaged(whole, seed: seed, number: number, regions: regions)).write(to: URL(fileURLWithPath: path))
            switch childStatus(path) {
            case 0: read += 1
            case 3 << 8: refused += 1
            case let status: bad.append((number, status))
            }
        }
        print("\(rawValue): \(count) damages with seed \(seed): \(refused) refused, \(read) read, \(bad.count) ended otherwise")
        for one in bad.prefix(20) {
            print("  number \(one.number): \(one.status & 0x7f != 0 ? "signal \(one.status & 0x7f)" : "exit code \(one.status >> 8)")")
        }
        return bad.isEmpty
    }

    /// Opens a file in a child process.
    private func childStatus(_ path: String) -> Int32 {
        fflush(nil)
        var child = pid_t()
        let words = [CommandLine.arguments[0], "read", rawValue, path]
        let arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { arguments.forEach { free($0) } }
        guard posix_spawn(&child, "/proc/self/exe", nil, nil, arguments, environ) == 0 else { return -1 }
        var status: Int32 = 0
        waitpid(child, &status, 0)
        return status
    }

    /// The whole file.
    func bytes() throws -> [UInt8] {
        let path = "/dev/shm/kairos-whole-\(getpid()).h5"
        defer { unlink(path) }
        if isStore {
            try FeatureStoreWriter().write(
                try SyntheticFeatures(
                    annotations: try SyntheticFeatures.annotations(videos: 4, classes: 3, seed: 1), dimension: 4, stride: 60, window: 60, seed: 1),
                to: path)
        } else {
            let state = TrainingState(arena: ParameterArena(SmallModel()), weightDecay: 0.1, emaDecay: 0.9, initialLossNormalizer: 100)
            let header = Checkpoint.Header(
                programVersion: "0.1.0", step: 7, optimizerStep: 7, seed: 3, lossNormalizer: 1, configuration: "data:\n  store: s.h5\n",
                configurationDigest: "c", storeDigest: "s", classes: ["a", "b"], inputDimension: 2, methodState: ["round": [1, 2, 3]])
            try Checkpoint.write(state, header: header, to: path)
        }
        var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        if isBare {
            bytes.removeLast(bytes.count - Damage.endOfHDF5(bytes))
        }
        return bytes
    }

    func write(into folder: String?, also other: DamagedFile) {
        guard let folder else { return }
        for file in [self, other] {
            guard let bytes = try? file.bytes() else { continue }
            try? Data(bytes).write(to: URL(fileURLWithPath: "\(folder)/\(file.rawValue)"))
        }
    }

    /// Reads all of a file.
    func read(_ path: String) throws {
        guard isStore else {
            _ = try Checkpoint(path: path).published(.current)
            return
        }
        let store = try FeatureStore(path: path)
        for video in store.videos.indices { _ = try store.read(0..<min(store.videos[video].rows, 100), ofVideo: video) }
    }
}

private final class SmallModel: Module {
    let weight = Parameter(.convolution(kernel: 3, input: 2, output: 4), count: 24, isDecayed: true, initialization: .constant(0.5))
    let scale = Parameter(.scalar, count: 1, isDecayed: false, initialization: .constant(1))
    func visitParameters(_ visitor: ParameterVisitor) {
        visitor.visit("conv.weight", weight)
        visitor.visit("scale", scale)
    }
}
