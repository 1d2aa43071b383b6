import Diagnostics
import HDF5
import NeuralNetworks
import RunRecords

extension Checkpoint {
    /// Writes a checkpoint so that a reader never sees half of it; it is read back and checked before it takes its place.
    ///
    /// - Returns: its digest.
    @discardableResult
    public static func write(_ state: TrainingState, header: Header, to path: String) throws -> String {
        var result = ""
        try replaceFile(at: path) { part in
            let file = try HDF5File.create(part)
            try file.setAttribute(of: "", named: "format", format)
            try file.setAttribute(of: "", named: "version", version)
            let names = state.arena.parameters.map(\.name)
            var sums = Sums()
            for (group, values) in state.arrays {
                for parameter in state.arena.parameters {
                    Activity.tick()
                    let name = "\(group)/\(parameter.name)"
                    let published = parameter.published(values + parameter.arenaOffset)
                    try file.writeFloats(name, shape: parameter.publishedShape, published)
                    sums.add(name, parameter.publishedShape, published)
                }
            }
            let (digest, checksum) = sums.finish(header, names)
            try file.writeStrings("parameters", names)
            try file.writeStrings("classes", header.classes)
            for (name, text) in header.texts { try file.writeStrings(name, [text]) }
            for (name, bytes) in header.methodState { try file.writeBytes("method_state/\(name)", bytes) }
            try file.setAttribute(of: "", named: "step", header.step)
            try file.setAttribute(of: "", named: "optimizer_step", header.optimizerStep)
            try file.setAttribute(of: "", named: "seed", header.seed)
            try file.setAttribute(of: "", named: "input_dimension", header.inputDimension)
            try file.setAttribute(of: "", named: "loss_normalizer", header.lossNormalizer)
            if !header.furtherNormalizers.isEmpty { try file.writeStrings("loss_normalizers", header.furtherNormalizers.keys.sorted()) }
            for (name, value) in header.furtherNormalizers { try file.setAttribute(of: "", named: "loss_normalizer_\(name)", value) }
            try file.setAttribute(of: "", named: "digest", digest)
            try file.setAttribute(of: "", named: "checksum", checksum)
            try file.finishWriting(sealedWithout: groups.flatMap { group in names.map { "\(group)/\($0)" } })
            try requireWhole(part, digest: digest)
            result = digest
        }
        return result
    }

    /// Reads a checkpoint just written back, before it takes the place of others.
    package static func requireWhole(_ path: String, digest: String) throws {
        let what: String
        do {
            guard try Checkpoint(path: path).digest != digest else { return }
            what = "its contents are not those that were written"
        } catch let failure as Failure {
            what = failure.what
        }
        throw Failure.failed(
            "the checkpoint could not be written whole: \(what)", at: .file(path),
            advice: "free space on the disk, or check it for faults, then start again; the earlier checkpoints are kept")
    }
}
