import Checkpoints
import Collectives
import Diagnostics
import Foundation
import Kernels
import RunRecords

/// How matrix products are computed: by which library, from operands of which precision.
///
/// Both decide bits. Therefore `auto` is decided once for a run: rank 0 measures, all ranks follow, checkpoints record the choice, and every run that
/// continues from them keeps it.
public enum ProductChoice {
    /// The library that the configuration names, nil for `auto`.
    package static func named(_ training: TrainingConfiguration) -> MatrixMultiplyBackend? {
        MatrixMultiplyBackend(rawValue: training.gemm.rawValue)
    }

    /// Sets library and precision of this process; all ranks call it together.
    ///
    /// - Parameters:
    ///   - training: the section `training`.
    ///   - recorded: what `auto` means to a run that has begun.
    ///   - communicator: the ranks that take part.
    /// - Returns: a line for the user.
    /// - Throws: `Failure.failed` when a rank's processor does not multiply in the precision asked for.
    public static func set(
        _ training: TrainingConfiguration, recorded: MatrixMultiplyBackend?, communicator: Communicator
    ) throws -> String {
        try communicator.throwTogether { try requirePrecision(training.precision, present: Processor.present) }
        var reason = ""
        if let backend = named(training) {
            ComputeContext.current.backend = backend
        } else if let recorded {
            ComputeContext.current.backend = recorded
            reason = ", as the run began"
        } else {
            var speeds: [MatrixMultiplyBackend: Double] = [:]
            if communicator.isRoot { speeds = MatrixMultiply.measuredSpeeds() }
            let all = MatrixMultiplyBackend.allCases
            let choice = try communicator.broadcast(communicator.isRoot ? all.firstIndex(of: faster(speeds)) ?? 0 : 0)
            ComputeContext.current.backend = all[choice]
            let measured = MatrixMultiplyBackend.allCases.map { $0.rawValue + String(format: " %.0f", (speeds[$0] ?? 0) * 1e-9) }
            reason = ", measured: \(measured.joined(separator: ", ")) GFLOP/s per thread"
        }
        ComputeContext.current.precision = training.precision
        ComputeContext.current.convolution = training.convolution
        if training.convolution == .direct, training.precision == .float32 { reason += ", convolutions without minimal filtering" }
        return "matrix products in \(training.precision.rawValue) by "
            + (training.precision == .bfloat16 ? "onednn, the others by " : "") + ComputeContext.current.backend.rawValue + reason
    }

    /// By shape, unless a library alone is faster by more than a tenth: so that noise does not decide between equals, and runs on machines of one kind
    /// agree.
    package static func faster(_ speeds: [MatrixMultiplyBackend: Double]) -> MatrixMultiplyBackend {
        let alone: MatrixMultiplyBackend = (speeds[.openblas] ?? 0) > (speeds[.onednn] ?? 0) ? .openblas : .onednn
        return (speeds[alone] ?? 0) > 1.1 * (speeds[.byShape] ?? 0) ? alone : .byShape
    }

    /// - Parameter present: the processor's instruction sets, as in /proc/cpuinfo.
    package static func requirePrecision(_ precision: ProductPrecision, present: [String]) throws {
        guard precision == .bfloat16, !present.contains("avx512_bf16") else { return }
        throw Failure.failed(
            "this processor does not multiply in bfloat16: it lacks avx512_bf16", at: .key("training.precision"),
            advice: "set training.precision to float32, or use a newer processor")
    }
}

extension Checkpoint.Header {
    /// The library of the run's float32 products. Runs that recorded none used OpenBLAS; imported weights (step 0) have had none.
    package var recordedGemm: MatrixMultiplyBackend? {
        MatrixMultiplyBackend(rawValue: gemm) ?? (step > 0 ? .openblas : nil)
    }
}
