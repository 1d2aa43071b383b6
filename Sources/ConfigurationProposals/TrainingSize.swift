/// How much a run computes: shards, batch, crops, length, width, as pure functions of the data.
public struct TrainingSize: Equatable, Sendable {
    /// At least as many recordings are needed as virtual shards.
    public var shards: Int
    public var batch: Int
    public var iterations: Int
    public var warmup: Int
    public var width: Int
    public var learningRate: Double

    /// Rows that a step should see.
    public static let rowsPerStep = 2048.0
    static let mostRecordings = 16
    /// Times that a recording is seen.
    public static let epochs = 30
    public static let leastIterations = 600, mostIterations = 20_000
    /// Recordings of more rows are cropped: twice the published `max_seq_len` of THUMOS14.
    public static let wholeRows = 4608

    /// - Parameters:
    ///   - recordings: whose labels are used, at least as many as `shards`.
    ///   - shards: virtual shards, at least 1.
    ///   - medianRows: of a recording.
    ///   - actions: labelled ones.
    public init(recordings: Int, shards: Int, medianRows: Double, actions: Int) {
        self.shards = shards
        let wanted = min(Int(Self.rowsPerStep / max(medianRows, 1)), Self.mostRecordings, recordings / 8)
        batch = max(1, wanted / shards) * shards
        let seen = (Self.epochs * recordings + batch - 1) / batch
        iterations = (min(max(seen, Self.leastIterations), Self.mostIterations) + 99) / 100 * 100
        warmup = iterations / 20
        width = actions < 500 ? 128 : actions < 5000 ? 256 : 512
        learningRate = Self.learningRate(width: width)
    }

    /// At 128 channels 3e-4 and 1e-3 are about equal on EMG gestures (600 iterations). At 256 channels proposals with 5e-4 train well on SBHAR. Published:
    /// 1e-4 at 512.
    static func learningRate(width: Int) -> Double { width <= 128 ? 1e-3 : width <= 256 ? 3e-4 : 1e-4 }

    /// Shards for some ranks: as many as ranks, two at least, so that two ranks may take part later; nil when there are fewer recordings than ranks.
    public static func shards(ranks: Int, recordings: Int) -> Int? {
        if ranks == 1 { return min(2, max(recordings, 1)) }
        return recordings >= ranks ? ranks : nil
    }

    /// Rows that recordings are cropped to; nil: none is.
    public static func maximumRows(longest: Double, longestAction: Double) -> Int? {
        guard longest > Double(wholeRows) else { return nil }
        return Int(min(longest, max(Double(wholeRows), 4 * longestAction)).rounded(.up))
    }
}
