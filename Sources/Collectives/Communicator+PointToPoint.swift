import COpenMPI
import Diagnostics

/// Messages from one rank to another. Every sender takes its tags from its own range (`MessageTags`); messages of equal tag between two ranks keep
/// their order.
extension Communicator {
    /// Returns when `buffer` may be changed again.
    ///
    /// - Throws: `Failure` (`.failed`) when there is no rank `other`, or the call of MPI fails.
    public func send<T: MessageElement>(_ buffer: UnsafePointer<T>, count: Int, to other: Int, tag: Int = 0) throws {
        try requireRank(other, "send")
        try inPieces(count) { first, piece in
            countMessage(T.self, piece)
            let status = Activity.during(.send, other) { MPI_Send(buffer + first, piece, T.messageType, Int32(other), Int32(clamping: tag), handle) }
            try check(status, "MPI_Send to rank \(other)")
        }
    }

    /// Returns when `count` elements have come from rank `other`.
    ///
    /// - Throws: `Failure` when the message has another number of elements.
    public func receive<T: MessageElement>(_ buffer: UnsafeMutablePointer<T>, count: Int, from other: Int, tag: Int = 0) throws {
        try requireRank(other, "receive")
        try inPieces(count) { first, piece in
            var status = MPI_Status()
            let code = Activity.during(.receive, other) {
                MPI_Recv(buffer + first, piece, T.messageType, Int32(other), Int32(clamping: tag), handle, &status)
            }
            try check(code, "MPI_Recv from rank \(other)")
            try requireCount(Int(piece), T.messageType, of: &status, from: other)
        }
    }

    /// Starts sending; `buffer` must neither change nor go away before the request is done.
    ///
    /// - Throws: `Failure` (`.failed`) when there is no rank `other`, or the call of MPI fails.
    public func startSend<T: MessageElement>(_ buffer: UnsafePointer<T>, count: Int, to other: Int, tag: Int = 0) throws -> Request {
        try requireRank(other, "send")
        let request = Request(self)
        try inPieces(count) { first, piece in
            var handle: MPI_Request?
            countMessage(T.self, piece)
            try check(
                MPI_Isend(buffer + first, piece, T.messageType, Int32(other), Int32(clamping: tag), self.handle, &handle),
                "MPI_Isend to rank \(other)")
            request.append(handle, .init(operation: "MPI_Isend to rank \(other)", other: other, source: nil, count: Int(piece), type: T.messageType))
        }
        return request
    }

    /// Starts receiving; `buffer` must neither be touched nor go away before the request is done.
    ///
    /// - Throws: `Failure` (`.failed`) when there is no rank `other`, or the call of MPI fails.
    public func startReceive<T: MessageElement>(_ buffer: UnsafeMutablePointer<T>, count: Int, from other: Int, tag: Int = 0) throws -> Request {
        try requireRank(other, "receive")
        let request = Request(self)
        try inPieces(count) { first, piece in
            var handle: MPI_Request?
            try check(
                MPI_Irecv(buffer + first, piece, T.messageType, Int32(other), Int32(clamping: tag), self.handle, &handle),
                "MPI_Irecv from rank \(other)")
            request.append(
                handle,
                .init(operation: "MPI_Irecv from rank \(other)", other: other, source: other, count: Int(piece), type: T.messageType))
        }
        return request
    }

    func requireCount(_ expected: Int, _ type: MPI_Datatype, of status: inout MPI_Status, from other: Int) throws {
        var count: Int32 = 0
        try check(MPI_Get_count(&status, type, &count), "MPI_Get_count")
        guard Int(count) == expected else {
            throw Failure.failed(
                "the message from rank \(other) holds \(count) elements, \(expected) were expected", at: .rank(rank),
                advice: "run the same program with the same configuration on every rank")
        }
    }
}
