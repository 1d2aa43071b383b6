import CSignals

/// A file that is removed when SIGINT, SIGTERM, SIGHUP or SIGUSR1 ends the program before it is finished.
package struct UnfinishedFile {
    private let place: Int32

    package init(_ path: String) { place = kairos_unfinished_remember(path) }

    /// Removes all of them, before an end without a signal.
    package static func removeAll() { kairos_unfinished_remove() }

    /// The file has its place, or is removed already.
    package func forget() { kairos_unfinished_forget(place) }
}
