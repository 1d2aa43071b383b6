import Ablation
import Diagnostics
import Foundation
import RunRecords
import Sampling
import StandardRegistry
import TemporalAnnotations
import TrainingMethods

@testable import Collectives
@testable import FeatureStore
@testable import NeuralNetworks
@testable import PseudoLabels

/// What reads bytes that come from outside.
struct Parser: Sendable {
    /// Adds seeds that are made, not kept, to the first folder of inputs.
    var prepare: @Sendable (_ folder: String?) -> Void = { _ in }
    /// Reads one input. Every input is either read or refused by a `Failure`: whatever else happens is a finding.
    let body: @Sendable (UnsafeRawBufferPointer) -> Void

    init(prepare: @escaping @Sendable (_ folder: String?) -> Void = { _ in }, _ body: @escaping @Sendable (UnsafeRawBufferPointer) throws -> Void) {
        self.prepare = prepare
        self.body = { bytes in
            do {
                try body(bytes)
            } catch let failure as Failure {
                precondition(!failure.what.isEmpty && !failure.advice.isEmpty)
            } catch {
                fatalError("an error of another shape: \(error)")
            }
        }
    }

    /// A reader of files: the input lies in one, in memory.
    static func file(
        _ suffix: String, prepare: @escaping @Sendable (_ folder: String?) -> Void = { _ in }, _ body: @escaping @Sendable (String) throws -> Void
    ) -> Parser {
        let path = "/dev/shm/kairos-fuzz-\(getpid())\(suffix)"
        atexit { for suffix in suffixes { unlink("/dev/shm/kairos-fuzz-\(getpid())\(suffix)") } }
        return Parser(prepare: prepare) { bytes in
            place(bytes, at: path)
            try body(path)
        }
    }
}

let suffixes = [".json", ".h5"]

/// Makes a file of some bytes.
func place(_ bytes: UnsafeRawBufferPointer, at path: String) {
    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
    precondition(file >= 0 && write(file, bytes.baseAddress, bytes.count) == bytes.count && close(file) == 0)
}

/// Safe: set before the first input, by the thread that hands inputs over.
nonisolated(unsafe) var chosen: Parser?

private let classes = ClassMap(names: ["a", "b", "c"])

private let numpy = Parser { bytes in
    let bytes = InputBytes(Array(bytes), path: "v.npy")
    let file = try NumpyFile(bytes)
    let (count, overflow) = file.header.rows.multipliedReportingOverflow(by: file.header.columns)
    // A small archive may hold much.
    guard !overflow, count <= 1 << 24 else { return }
    let values = UnsafeMutablePointer<Float>.allocate(capacity: max(count, 1))
    defer { values.deallocate() }
    try file.read(bytes, into: values)
}

let parsers: [String: Parser] = [
    "activitynet": .file(".json") { _ = try AnnotationSet(readingJSON: $0, segments: .lenient) },
    "predictions": .file(".json") { _ = try DetectionFile.read($0, classes: classes) },
    "pseudo-label-file": .file(".json") { _ = try PseudoLabelFile(path: $0, classes: classes) },
    "pseudo-label-message": Parser { bytes in
        let message = try PseudoLabelMessage(Array(bytes))
        var labels: [PseudoLabel] = []
        for run in message.runs { try message.decode(run, into: &labels) }
    },
    "labelled-order": Parser { bytes in
        let names = try LabeledSubset.names(in: Data(bytes), file: "order.json")
        _ = try LabeledSubset.choose(["a", "b", "c", "d"], fraction: 0.5, order: names, seed: 1)
    },
    "configuration": Parser { bytes in
        guard let text = String(data: Data(bytes), encoding: .utf8) else { return }
        let run = try RunConfiguration(yaml: text, file: "c.yaml")
        let again = try RunConfiguration(yaml: run.canonicalYAML, file: "again.yaml")
        precondition(again.canonicalYAML == run.canonicalYAML)
    },
    "ablation-grid": Parser { bytes in _ = try AblationGrid(yaml: String(decoding: bytes, as: UTF8.self), file: "g.yaml") },
    "safetensors": Parser { bytes in _ = try SafetensorsFile(data: Data(bytes), file: "w.safetensors") },
    // Which of the two it is, the bytes say.
    "npy": numpy,
    "npz": numpy,
    "watch-line": Parser { bytes in
        guard let line = WatchLine(String(decoding: bytes, as: UTF8.self)) else { return }
        precondition(WatchLine(line.text) != nil)
    },
    "store": .file(".h5", prepare: { DamagedFile.bareStore.write(into: $0, also: .store) }) { try DamagedFile.store.read($0) },
    "checkpoint": .file(".h5", prepare: { DamagedFile.bareCheckpoint.write(into: $0, also: .checkpoint) }) { try DamagedFile.checkpoint.read($0) },
]
