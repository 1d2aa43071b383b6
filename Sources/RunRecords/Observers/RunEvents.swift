/// A stage of a run.
public struct RunStage: Equatable, Sendable {
    public var name: String
    /// Of the whole run, counted from 0.
    public var steps: Range<Int>

    public init(name: String, steps: Range<Int>) {
        self.name = name
        self.steps = steps
    }
}

/// A run at its beginning.
public struct RunStart: Equatable, Sendable {
    public var folder: RunFolder
    /// Steps done: more than 0 in a run that continues.
    public var step: Int
    /// Steps of the whole run.
    public var iterations: Int
    public var stages: [RunStage]
    /// Whether the run is made longer at this step: an `ExtensionRecord` follows.
    public var isExtended: Bool

    public init(folder: RunFolder, step: Int, iterations: Int, stages: [RunStage], isExtended: Bool = false) {
        self.folder = folder
        self.step = step
        self.iterations = iterations
        self.stages = stages
        self.isExtended = isExtended
    }
}

/// A step that is done.
public struct StepEnd: Equatable, Sendable {
    /// Steps done, this one among them.
    public var step: Int
    /// Parts of its loss by name, `total` among them.
    public var loss: [String: Double]

    public init(step: Int, loss: [String: Double]) {
        self.step = step
        self.loss = loss
    }
}

/// The scores of the detections that an evaluation compares.
public struct DetectionScores: Equatable, Sendable {
    /// Steps done.
    public var step: Int
    /// Whether they are those of `predictions.json`, not of an evaluation while the run trains.
    public var isAtEnd: Bool
    /// Of every detection, in no order.
    public var scores: [Double]

    public init(step: Int, isAtEnd: Bool, scores: [Double]) {
        self.step = step
        self.isAtEnd = isAtEnd
        self.scores = scores
    }
}

/// A run at its end.
public struct RunEnd: Equatable, Sendable {
    /// Steps done, and of how many.
    public var step: Int
    public var iterations: Int
    /// Why the run failed or was interrupted; nil when it ended as asked.
    public var failure: String?

    public init(step: Int, iterations: Int, failure: String? = nil) {
        self.step = step
        self.iterations = iterations
        self.failure = failure
    }
}
