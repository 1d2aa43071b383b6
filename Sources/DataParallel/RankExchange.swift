import Collectives

/// What an array of the global mini-batch holds: for those that make ranks up.
public enum SharedContent: Sendable {
    /// Rows of each virtual shard, or numbers of rows.
    case counts
    /// Rows of features or of embeddings.
    case rows
    /// The class or the cluster of each row.
    case classes
    /// Sums, distances, losses.
    case numbers
}

/// A message of `count` elements to or from a rank.
public struct Parcel<Element> {
    let place: UnsafeMutablePointer<Element>
    let count: Int
    let other: Int
    let tag: Int
    public var bytes: Int { count * MemoryLayout<Element>.stride }
}

/// The ranks as exchanges over the global mini-batch need them. `Communicator` is what a run has; `kairos benchmark contrast` makes the other ranks up.
public protocol RankExchange: AnyObject {
    /// This rank, 0 ..< size.
    var rank: Int { get }
    /// Number of ranks.
    var size: Int { get }

    /// The arrays of all ranks, one after another, on every rank.
    ///
    /// - Parameters:
    ///   - own: of this rank.
    ///   - counts: elements of each rank's array, which all ranks know.
    ///   - content: what they are.
    /// - Throws: `Failure` when the exchange fails.
    func shared<T: MessageElement>(_ own: [T], counts: [Int], _ content: SharedContent) throws -> [T]

    /// Sends and receives; returns when everything has arrived. Messages of equal tag between two ranks keep their order.
    ///
    /// - Throws: `Failure` when the exchange fails.
    func trade<T: MessageElement>(sends: [Parcel<T>], receives: [Parcel<T>]) throws
}

extension Communicator: RankExchange {
    public func shared<T: MessageElement>(_ own: [T], counts: [Int], _ content: SharedContent) throws -> [T] {
        size == 1 ? own : try allGather(own, counts: counts)
    }

    public func trade<T: MessageElement>(sends: [Parcel<T>], receives: [Parcel<T>]) throws {
        let request = Request(self)
        for parcel in receives {
            request.join(try startReceive(parcel.place, count: parcel.count, from: parcel.other, tag: parcel.tag))
        }
        for parcel in sends { request.join(try startSend(parcel.place, count: parcel.count, to: parcel.other, tag: parcel.tag)) }
        try request.wait()
    }
}
