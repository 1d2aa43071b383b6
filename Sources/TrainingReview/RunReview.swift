import FeatureStore
import NeuralNetworks
import Sampling
import TemporalAnnotations
import TrainingMethods

/// The review of a run before its first step: what it is trained on, and which of its settings look like mistakes.
package struct RunReview {
    let configuration: RunConfiguration
    let store: FeatureStore
    let recordings: TrainingRecordings
    let stages: [TrainingStage]
    let iterationsPerEpoch: Int

    package init(
        configuration: RunConfiguration, store: FeatureStore, recordings: TrainingRecordings, stages: [TrainingStage], iterationsPerEpoch: Int
    ) {
        self.configuration = configuration
        self.store = store
        self.recordings = recordings
        self.stages = stages
        self.iterationsPerEpoch = iterationsPerEpoch
    }

    /// Notes, and lines that begin with `warning: `.
    package var lines: [String] { subsetLines + classLines + scheduleLines }

    // MARK: What is learnt from

    private var subsetLines: [String] {
        let training = recordings.labeled + recordings.unlabeled
        let own = store.videos[training[0]].annotation.subset
        var lines = [trainingLine(own, count: training.count)]
        if let subset = evaluated {
            lines.append("evaluates on the subset '\(subset)': \(counted(count(subset), "recording"))")
            if subset == own {
                lines.append(
                    "warning: training and evaluation subset are the same, '\(own)': the metrics say nothing of other recordings; "
                        + "set data.evaluation_subset")
            }
        }
        for (subset, twin) in twins {
            lines.append(
                "warning: the subsets '\(subset)' (\(counted(count(subset), "recording"))) and "
                    + "'\(twin)' (\(counted(count(twin), "recording"))) differ in case alone; each is taken by its own name")
        }
        if !configuration.isWritten("data.training_subset"), let other = likelierSubset(than: own) {
            lines.append(
                "warning: data.training_subset is not set, and its default '\(configuration.data.trainingSubset)' is the subset '\(own)' of "
                    + "\(counted(count(own), "recording")), while '\(other)' has \(count(other)); set data.training_subset")
        }
        return lines
    }

    private func trainingLine(_ subset: Subset, count: Int) -> String {
        let annotations = recordings.labeled.map { store.videos[$0].annotation }
        var line = "trains on the subset '\(subset)': \(counted(count, "recording")), \(recordings.labeled.count) labelled, with "
        line += counted(annotations.reduce(0) { $0 + $1.instances.count }, "action")
        line += " of \(Set(annotations.flatMap(\.knownClasses)).count) of the \(counted(store.classes.count, "class", "classes"))"
        let weak = annotations.count(where: \.isWeaklyLabelled), empty = annotations.count { $0.knownClasses.isEmpty }
        if weak > 0 { line += "; \(weak) with weak labels only" }
        if empty > 0 { line += "; \(empty) labelled without any action" }
        return line
    }

    private var evaluated: Subset? {
        guard let name = configuration.data.evaluationSubset else { return nil }
        return try? annotations.subset(named: name)
    }

    private var annotations: AnnotationSet { AnnotationSet(version: "", classes: store.classes, videos: store.videos.map(\.annotation)) }

    private func count(_ subset: Subset) -> Int { store.videos.reduce(0) { $0 + ($1.annotation.subset == subset ? 1 : 0) } }

    /// Pairs of subsets that differ in case alone.
    private var twins: [(Subset, Subset)] {
        let all = annotations.subsets
        return all.indices.flatMap { i in
            all[(i + 1)...].filter { $0.rawValue.lowercased() == all[i].rawValue.lowercased() }.map { (all[i], $0) }
        }
    }

    /// A subset with actions that is probably meant: neither learnt from nor evaluated, named for training or of more recordings.
    private func likelierSubset(than own: Subset) -> Subset? {
        func labelled(_ subset: Subset) -> Int {
            store.videos.reduce(0) { $0 + ($1.annotation.subset == subset && !$1.annotation.knownClasses.isEmpty ? 1 : 0) }
        }
        func isNamedForTraining(_ subset: Subset) -> Bool { subset.rawValue.lowercased().hasPrefix("train") }
        guard !isNamedForTraining(own) else { return nil }
        let others = annotations.subsets.filter { $0 != own && $0 != evaluated && labelled($0) > 0 }
        if let named = others.first(where: isNamedForTraining) { return named }
        return others.max { labelled($0) < labelled($1) }.flatMap { labelled($0) > labelled(own) ? $0 : nil }
    }

    private var classLines: [String] {
        var counts = [Int](repeating: 0, count: store.classes.count)
        for video in recordings.labeled { for label in store.videos[video].annotation.knownClasses { counts[label] += 1 } }
        func names(_ classes: [Int]) -> String {
            classes.prefix(8).map { "'\(store.classes.names[$0])'" }.joined(separator: ", ") + (classes.count > 8 ? ", ..." : "")
        }
        let declared = Set(configuration.training.emptyClasses)
        let missing = counts.indices.filter { counts[$0] == 0 && !declared.contains($0) }
        let filled = counts.indices.filter { counts[$0] > 0 && declared.contains($0) }
        var lines: [String] = []
        if !missing.isEmpty {
            lines.append(
                "warning: \(missing.count) of the \(counted(counts.count, "class", "classes")) \(missing.count == 1 ? "has" : "have") "
                    + "no labelled action and cannot be learnt: \(names(missing))")
        }
        if !filled.isEmpty {
            lines.append(
                "warning: training.head_empty_cls names \(counted(filled.count, "class", "classes")) with labelled actions: "
                    + names(filled))
        }
        return lines
    }

    // MARK: Length and learning rates

    private var scheduleLines: [String] {
        var lines: [String] = []
        for group in Self.shared(stages) {
            let length = group.reduce(0) { $0 + $1.iterations }, schedule = group[0].schedule,
                isMain = group[0].name == configuration.method.mainStage
            let name = "'\(group[0].name)'", warmup = schedule.warmupIterations
            if warmup > 0, warmup >= length {
                let whole = group.count > 1 ? "\(name) to '\(group[group.count - 1].name)'" : name
                lines.append(
                    "warning: the warm-up of \(counted(warmup, "iteration")) is as long as \(whole) (\(length)) or longer: "
                        + "the learning rate only rises; lower \(warmupKey(group[0]))")
            } else if warmup > 0, warmup >= group[0].iterations {
                lines.append(
                    "warning: the warm-up of \(counted(warmup, "iteration")) lasts to the end of \(name) (\(group[0].iterations)) or beyond; "
                        + "lower \(warmupKey(group[0]))")
            }
            guard isMain else { continue }
            if case .multistep(let steps, _) = schedule.shape {
                let beyond = steps.filter { warmup + $0 >= length }
                if steps.isEmpty {
                    lines.append("warning: training.schedule is multistep, but training.schedule_steps is empty: the learning rate stays constant")
                } else if let first = beyond.first {
                    lines.append(
                        "warning: \(beyond.count) of the \(counted(steps.count, "step")) in training.schedule_steps, the first "
                            + "\(first) iterations after the warm-up, \(beyond.count == 1 ? "lies" : "lie") beyond the end of \(name) "
                            + "(\(length) iterations, \(warmup) of warm-up): the learning rate does not fall there")
                }
            }
            if length < iterationsPerEpoch {
                lines.append(
                    "\(name) has \(counted(length, "iteration")), less than an epoch (\(iterationsPerEpoch)): some recordings are not seen")
            }
        }
        return lines
    }

    private func warmupKey(_ stage: TrainingStage) -> String {
        if let key = configuration.method.warmupKey(ofStage: stage.name) { return key }
        return configuration.training.warmupEpochs != nil ? "training.warmup_epochs" : "training.warmup_iterations"
    }

    /// Stages of the detector, those together that share a schedule.
    private static func shared(_ stages: [TrainingStage]) -> [[TrainingStage]] {
        var groups: [[TrainingStage]] = []
        for stage in stages where stage.trainsDetector {
            if stage.firstIteration > 0, let last = groups.last?.last, last.schedule == stage.schedule,
                last.firstIteration + last.iterations == stage.firstIteration
            {
                groups[groups.count - 1].append(stage)
            } else {
                groups.append([stage])
            }
        }
        return groups
    }
}
