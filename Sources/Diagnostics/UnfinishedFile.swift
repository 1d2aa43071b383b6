import CUnfinishedFiles

/// A file that is removed when SIGINT, SIGTERM or SIGHUP ends the program before it is finished.
package struct UnfinishedFile {
    private let place: Int32

    package init(_ path: String) { place = kairos_unfinished_remember(path) }

    /// The file has its place, or is removed already.
    package func forget() { kairos_unfinished_forget(place) }
}
