import AdaptivePseudoLabels
import Benchmarks
import Collectives
import Detectors
import Foundation
import ScalingPlans
import TrainingMethods

/// What one rank takes for the work of a configuration, measured here.
struct PlanMeasurement: Encodable {
    var secondsPerRow: Double
    var secondsPerStep: Double
    var secondsPerDetectedRow: Double
    var secondsPerAddedByte: Double
    var parameters: Int
    /// Rows of the recordings that were measured.
    var rows: [Int]

    enum CodingKeys: String, CodingKey {
        case parameters, rows
        case secondsPerRow = "seconds_per_row"
        case secondsPerStep = "seconds_per_step"
        case secondsPerDetectedRow = "seconds_per_detected_row"
        case secondsPerAddedByte = "seconds_per_added_byte"
    }

    /// Steps of one recording each, of two lengths: the line through their least times.
    init(_ configuration: RunConfiguration, dimension: Int, classes: Int, longest: Int, repetitions: Int, _ world: Communicator) throws {
        let rows = [max(1, longest / 4), longest]
        var parameters = 0
        func seconds(_ phase: StepBenchmark.Phase, _ rows: Int) throws -> Double {
            let steps = StepBenchmark.dense(rows: rows, classes: classes, steps: 1, configuration.data)
            let benchmark = try StepBenchmark(
                configuration, phase: phase, dimension: dimension, classes: classes, steps: steps, communicator: world)
            parameters = benchmark.parameters
            var least = Double.infinity
            for repetition in 0...repetitions {
                let began = StepReport.now()
                try benchmark.repetition()
                if repetition > 0 { least = min(least, StepReport.now() - began) }
            }
            return least
        }
        let training = LinearFit(try rows.map { (x: Double($0), seconds: try seconds(.train, $0)) })
        secondsPerRow = training.beta
        secondsPerStep = training.alpha
        secondsPerDetectedRow = try seconds(.infer, longest) / Double(longest)
        secondsPerAddedByte = Self.addition(repetitions: repetitions)
        self.parameters = parameters
        self.rows = rows
    }

    /// Seconds per byte of a sum of two arrays that no cache holds.
    private static func addition(repetitions: Int) -> Double {
        let count = 1 << 24
        var sum = [Float](repeating: 0, count: count)
        let other = [Float](repeating: 1, count: count)
        var least = Double.infinity
        for _ in 0...repetitions {
            let began = StepReport.now()
            for i in 0..<count { sum[i] += other[i] }
            least = min(least, StepReport.now() - began)
        }
        return least / Double(4 * count)
    }

    /// A rank's part in the contrast, by the recordings of the global mini-batch; nil: the detector has nothing to contrast.
    ///
    /// - Throws: `Failure` when the detector cannot be made.
    static func contrast(_ configuration: RunConfiguration, dimension: Int, classes: Int, perRank: Int) throws -> ContrastBenchmark? {
        let detector = try configuration.detector(inputDimension: dimension, classes: classes)
        let levels = (detector as? any LevelFeatures).map { $0.levelCount * $0.levelColumns }
        guard let width = levels ?? (detector as? any ContrastedProposals)?.contrastedColumns else { return nil }
        return try ContrastBenchmark(configuration.contrast, perRank: perRank, columns: dimension, width: width)
    }

    func costs(_ configuration: RunConfiguration, checkpointRate: Double) -> WorkCosts {
        var costs = WorkCosts()
        costs.perRow = secondsPerRow
        costs.perStep = secondsPerStep
        costs.detectionPerRow = secondsPerDetectedRow
        costs.perAddedByte = secondsPerAddedByte
        costs.parameters = parameters
        let training = configuration.training
        costs.bytesPerNumber = training.gradientPrecision == .bfloat16 ? 2 : 4
        costs.bucketElements = training.bucketElements
        costs.overlaps = training.overlap
        costs.predictionsPerRecording = configuration.test.detection.maxSegNum
        costs.checkpointRate = checkpointRate
        return costs
    }
}
