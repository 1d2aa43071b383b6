/// How the numbers of a matrix are kept in the file.
public enum HDF5FloatStorage: String, CaseIterable, Sendable {
    /// IEEE 754 single precision, little-endian: 4 bytes a value.
    case float32
    /// IEEE 754 half precision, little-endian: 2 bytes a value, 11 significant bits, magnitude at most 65,504.
    case float16

    /// Bytes that a value takes in the file.
    public var bytesPerValue: Int { self == .float32 ? 4 : 2 }
}
