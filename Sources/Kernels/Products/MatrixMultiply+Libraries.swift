import COneDNN
import COpenBLAS

extension MatrixMultiply {
    /// The libraries of matrix products with their versions, "oneDNN 2.6.3, OpenBLAS 0.3.21": other versions may sum in another order.
    public static let libraries: String = {
        let one = dnnl_version().pointee
        let blas = openblas_get_config().map { String(cString: $0) }?.split(separator: " ").prefix(2).joined(separator: " ")
        return "oneDNN \(one.major).\(one.minor).\(one.patch)" + (blas.map { ", \($0)" } ?? "")
    }()
}
