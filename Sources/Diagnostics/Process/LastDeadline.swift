import CSignals

/// The end of a process that nobody watches over any more.
package enum LastDeadline {
    /// The system kills this process, also a stopped one, when it is still there after so many seconds.
    package static func set(_ seconds: Double) { _ = kairos_last_deadline(seconds) }
}
