import COpenMPI
import Diagnostics

/// The tags of messages between ranks, assigned in one place: every user has a range of its own, so that no message is taken for another's.
///
/// Adding a user means adding a line to `all`; where the ranges lie follows from their sizes.
public struct MessageTags: Equatable, Sendable {
    /// Who uses them.
    public let user: String
    /// Disjoint from the ranges of other users.
    public let range: Range<Int>
    public var first: Int { range.lowerBound }
    public var count: Int { range.count }

    /// - Precondition: `number` is from 0 to `count` - 1.
    public func tag(_ number: Int) -> Int {
        precondition(number >= 0 && number < count, "tag \(number) of \(user), which have \(count)")
        return range.lowerBound + number
    }

    /// Messages of no program part in particular: the default of `send` and `receive`.
    public static let unnamed = all[0]
    /// `Communicator.gather` of what one message does not carry.
    public static let gathering = all[1]
    /// Lists of pseudo-labels on their way to rank 0.
    public static let pseudoLabels = all[2]
    /// Sums over nodes of the summation tree: a tag for every node of a rank's block.
    public static let globalRows = all[3]
    /// Two for every gradient bucket.
    public static let gradients = all[4]
    /// The beginning of `StallWatch`.
    package static let watch = all[5]

    /// One range after another, from tag 0.
    package static let all = dealt([
        ("unnamed messages", 16), ("gathering", 1), ("pseudo-labels", 1), ("global rows", 64), ("gradients", 16_000), ("the watch", 1),
    ])

    package static func dealt(_ users: [(user: String, count: Int)]) -> [MessageTags] {
        var next = 0
        return users.map { user, count in
            defer { next += count }
            return MessageTags(user: user, range: next..<next + count)
        }
    }

    /// Refuses an MPI library that does not carry all tags; the standard asks for 32,767 at least.
    ///
    /// - Parameter largest: the library's largest tag.
    package static func require(largest: Int) throws {
        guard let last = all.map(\.range.upperBound).max(), last - 1 > largest else { return }
        throw Failure.failed(
            "this MPI library carries tags up to \(largest), tags up to \(last - 1) are needed",
            advice: "use an MPI library whose MPI_TAG_UB is 32767 or more, as the MPI standard asks (Debian: libopenmpi-dev openmpi-bin)")
    }
}

extension Communicator {
    /// Compares the tags in use with the library's largest one.
    package func requireTags() throws {
        var value: UnsafeMutableRawPointer?
        var isSet: Int32 = 0
        try check(MPI_Comm_get_attr(handle, kairos_mpi_tag_ub(), &value, &isSet), "MPI_Comm_get_attr")
        // A library that does not say is taken at the standard's word.
        let largest = isSet != 0 ? value.map { Int($0.assumingMemoryBound(to: Int32.self).pointee) } : nil
        try MessageTags.require(largest: largest ?? 32_767)
    }
}
