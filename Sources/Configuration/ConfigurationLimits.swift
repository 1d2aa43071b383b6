/// Upper bounds of sizes and counts: far above what a run needs, low enough that products of them stay within 64 bits.
public enum ConfigurationLimits {
    /// Training steps.
    public static let iterations = 1_000_000_000
    public static let epochs = 1_000_000
    /// Of recordings, and of candidates.
    public static let rows = 1_073_741_824
    /// Recordings of an iteration; pairs, frames and clusters drawn of them.
    public static let batch = 65_536
    /// Columns of layers and heads.
    public static let channels = 65_536
    /// Attention windows and kernels: the attention's buffers hold rows x heads x window numbers.
    public static let window = 4097
}
