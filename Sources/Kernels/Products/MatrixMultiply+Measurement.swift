import Dispatch

extension MatrixMultiply {
    /// Operations per second of each choice on the calling thread, for pieces of layers of 256 and 512 channels; takes about 100 ms.
    public static func measuredSpeeds() -> [MatrixMultiplyBackend: Double] {
        let narrow = measuredSpeeds(channels: 256), wide = measuredSpeeds(channels: 512)
        // As many operations with each.
        return narrow.merging(wide) { 2 / (1 / $0 + 1 / $1) }
    }

    private static func measuredSpeeds(channels: Int) -> [MatrixMultiplyBackend: Double] {
        let m = pieceRows, n = channels, k = 512
        let memory = UnsafeMutablePointer<Float>.allocate(capacity: m * k + k * n + m * n)
        defer { memory.deallocate() }
        memory.update(repeating: 0.5, count: m * k + k * n + m * n)
        var fastest: [MatrixMultiplyBackend: UInt64] = [:]
        // In turn, so that both meet the same disturbances; the best of several is what the library can do. The first call prepares.
        for turn in 0...12 {
            for library in MatrixMultiplyBackend.allCases {
                let began = DispatchTime.now().uptimeNanoseconds
                oneThread(
                    m: m, n: n, k: k, memory, lda: k, transposeA: false, memory + m * k, ldb: n, transposeB: false, into: memory + m * k + k * n,
                    ldc: n, accumulate: false, by: library)
                let seconds = DispatchTime.now().uptimeNanoseconds - began
                if turn > 0 { fastest[library] = min(fastest[library] ?? .max, seconds) }
            }
        }
        return fastest.mapValues { 2 * Double(m * n * k) / (Double($0) * 1e-9) }
    }
}
