import COpenMPI
import Diagnostics
import Foundation

/// Calls that all ranks make together.
extension Communicator {
    /// Returns when all ranks have called it.
    ///
    /// - Throws: `Failure` (`.failed`) when the call of MPI fails.
    public func barrier() throws {
        countCollective(UInt8.self, 0)
        try check(Activity.during(.barrier) { MPI_Barrier(handle) }, "MPI_Barrier")
    }

    // MARK: Broadcast

    /// Copies `count` elements of rank `root` over those of all others.
    ///
    /// - Throws: `Failure` (`.failed`) when there is no rank `root`, or the call of MPI fails.
    public func broadcast<T: MessageElement>(_ buffer: UnsafeMutablePointer<T>, count: Int, from root: Int = 0) throws {
        try requireRank(root, "broadcast")
        try inPieces(count) { first, piece in
            countCollective(T.self, rank == root ? Int(piece) : 0)
            let status = Activity.during(.broadcast) { MPI_Bcast(buffer + first, piece, T.messageType, Int32(root), handle) }
            try check(status, "MPI_Bcast")
        }
    }

    /// The array of rank `root`, on every rank; what the others pass is ignored.
    ///
    /// - Throws: `Failure` (`.failed`) when there is no rank `root`, or a call of MPI fails.
    public func broadcast<T: MessageElement>(_ values: [T], from root: Int = 0) throws -> [T] {
        let count = try broadcast(values.count, from: root)
        var result = rank == root ? values : [T](repeating: .zero, count: count)
        try result.withUnsafeMutableBufferPointer { buffer in
            if let base = buffer.baseAddress { try broadcast(base, count: count, from: root) }
        }
        return result
    }

    /// One value of rank `root`, on every rank.
    ///
    /// - Throws: `Failure` (`.failed`) when there is no rank `root`, or the call of MPI fails.
    public func broadcast<T: MessageElement>(_ value: T, from root: Int = 0) throws -> T {
        var result = value
        try broadcast(&result, count: 1, from: root)
        return result
    }

    /// The bytes of rank `root`, on every rank.
    ///
    /// - Throws: `Failure` (`.failed`) when there is no rank `root`, or a call of MPI fails.
    public func broadcast(_ data: Data, from root: Int = 0) throws -> Data {
        Data(try broadcast([UInt8](data), from: root))
    }

    /// The text of rank `root`, on every rank.
    ///
    /// - Throws: `Failure` (`.failed`) when there is no rank `root`, or a call of MPI fails.
    public func broadcast(_ text: String, from root: Int = 0) throws -> String {
        String(decoding: try broadcast(Array(text.utf8), from: root), as: UTF8.self)
    }

    // MARK: Reductions

    /// Replaces `count` elements on every rank by their sum, maximum or minimum over the ranks, element by element.
    ///
    /// - Throws: `Failure` (`.failed`) when the call of MPI fails.
    public func allReduce<T: MessageElement>(_ buffer: UnsafeMutablePointer<T>, count: Int, _ reduction: Reduction) throws {
        guard size > 1 else { return }
        try inPieces(count) { first, piece in
            countCollective(T.self, Int(piece))
            let status = Activity.during(.allReduce) {
                RunWindow.collective.pass()
                return MPI_Allreduce(kairos_mpi_in_place(), buffer + first, piece, T.messageType, reduction.operation, handle)
            }
            try check(status, "MPI_Allreduce")
        }
    }

    /// The element-wise reduction of arrays that have the same length on every rank.
    ///
    /// - Throws: `Failure` (`.failed`) when the call of MPI fails.
    public func allReduce<T: MessageElement>(_ values: [T], _ reduction: Reduction) throws -> [T] {
        var result = values
        try result.withUnsafeMutableBufferPointer { buffer in
            if let base = buffer.baseAddress { try allReduce(base, count: buffer.count, reduction) }
        }
        return result
    }

    /// The reduction of one value of every rank.
    ///
    /// - Throws: `Failure` (`.failed`) when the call of MPI fails.
    public func allReduce<T: MessageElement>(_ value: T, _ reduction: Reduction) throws -> T {
        var result = value
        try allReduce(&result, count: 1, reduction)
        return result
    }

    // MARK: Gathering

    /// One value of every rank, in rank order, on every rank.
    ///
    /// - Throws: `Failure` (`.failed`) when the call of MPI fails.
    public func allGather<T: MessageElement>(_ value: T) throws -> [T] {
        var value = value
        var result = [T](repeating: .zero, count: size)
        countCollective(T.self, 1)
        let status = Activity.during(.allGather) { MPI_Allgather(&value, 1, T.messageType, &result, 1, T.messageType, handle) }
        try check(status, "MPI_Allgather")
        return result
    }

    /// The arrays of all ranks, in rank order, on every rank; lengths may differ.
    ///
    /// - Throws: `Failure` (`.failed`) when a call of MPI fails.
    public func allGather<T: MessageElement>(_ values: [T]) throws -> [[T]] {
        let counts = try allGather(values.count), joined = try allGather(values, counts: counts), firsts = firstIndices(of: counts)
        return counts.indices.map { Array(joined[firsts[$0]..<firsts[$0] + counts[$0]]) }
    }

    /// The arrays of all ranks, one after another, on every rank.
    ///
    /// - Parameters:
    ///   - values: of this rank.
    ///   - counts: elements of each rank's array, which all ranks know.
    /// - Throws: `Failure` (`.failed`) when a call of MPI fails.
    public func allGather<T: MessageElement>(_ values: [T], counts: [Int]) throws -> [T] {
        precondition(counts.count == size && counts[rank] == values.count, "the ranks' arrays have other lengths than were said")
        let total = counts.reduce(0, +)
        guard total <= largestMessage else { return try counts.indices.flatMap { try broadcast(values, from: $0) } }
        countCollective(T.self, values.count)
        guard size > 1 else { return values }
        let firsts = firstIndices(of: counts)
        var status: Int32 = 0
        // MPI writes all of it, or the status says that it has not.
        let joined = [T](unsafeUninitializedCapacity: total) { joined, initialized in
            status = Activity.during(.allGather) {
                MPI_Allgatherv(
                    values, Int32(values.count), T.messageType, joined.baseAddress, counts.map(Int32.init), firsts.map(Int32.init), T.messageType,
                    handle)
            }
            initialized = total
        }
        try check(status, "MPI_Allgatherv")
        return joined
    }

    /// The byte strings of all ranks, in rank order, on every rank.
    ///
    /// - Throws: `Failure` (`.failed`) when a call of MPI fails.
    public func allGather(_ data: Data) throws -> [Data] {
        try allGather([UInt8](data)).map { Data($0) }
    }

    /// The texts of all ranks, in rank order, on every rank.
    ///
    /// - Throws: `Failure` (`.failed`) when a call of MPI fails.
    public func allGather(_ text: String) throws -> [String] {
        try allGather(Array(text.utf8)).map { String(decoding: $0, as: UTF8.self) }
    }

    /// The arrays of all ranks, in rank order, on rank `root`; nil on the others. Lengths may differ.
    ///
    /// - Throws: `Failure` (`.failed`) when there is no rank `root`, or a call of MPI fails.
    public func gather<T: MessageElement>(_ values: [T], to root: Int = 0) throws -> [[T]]? {
        try requireRank(root, "gather")
        let counts = try allGather(values.count)
        let total = counts.reduce(0, +)
        if total > largestMessage { return try gatherInPieces(values, counts, to: root) }
        let firsts = firstIndices(of: counts)
        var joined = [T](repeating: .zero, count: rank == root ? total : 0)
        countCollective(T.self, values.count)
        let status = Activity.during(.gather) {
            MPI_Gatherv(
                values, Int32(values.count), T.messageType, &joined, counts.map(Int32.init), firsts.map(Int32.init), T.messageType, Int32(root),
                handle)
        }
        try check(status, "MPI_Gatherv")
        guard rank == root else { return nil }
        return counts.indices.map { Array(joined[firsts[$0]..<firsts[$0] + counts[$0]]) }
    }

    /// The byte strings of all ranks, in rank order, on rank `root`; nil on the others.
    ///
    /// - Throws: `Failure` (`.failed`) when there is no rank `root`, or a call of MPI fails.
    public func gather(_ data: Data, to root: Int = 0) throws -> [Data]? {
        try gather([UInt8](data), to: root)?.map { Data($0) }
    }

    private func gatherInPieces<T: MessageElement>(_ values: [T], _ counts: [Int], to root: Int) throws -> [[T]]? {
        guard rank == root else {
            try values.withUnsafeBufferPointer { buffer in
                if let base = buffer.baseAddress { try send(base, count: buffer.count, to: root, tag: MessageTags.gathering.first) }
            }
            return nil
        }
        return try counts.indices.map { source in
            if source == root { return values }
            var received = [T](repeating: .zero, count: counts[source])
            try received.withUnsafeMutableBufferPointer { buffer in
                if let base = buffer.baseAddress { try receive(base, count: buffer.count, from: source, tag: MessageTags.gathering.first) }
            }
            return received
        }
    }

    private func firstIndices(of counts: [Int]) -> [Int] {
        var firsts: [Int] = []
        var next = 0
        for count in counts {
            firsts.append(next)
            next += count
        }
        return firsts
    }
}
