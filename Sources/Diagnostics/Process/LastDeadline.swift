import CSignals

/// A deadline for a process that is no longer watched.
package enum LastDeadline {
    /// The system kills this process, also a stopped one, when it is still there after so many seconds.
    package static func set(_ seconds: Double) { _ = kairos_last_deadline(seconds) }
}
