import COpenMPI
import Diagnostics

/// Messages under way. Several requests can be joined into one and waited for together.
public final class Request {
    struct Message {
        let operation: String
        /// The other rank.
        let other: Int
        /// The sender for a message that is received, nil for one that is sent.
        let source: Int?
        let count: Int
        let type: MPI_Datatype
    }

    private let communicator: Communicator
    private var handles: [MPI_Request?] = []
    private var messages: [Message] = []
    private var statuses: [MPI_Status] = []

    /// A request without messages, to which others are joined.
    public init(_ communicator: Communicator) { self.communicator = communicator }

    func append(_ handle: MPI_Request?, _ message: Message) {
        handles.append(handle)
        messages.append(message)
    }

    /// Takes over the messages of `other`, which is left without any.
    public func join(_ other: Request) {
        handles += other.handles
        messages += other.messages
        other.handles = []
        other.messages = []
    }

    /// Whether all messages have arrived. Gives MPI time to make progress; does not wait.
    ///
    /// - Throws: `Failure` when a message failed or has another number of elements than expected.
    public func test() throws -> Bool {
        guard !handles.isEmpty else { return true }
        var done: Int32 = 0
        prepareStatuses()
        Activity.tick()
        let status = MPI_Testall(Int32(handles.count), &handles, &done, &statuses)
        try examine(status, "MPI_Testall", examinesMessages: done != 0)
        return done != 0
    }

    /// Returns when all messages have arrived.
    ///
    /// - Throws: as `test()`.
    public func wait() throws {
        guard !handles.isEmpty else { return }
        prepareStatuses()
        // One by one: Open MPI 4.1's MPI_Waitall spins for ever on a message that is longer than its buffer and was there before the call.
        var failure: (status: Int32, operation: String)?
        for index in handles.indices {
            let status = Activity.during(.wait, messages[index].other) { MPI_Wait(&handles[index], &statuses[index]) }
            if status != MPI_SUCCESS, failure == nil { failure = (status, messages[index].operation) }
        }
        if let failure { try communicator.check(failure.status, failure.operation) }
        try examine(MPI_SUCCESS, "MPI_Wait", examinesMessages: true)
    }

    private func prepareStatuses() {
        if statuses.count != handles.count { statuses = [MPI_Status](repeating: MPI_Status(), count: handles.count) }
    }

    private func examine(_ status: Int32, _ operation: String, examinesMessages: Bool) throws {
        if status == MPI_ERR_IN_STATUS {
            for index in statuses.indices where statuses[index].MPI_ERROR != MPI_SUCCESS && statuses[index].MPI_ERROR != MPI_ERR_PENDING {
                try communicator.check(statuses[index].MPI_ERROR, messages[index].operation)
            }
        }
        try communicator.check(status, operation)
        guard examinesMessages else { return }
        for (index, message) in messages.enumerated() {
            guard let source = message.source else { continue }
            try communicator.requireCount(message.count, message.type, of: &statuses[index], from: source)
        }
        handles = []
        messages = []
    }
}
