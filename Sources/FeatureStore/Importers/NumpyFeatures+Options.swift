import Diagnostics
import TemporalAnnotations

extension NumpyFeatures {
    /// How files of features are read.
    public struct Options: Sendable {
        /// Frames between rows.
        public var stride: Double = 4
        /// Frames seen by one row.
        public var window: Double = 16
        /// Frames per second of all videos, in place of the annotations' own.
        public var fps: Double?
        /// Leaves videos without a file out instead of refusing.
        public var allowMissing = false
        /// Cuts actions to their video and leaves those out that lie outside, instead of refusing.
        public var cutSegments = false
        /// Videos whose annotated duration is wrong: theirs is taken from their number of rows, and that number is not checked.
        public var durationFromFeatures: Set<VideoID> = []
        /// The rows of a video span it from beginning to end, whatever its length, as in features rescaled to 100 rows. Stride and window are then
        /// the video's frames divided by its rows; `stride` and `window` are not used, and the number of rows is not checked.
        public var rowsSpanVideo = false
        /// Brings every video to this number of rows by linear interpolation in time, as is usual for ActivityNet; the grid follows.
        public var rescaledRows: Int?
        /// A file's name is the prefix, the video's name and the suffix: one for all folders, or one for each.
        public var filePrefixes = [""]
        /// With the extension: `.npy` or `.npz`; a file's first bytes say which of the two it is.
        public var fileSuffixes = [".npy"]
        /// The arrays of `.npz` files that hold several: one for all folders, or one for each. An empty list: the only one.
        public var arrays: [String] = []
        /// The subset of videos without annotations.
        public var subset: Subset = NumpyFeatures.unlabeledSubset

        /// One `.npy` file per video, a row of 16 frames every 4 frames, at the annotations' frame rate.
        public init() {}

        /// - Throws: `Failure.wrongUsage` for numbers out of bounds and options that contradict each other.
        func check(hasAnnotations: Bool) throws {
            let numbers: [(String, Double?)] = [("--feature-stride", stride), ("--window", window), ("--fps", fps)]
            for (name, value) in numbers {
                if let value { try FeatureOptions.check(name, value) }
            }
            if let rescaledRows { try FeatureOptions.check("--rescale", rescaledRows, atMost: 1_000_000) }
            if rowsSpanVideo, !durationFromFeatures.isEmpty {
                throw Failure.wrongUsage(
                    "--rows-span-video and --duration-from-features were both given",
                    advice: "leave one of them out: rows that span the video do not tell its length")
            }
            guard !hasAnnotations else { return }
            if rowsSpanVideo {
                throw Failure.wrongUsage(
                    "--rows-span-video was given without --annotations",
                    advice: "give annotations with the durations of the videos, with or without actions: such rows do not tell them")
            }
            let others = [("--duration-from-features", !durationFromFeatures.isEmpty), ("--cut-segments", cutSegments)]
            if let other = others.first(where: \.1)?.0 {
                throw Failure.wrongUsage(
                    "\(other) was given without --annotations", advice: "leave it out: durations are taken from the rows, and there are no actions")
            }
            guard fps != nil else {
                throw Failure.wrongUsage(
                    "neither --annotations nor --fps was given", advice: "give the frames per second of the videos with --fps, or their annotations")
            }
        }
    }

    /// The subset of videos without annotations, unless another is named.
    public static let unlabeledSubset: Subset = "Unlabeled"
}
