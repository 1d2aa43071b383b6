import Foundation

/// A `.npy` file of float32 [values.count / columns, columns], as numpy.save writes it.
public func numpyArray(_ values: [Float], columns: Int) -> Data {
    var header = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(values.count / columns), \(columns)), }"
    header += String(repeating: " ", count: 63 - (10 + header.utf8.count) % 64) + "\n"
    var data = Data([0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.utf8.count & 255), UInt8(header.utf8.count >> 8)])
    data += Data(header.utf8)
    values.withUnsafeBytes { data += $0 }
    return data
}
