import CHDF5
import Diagnostics

/// Sizes as the file gives them, compared with what the file can hold before memory is asked for: a damaged file promises anything.
/// Call with the library's lock held.
extension HDF5File {
    /// Bytes of the file; what is still to be written counts where the file is written.
    private var bytes: Int {
        var size: hsize_t = 0
        guard H5Fget_filesize(id, &size) >= 0 else { return 0 }
        return Int(exactly: size) ?? 0
    }

    /// The number of values of a shape.
    ///
    /// - Parameters:
    ///   - bytesPerValue: in the file.
    ///   - isPacked: chunks that may be compressed, or be missing and stand for zeros: at most 1 GiB then.
    /// - Returns: nil when the file cannot hold so many.
    func count(of shape: [Int], bytesPerValue: Int, isPacked: Bool = false) -> Int? {
        var count = 1
        for size in shape {
            let (product, overflow) = count.multipliedReportingOverflow(by: size)
            guard !overflow, product >= 0 else { return nil }
            count = product
        }
        let (needed, overflow) = count.multipliedReportingOverflow(by: max(bytesPerValue, 1))
        guard !overflow, needed <= (isPacked ? max(bytes, 1 << 30) : bytes) else { return nil }
        return count
    }

    /// The same for a dataset that is open.
    ///
    /// - Throws: `Failure.badInput` with the sizes.
    func count(of dataset: hid_t, _ name: String, shape: [Int], bytesPerValue: Int) throws -> Int {
        let creation = H5Dget_create_plist(dataset)
        defer { H5Pclose(creation) }
        guard let count = count(of: shape, bytesPerValue: bytesPerValue, isPacked: H5Pget_layout(creation) == H5D_CHUNKED) else {
            throw Failure.badInput(
                "its shape is \(shape), with \(bytesPerValue) bytes a value; the file has \(bytes) bytes in all", at: .file(path), .dataset(name),
                advice: "the file is damaged: copy it again from its source, or make it again")
        }
        return count
    }
}

extension HDF5Types {
    /// Whether the parts of a number or text lie where the library may look for them: it converts by what the file says.
    static func isSound(_ type: hid_t) -> Bool {
        let size = H5Tget_size(type)
        switch H5Tget_class(type) {
        case H5T_STRING: return size >= 1
        case H5T_INTEGER, H5T_ENUM, H5T_FLOAT:
            let kind = H5Tget_class(type)
            guard 1...16 ~= size else { return false }
            let bits = 8 * size
            guard kind != H5T_ENUM else { return size <= 8 }
            let precision = H5Tget_precision(type), offset = H5Tget_offset(type)
            guard precision >= 1, precision <= bits, offset >= 0, Int(offset) + precision <= bits else { return false }
            guard kind == H5T_FLOAT else { return size <= 8 }
            var sign = 0, exponent = 0, exponentBits = 0, mantissa = 0, mantissaBits = 0
            guard H5Tget_fields(type, &sign, &exponent, &exponentBits, &mantissa, &mantissaBits) >= 0 else { return false }
            return sign < bits && 1...32 ~= exponentBits && exponent <= bits - exponentBits && 1...bits ~= mantissaBits
                && mantissa <= bits - mantissaBits
        default: return true
        }
    }
}
