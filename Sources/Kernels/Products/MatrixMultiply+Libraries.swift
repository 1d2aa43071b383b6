import COneDNN
import COpenBLAS

extension MatrixMultiply {
    /// The libraries of matrix products, their versions and what they multiply with here, "oneDNN 2.6.3 (AVX2), OpenBLAS 0.3.21 (Zen)": others may sum
    /// in another order.
    public static let libraries: String = {
        let one = dnnl_version().pointee
        let blas = openblas_get_config().map { String(cString: $0) }?.split(separator: " ").prefix(2).joined(separator: " ")
        let core = openblas_get_corename().map { " (\(String(cString: $0)))" } ?? ""
        return "oneDNN \(one.major).\(one.minor).\(one.patch) (\(OneDNN.instructionSet))" + (blas.map { ", \($0)\(core)" } ?? "")
    }()
}
