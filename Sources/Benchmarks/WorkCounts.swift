import Autograd
import Collectives
import Diagnostics
import Kernels

/// What a piece of work did, in counts that depend neither on the clock nor on other programs: sums over all ranks.
/// `launch/thresholds` compares them with the largest that are allowed.
package struct WorkCounts: Encodable {
    /// Calls of kernels.
    package var calls = 0
    /// Floating-point operations of kernels: a multiplication and an addition are two.
    package var operations = 0
    /// Bytes of kernels' operands, each read or written once.
    package var bytes = 0
    /// Buffers taken from the pool.
    package var buffers = 0
    /// The most bytes of the pool that were in use at once; of the rank that used most.
    package var peakBufferBytes = 0
    /// How often memory whose size depends on data or configuration was asked of the system.
    package var allocations = 0
    /// Messages from one rank to another.
    package var messages = 0
    package var messageBytes = 0
    /// Calls that all ranks make together; counted once per call, not per rank.
    package var collectives = 0
    /// Bytes that ranks contribute to these calls.
    package var collectiveBytes = 0

    enum CodingKeys: String, CodingKey {
        case calls, operations, bytes, buffers, allocations, messages, collectives
        case peakBufferBytes = "peak_buffer_bytes"
        case messageBytes = "message_bytes"
        case collectiveBytes = "collective_bytes"
    }

    /// Counters of this process when a piece of work began.
    package struct Mark {
        fileprivate let buffers: Int
        fileprivate let allocations: Int
        fileprivate let traffic: Traffic

        /// - Parameter communicator: the ranks that do the work.
        package init(_ communicator: Communicator) {
            BufferPool.shared.resetPeak()
            buffers = BufferPool.shared.takenBuffers
            allocations = CheckedMemory.allocations
            traffic = communicator.traffic
        }
    }

    /// What this process has done since `mark`, without kernels.
    ///
    /// - Parameter communicator: the one that `mark` was made with.
    package init(since mark: Mark, _ communicator: Communicator) {
        let traffic = communicator.traffic - mark.traffic
        buffers = BufferPool.shared.takenBuffers - mark.buffers
        peakBufferBytes = BufferPool.shared.peakBytes
        allocations = CheckedMemory.allocations - mark.allocations
        (messages, messageBytes) = (traffic.messages, traffic.messageBytes)
        (collectives, collectiveBytes) = (traffic.collectives, traffic.collectiveBytes)
    }

    package mutating func add(_ totals: [KernelCounter.Family: KernelCounter.Total]) {
        for total in totals.values {
            calls += total.calls
            operations += total.operations
            bytes += total.bytes
        }
    }

    /// The counts of all ranks together. All ranks must call it.
    package func overRanks(_ communicator: Communicator) throws -> WorkCounts {
        var result = self
        let sums = try communicator.allReduce(
            [calls, operations, bytes, buffers, allocations, messages, messageBytes, collectiveBytes], .sum)
        (result.calls, result.operations, result.bytes, result.buffers) = (sums[0], sums[1], sums[2], sums[3])
        (result.allocations, result.messages, result.messageBytes, result.collectiveBytes) = (sums[4], sums[5], sums[6], sums[7])
        result.peakBufferBytes = try communicator.allReduce(peakBufferBytes, .max)
        return result
    }

    /// Lines for the user.
    package var text: String {
        """
        kernels     \(calls) calls, \(operations) operations, \(CheckedMemory.text(bytes: bytes))
        buffers     \(buffers), at most \(CheckedMemory.text(bytes: peakBufferBytes)) at once; \(allocations) allocations
        messages    \(messages) of \(CheckedMemory.text(bytes: messageBytes)), \(collectives) collective calls of \(CheckedMemory.text(bytes: collectiveBytes))
        """
    }
}
