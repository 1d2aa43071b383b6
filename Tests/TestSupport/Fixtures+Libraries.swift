import Foundation
import HDF5
import Kernels

extension Fixtures {
    /// Every HDF5 file whose name begins with `prefix`, open, with every library of matrix products.
    ///
    /// - Parameter body: gets the file and a name for messages that says both.
    public static func forEachFile(matching prefix: String, _ body: (_ file: HDF5File, _ name: String) throws -> Void) throws {
        for backend in MatrixMultiplyBackend.allCases {
            for path in try files(matching: prefix, suffix: ".h5") {
                let file = try HDF5File.open(path)
                defer { file.close() }
                try ComputeContext.with {
                    $0.backend = backend
                } do: {
                    try body(file, "\(URL(fileURLWithPath: path).lastPathComponent) by \(backend)")
                }
            }
        }
    }
}
