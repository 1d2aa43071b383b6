/// What a rank has sent, counted by its communicator. Counts depend on the work alone, not on the clock or the network.
public struct Traffic: Equatable, Sendable {
    /// Messages to one other rank, and their bytes.
    public var messages = 0
    /// Without what MPI adds.
    public var messageBytes = 0
    /// Calls that all ranks make together, barriers included, and the bytes that this rank contributes.
    public var collectives = 0
    public var collectiveBytes = 0

    /// Nothing sent yet.
    public init() {}

    /// What came after `earlier`.
    public static func - (later: Traffic, earlier: Traffic) -> Traffic {
        var result = Traffic()
        result.messages = later.messages - earlier.messages
        result.messageBytes = later.messageBytes - earlier.messageBytes
        result.collectives = later.collectives - earlier.collectives
        result.collectiveBytes = later.collectiveBytes - earlier.collectiveBytes
        return result
    }
}

extension Communicator {
    func countMessage<T: MessageElement>(_ type: T.Type, _ count: Int32) {
        traffic.messages += 1
        traffic.messageBytes += Int(count) * MemoryLayout<T>.stride
    }

    func countCollective<T: MessageElement>(_ type: T.Type, _ count: Int) {
        traffic.collectives += 1
        traffic.collectiveBytes += count * MemoryLayout<T>.stride
    }
}
