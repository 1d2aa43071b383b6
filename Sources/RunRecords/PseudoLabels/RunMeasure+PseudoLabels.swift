extension RunMeasure {
    /// The quality of a run's last pseudo-labels; none where it was not measured.
    ///
    /// - Parameter folder: of the run.
    /// - Throws: `Failure` (`.badInput`) for a file of pseudo-labels that cannot be read.
    public static func ofPseudoLabels(inFolder folder: String) throws -> [RunMeasure] {
        guard let quality = try PseudoLabelFile.newestQuality(inFolder: RunFolder(folder).pseudoLabels)?.quality else { return [] }
        return [
            RunMeasure(name: "class accuracy", value: quality.classAccuracy), RunMeasure(name: "average tIoU", value: quality.averageTIoU),
            RunMeasure(name: "positive accuracy", value: quality.positiveAccuracy),
        ]
    }
}
