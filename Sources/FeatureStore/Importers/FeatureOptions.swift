import Diagnostics
import TemporalAnnotations

/// Bounds of the numbers that users give with importers; the names are those of the options.
enum FeatureOptions {
    /// - Throws: `Failure.wrongUsage` for a number of frames, or of frames per second (`--fps`), that is not positive or out of bounds.
    static func check(_ name: String, _ value: Double) throws {
        guard value.isFinite, value > 0 else { throw Failure.wrongUsage("\(name) is \(value)", advice: "give a number above 0") }
        let bounds = name == "--fps" ? FeatureLimits.frames.lowerBound...FeatureLimits.fps : FeatureLimits.frames
        guard bounds ~= value else {
            throw Failure.wrongUsage("\(name) is \(value)", advice: "give a number from \(bounds.lowerBound) to \(Int(bounds.upperBound))")
        }
    }

    /// - Throws: `Failure.wrongUsage` for a count below 1 or above `most`.
    static func check(_ name: String, _ value: Int, atMost most: Int) throws {
        guard value > 0 else { throw Failure.wrongUsage("\(name) is \(value)", advice: "give a number above 0") }
        guard value <= most else { throw Failure.wrongUsage("\(name) is \(value)", advice: "give a number from 1 to \(most)") }
    }
}
