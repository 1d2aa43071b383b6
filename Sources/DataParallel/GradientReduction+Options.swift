extension GradientReduction {
    /// How gradients are reduced. Only `precision` changes bits of the sum.
    public struct Options: Equatable, Sendable {
        /// When the reduction of a bucket starts.
        public enum Order: String, CaseIterable, Sendable {
            /// As soon as a bucket is complete.
            case ready
            /// From the end of the network to its beginning: a complete bucket waits for those behind it.
            case backward
            /// From the beginning of the network to its end: nothing leaves before backward has come to the first layers.
            case forward
        }

        /// What gradients are rounded to wherever they might be sent.
        public enum Precision: String, CaseIterable, Sendable { case float32, bfloat16 }

        /// Elements of a bucket, rounded up to a multiple of 16.
        public var bucketElements: Int
        /// Whether buckets travel while backward still runs.
        public var overlaps: Bool
        /// Changes no bit of the sums.
        public var order: Order
        public var precision: Precision
        /// Whether ranks of a host add up among themselves before hosts do, where hosts hold several ranks.
        public var isHierarchical: Bool
        /// The most ranks, or hosts, that exchange gradients with one another directly; more are taken in several levels. Changes no bit of the sums.
        public var group: Int

        /// Buckets of 2^20 elements (4 MiB), sent as soon as they are complete and added up within each host first, in groups of up to 8.
        public init(
            bucketElements: Int = 1_048_576, overlaps: Bool = true, order: Order = .ready, precision: Precision = .float32,
            isHierarchical: Bool = true, group: Int = 8
        ) {
            self.bucketElements = bucketElements
            self.overlaps = overlaps
            self.order = order
            self.precision = precision
            self.isHierarchical = isHierarchical
            self.group = group
        }
    }
}
