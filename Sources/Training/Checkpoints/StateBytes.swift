/// Numbers as the bytes of this machine, for what a method keeps in a checkpoint.
public enum StateBytes {
    public static func bytes<Number: BitwiseCopyable>(_ values: [Number]) -> [UInt8] { values.withUnsafeBytes { Array($0) } }

    public static func bytes(_ values: UnsafePointer<Float>, count: Int) -> [UInt8] { Array(UnsafeRawBufferPointer(start: values, count: 4 * count)) }

    /// A last number that is not whole is left out.
    public static func values<Number: BitwiseCopyable>(_ bytes: [UInt8]) -> [Number] {
        bytes.withUnsafeBytes { raw in
            stride(from: 0, to: raw.count / MemoryLayout<Number>.stride * MemoryLayout<Number>.stride, by: MemoryLayout<Number>.stride)
                .map { raw.loadUnaligned(fromByteOffset: $0, as: Number.self) }
        }
    }
}
