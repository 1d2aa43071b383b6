import Checkpoints
import Collectives
import Configuration
import Diagnostics
import Foundation
import Kernels
import RunRecords
import TemporalAnnotations
import TrainingMethods

/// The run's folder, and continuing with what it holds.
extension TrainingRun {
    /// Makes the folder and locks it for this job.
    ///
    /// - Returns: a warning where the file system does not lock.
    func takeFolder() throws -> [String] {
        try communicator.throwTogether {
            if communicator.isRoot { try makeFolders() }
        }
        let lock = try communicator.lock(.folder(folder.path, names: RunFolder.names))
        self.lock = lock
        try communicator.barrier()
        return lock.warning.map { [$0] } ?? []
    }

    /// Continues from the newest checkpoint in the folder, or begins; says which in `notes`.
    ///
    /// - Throws: `Failure` on all ranks when the checkpoint is that of another run, and when there is one without `resume`.
    func goOn(resume: Bool) throws {
        let (going, damaged) = try Activity.during(stage: "reading a checkpoint") {
            try communicator.throwTogether {
                RunWindow.readingCheckpoint.pass()
                return try restore(resume: resume)
            }
        }
        notes.append(try ProductChoice.set(configuration.training, recorded: going?.header.recordedGemm, communicator: communicator))
        if let going {
            notes += extended.map { [Self.text($0)] } ?? []
            notes.append("going on from step \(trainer.state.step) of \(trainer.iterations)")
            notes += [going.header.otherBuildNote, going.header.otherLibrariesNote(MatrixMultiply.libraries)].compactMap { $0 }
        } else if resume {
            notes.append("no checkpoint in '\(trainer.checkpoints.path)': starting afresh")
        }
        try communicator.agree(on: "step \(trainer.state.step)", name: "the step to go on from")
        if communicator.isRoot { setAside(damaged) }
        try communicator.throwTogether {
            guard communicator.isRoot else { return }
            lock?.sweep(folder.subfolders)
            if !resume { trainer.checkpoints.removeAll(after: -1) }
            try folder.write(configuration: configuration.canonicalYAML)
            try folder.write(truth: truth())
        }
    }

    /// What is known of the recordings that the run detects in and learns from, in this order.
    private func truth() throws -> AnnotationSet {
        let training = try store.videos(inSubset: configuration.data.trainingSubset, key: "data.training_subset")
        var seen = Set<VideoID>()
        let videos = ((evaluated?.truth ?? []) + training.map { store.videos[$0].annotation }).filter { seen.insert($0.id).inserted }
        return AnnotationSet(version: "", classes: store.classes, videos: videos)
    }

    private func makeFolders() throws {
        try Self.makeFolder(folder.path)
        for file in folder.files { try requireWritablePlace(of: file) }
        for place in folder.subfolders {
            var isFolder: ObjCBool = false
            guard FileManager.default.fileExists(atPath: place, isDirectory: &isFolder), !isFolder.boolValue else { continue }
            throw Failure.failed("a file stands where the run's folder is to be", at: .file(place), advice: "remove it, or choose another --output")
        }
        try Self.makeFolder(folder.checkpoints)
    }

    /// Makes a folder and those above it.
    static func makeFolder(_ path: String) throws {
        var isFolder: ObjCBool = false
        if FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue { return }
        let parent = URL(fileURLWithPath: path).deletingLastPathComponent().path
        if parent != path, !FileManager.default.fileExists(atPath: parent) { try makeFolder(parent) }
        guard mkdir(path, 0o777) == 0 else {
            let code = errno, reason = String(cString: strerror(code))
            // Another rank was faster.
            if code == EEXIST, FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue { return }
            throw Failure.failed(
                "the folder cannot be made: \(reason)", at: .file(path), advice: "choose another --output or change the permissions above it")
        }
    }

    /// Continues from the newest checkpoint that reads whole.
    ///
    /// - Returns: that checkpoint, nil for a run that begins; the newer ones that do not read whole, with what is wrong.
    private func restore(resume: Bool) throws -> (Checkpoint?, damaged: [(step: Int, failure: Failure)]) {
        let checkpoints = trainer.checkpoints
        guard let newest = checkpoints.steps.last else { return (nil, []) }
        guard resume else {
            throw Failure.wrongUsage(
                "the folder holds checkpoints of a run, the newest at step \(newest)", at: .file(folder.path),
                advice: "add --resume to go on with it, or choose another --output")
        }
        var damaged: [(step: Int, failure: Failure)] = []
        for step in checkpoints.steps.reversed() {
            let checkpoint: Checkpoint
            do {
                checkpoint = try Checkpoint(path: checkpoints.file(step: step))
            } catch let failure as Failure {
                damaged.append((step, failure))
                continue
            }
            let before = try requireSameRun(checkpoint)
            try trainer.restore(checkpoint)
            if extends { extended = try extended(before, checkpoint) }
            // Evaluations without a gain count from here on.
            if extended != nil { trainer.validated.since = 0 }
            return (checkpoint, damaged)
        }
        throw damaged[0].failure
    }

    private func setAside(_ damaged: [(step: Int, failure: Failure)]) {
        for (step, failure) in damaged {
            let place = trainer.checkpoints.setAside(step: step).map { ", now '\($0)'" } ?? ""
            notes.append("warning: passed over the checkpoint '\(trainer.checkpoints.file(step: step))'\(place): \(failure.what)")
        }
    }

    /// Keys that may change between a run and its continuation: they change no bit of the result. `training.gemm` is compared with what the run used.
    private static let freeKeys = RunConfiguration.keysWithoutConsequence.union([
        "data.annotations", "data.labeled_order", "data.evaluation_subset", "training.evaluate_weights", "training.gemm",
        "data.validation_subset", "training.evaluate_every", "training.patience", "training.evaluate_checkpoint",
        // The checkpoint holds what became of them.
        "training.initial_weights",
    ])

    /// What is detected may decide what is learnt; otherwise the run detects at its end alone.
    private func isFree(_ key: String) -> Bool {
        if key.hasPrefix("test.") { return !type(of: configuration.method).learnsFromDetections || key == "test.tiou_thresholds" }
        return Self.freeKeys.contains(key)
    }

    /// - Returns: the configuration of the checkpoint.
    private func requireSameRun(_ checkpoint: Checkpoint) throws -> RunConfiguration {
        let header = checkpoint.header
        guard header.storeDigest == store.digest else {
            throw Failure.badInput(
                "the run was trained on another feature store: digest \(header.storeDigest.prefix(12))..., "
                    + "this one has \(store.digest.prefix(12))...",
                at: .file(checkpoint.path), .file(store.path), advice: "resume with the store of the run")
        }
        try checkpoint.requireClassesAndRate(of: store)
        if let wanted = ProductChoice.named(configuration.training), let used = header.recordedGemm, wanted != used {
            throw Failure.wrongUsage(
                "the run multiplies with \(used.rawValue), but training.gemm is now \(wanted.rawValue)", at: .file(checkpoint.path),
                .key("training.gemm"), advice: "set it to \(used.rawValue) or auto, or choose another --output")
        }
        let before = try RunConfiguration(checkpoint: checkpoint.header.configuration, file: checkpoint.path, registry: configuration.registry)
        for (old, new) in zip(before.lines, configuration.lines) where old != new && !isFree(new.key) {
            if extends, Self.lengthKeys.contains(new.key) { continue }
            throw Failure.wrongUsage(
                "the run was begun with \(old.key) = \(old.value), now it is \(new.value)", at: .file(checkpoint.path), .key(new.key),
                advice: "resume with the configuration of the run (\(folder.configuration)), or choose another --output")
        }
        // The digest tells more than the list's path; imported weights have none.
        guard header.labeledDigest.isEmpty || header.labeledDigest == trainer.labeledDigest else {
            throw Failure.wrongUsage(
                "the run was begun with other labelled recordings: the digest of their names is \(header.labeledDigest.prefix(12))..., "
                    + "now it is \(trainer.labeledDigest.prefix(12))...",
                at: .file(checkpoint.path), .key("data.labeled_order"),
                advice: "resume with the run's list of labelled recordings, or choose another --output")
        }
        return before
    }
}
