import Configuration

extension RunConfiguration {
    /// Checks that look at more than one key.
    func check(_ keys: ConfigurationKeys) throws {
        guard !data.store.isEmpty else {
            throw keys.refusal(
                "the feature store is not named", at: "data.store", advice: "give the path of a store made by 'kairos import' or 'kairos synthesize'")
        }
        if method.trainsDetector { try checkLength(keys) }
        if training.schedule != .multistep, !training.scheduleSteps.isEmpty {
            throw keys.refusal(
                "schedule_steps are given, but the schedule is \(training.schedule.rawValue)", at: "training.schedule_steps",
                advice: "set training.schedule to multistep, or remove the steps")
        }
        try checkEvaluation(keys)
        try checkTuning(keys)
        try model.check(keys)
        let detector = type(of: model)
        if training.dropout > 0, !detector.hasDropout {
            throw keys.refusal(
                "dropout \(training.dropout) is set, but \(detector.title) has none", at: "training.dropout",
                advice: "remove the key; training.droppath is there")
        }
        try model.check(classScores: test.classScores, keys)
        try checkWindows(keys)
        if detector.seesWholeRecordings { try checkWholeRecordings(keys) }
        try method.check(self, keys)
    }

    /// Windows need a length, and a method that learns from them.
    private func checkWindows(_ keys: ConfigurationKeys) throws {
        guard data.windowStride != nil else { return }
        guard type(of: method).usesWindows else {
            throw keys.refusal(
                "window_stride is set, but the method '\(methodName)' learns from recordings", at: "data.window_stride", advice: "remove the key")
        }
        guard data.maxRows != nil, data.cropRatio == nil else {
            throw keys.refusal(
                data.maxRows == nil ? "windows have no length" : "windows are not cropped",
                at: data.maxRows == nil ? "data.max_rows" : "data.crop_ratio",
                advice: data.maxRows == nil
                    ? "set data.max_rows, or remove data.window_stride" : "set data.crop_ratio to null, or remove data.window_stride"
            )
        }
    }

    /// Nothing may cut or mix recordings.
    private func checkWholeRecordings(_ keys: ConfigurationKeys) throws {
        let set: [(key: String, isSet: Bool)] = [
            ("data.max_rows", data.maxRows != nil), ("data.crop_ratio", data.cropRatio != nil), ("training.mixup_alpha", training.mixupAlpha != nil),
        ]
        guard let key = set.first(where: \.isSet)?.key else { return }
        throw keys.refusal(
            "\(key.drop { $0 != "." }.dropFirst()) is set, but \(type(of: model).title) sees recordings whole", at: key, advice: "set it to null")
    }

    /// What evaluations while the run trains need.
    private func checkEvaluation(_ keys: ConfigurationKeys) throws {
        if training.evaluateEvery == nil {
            let asked = training.patience != nil ? "patience" : training.evaluateCheckpoint == .best ? "evaluate_checkpoint" : nil
            if let asked {
                throw keys.refusal(
                    "\(asked) needs evaluations while the run trains", at: "training.\(asked)",
                    advice: "set training.evaluate_every, or remove the key")
            }
        } else if data.validationSubset ?? data.evaluationSubset == nil {
            throw keys.refusal(
                "there is no subset to evaluate on while the run trains", at: "training.evaluate_every",
                advice: "name data.validation_subset, or set training.evaluate_every to null")
        }
    }

    /// What is said of a detector's parameters needs a detector that is trained.
    private func checkTuning(_ keys: ConfigurationKeys) throws {
        let tuning = training.tuning, unused = TuningConfiguration(), detector = type(of: model)
        if tuning.classWeights != nil, !detector.hasClassWeights {
            throw keys.refusal(
                "class_weights are set, but \(detector.title) weighs no classes", at: "training.class_weights", advice: "remove the key")
        }
        if tuning.accumulate > 1 { try checkAccumulation(keys) }
        guard !method.trainsDetector, tuning != unused else { return }
        let key =
            tuning.initialWeights != nil
            ? "initial_weights" : !tuning.frozen.isEmpty ? "frozen" : tuning.classWeights != nil ? "class_weights" : "learning_rate_factors"
        throw keys.refusal(
            "\(key) is set, but this run trains no detector", at: "training.\(key)", advice: "remove the key, or train a detector")
    }

    private func checkAccumulation(_ keys: ConfigurationKeys) throws {
        let parts = training.tuning.accumulate, recordings = data.batchSize / max(data.virtualShards, 1), path = "training.accumulate"
        guard type(of: method).accumulates else {
            throw keys.refusal(
                "accumulate is \(parts), but the method '\(methodName)' sees the recordings of a step together", at: path,
                advice: "set it to 1; more data.virtual_shards hold fewer recordings each")
        }
        guard training.mixupAlpha == nil else {
            throw keys.refusal("accumulate is \(parts), but MixUp mixes recordings of a step", at: path, advice: "set one of the two to its default")
        }
        guard parts <= recordings else {
            throw keys.refusal(
                "accumulate is \(parts), but a virtual shard has \(recordings) of the step's \(data.batchSize) recordings", at: path,
                advice: "give at most data.batch_size / data.virtual_shards")
        }
    }

    private func checkLength(_ keys: ConfigurationKeys) throws {
        try requireWholeBatches(data.batchSize, named: "batch_size", at: "data.batch_size", keys)
        switch (training.iterations, training.epochs) {
        case (.some, .some):
            throw keys.refusal(
                "both iterations and epochs are given", at: "training.epochs", advice: "keep one of training.iterations and training.epochs")
        case (nil, nil):
            throw keys.refusal(
                "the length of the run is not given", at: "training.iterations", advice: "set one of training.iterations and training.epochs")
        default: break
        }
        if training.warmupIterations != nil, training.warmupEpochs != nil {
            throw keys.refusal(
                "both warmup_iterations and warmup_epochs are given", at: "training.warmup_epochs",
                advice: "keep one of training.warmup_iterations and training.warmup_epochs")
        }
    }

    /// - Throws: `Failure` when a number of recordings per iteration cannot be dealt to the virtual shards.
    public func requireWholeBatches(_ size: Int, named name: String, at path: String, _ keys: ConfigurationKeys) throws {
        guard size % data.virtualShards == 0 else {
            throw keys.refusal(
                "\(name) \(size) is not a multiple of virtual_shards \(data.virtualShards)", at: path,
                advice: "every virtual shard takes the same number of recordings per iteration: choose a multiple, or fewer shards")
        }
    }
}
