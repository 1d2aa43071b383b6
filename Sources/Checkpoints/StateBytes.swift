import Diagnostics

/// Numbers as the bytes of this machine, for what a method keeps in a checkpoint.
public enum StateBytes {
    /// The bytes of an array.
    public static func bytes<Number: BitwiseCopyable>(_ values: [Number]) -> [UInt8] { values.withUnsafeBytes { Array($0) } }

    /// The bytes of `count` floats.
    public static func bytes(_ values: UnsafePointer<Float>, count: Int) -> [UInt8] { Array(UnsafeRawBufferPointer(start: values, count: 4 * count)) }

    /// A last number that is not whole is left out.
    public static func values<Number: BitwiseCopyable>(_ bytes: [UInt8]) -> [Number] {
        bytes.withUnsafeBytes { raw in
            stride(from: 0, to: raw.count / MemoryLayout<Number>.stride * MemoryLayout<Number>.stride, by: MemoryLayout<Number>.stride)
                .map { raw.loadUnaligned(fromByteOffset: $0, as: Number.self) }
        }
    }

    /// What to say of an array of a method's state that does not fit.
    public static func damaged(_ name: String, in state: [String: [UInt8]]) -> Failure {
        .badInput(
            "the checkpoint's state of the method does not fit: '\(name)' has \(state[name]?.count ?? 0) bytes", at: .key("method.name"),
            advice: "resume with the configuration of the run, or use an older checkpoint")
    }

    /// Copies an array of a method's state.
    ///
    /// - Throws: `damaged` when it has another length.
    public static func restore(_ name: String, of state: [String: [UInt8]], into target: UnsafeMutablePointer<Float>, count: Int) throws {
        let array: [Float] = values(state[name] ?? [])
        guard array.count == count else { throw damaged(name, in: state) }
        for (i, value) in array.enumerated() { target[i] = value }
    }
}
