import RunRecords
import Training

extension AblationTable {
    /// The quality of a run's last pseudo-labels, where it was measured.
    ///
    /// - Parameter folder: of the run.
    public static func pseudoLabelMeasures(inFolder folder: String) throws -> [Measure] {
        guard let quality = try PseudoLabelFile.newestQuality(inFolder: RunFolder(folder).pseudoLabels)?.quality else { return [] }
        return [
            Measure(name: "class accuracy", value: quality.classAccuracy), Measure(name: "average tIoU", value: quality.averageTIoU),
            Measure(name: "positive accuracy", value: quality.positiveAccuracy),
        ]
    }
}
