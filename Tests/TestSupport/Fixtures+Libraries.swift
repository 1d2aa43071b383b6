import Foundation
import HDF5
import Kernels

extension Fixtures {
    /// Every HDF5 file whose name begins with `prefix`, open, with every library of matrix products.
    ///
    /// - Parameter body: gets the file and a name for messages that says both.
    public static func forEachFile(matching prefix: String, _ body: (_ file: HDF5File, _ name: String) throws -> Void) throws {
        defer { ComputeContext.current.backend = .openblas }
        for backend in MatrixMultiplyBackend.allCases {
            ComputeContext.current.backend = backend
            for path in try files(matching: prefix, suffix: ".h5") {
                let file = try HDF5File.open(path)
                defer { file.close() }
                try body(file, "\(URL(fileURLWithPath: path).lastPathComponent) by \(backend)")
            }
        }
    }
}
