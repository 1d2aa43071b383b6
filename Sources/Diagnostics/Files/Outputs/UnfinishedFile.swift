import CSignals

/// A file that is removed when SIGINT, SIGTERM, SIGHUP or SIGUSR1 ends the program before it is finished, or the program exits.
package struct UnfinishedFile {
    private let place: Int32

    package init(_ path: String) { place = kairos_unfinished_remember(path) }

    /// A file that is there already, and is removed only while no other has taken its place.
    init(existing path: String) { place = kairos_unfinished_remember_this(path) }

    /// Removes all of them, before an end without a signal.
    package static func removeAll() { kairos_unfinished_remove() }

    /// The file has its place, or is removed already.
    package func forget() { kairos_unfinished_forget(place) }
}
