import Collectives
import Diagnostics
import RunRecords
import TemporalAnnotations

/// Pseudo-labels between the ranks. All ranks call together.
///
/// They are sent in messages of at most `labelsPerMessage` labels (2.7 MiB), so that a rank needs memory for one message beside its own labels, and
/// rank 0 for what it has received (42 bytes a label) beside the result. Numbers arrive with the same bits.
public enum PseudoLabelExchange {
    /// Labels in one message.
    public static let labelsPerMessage = 65_536
    private static let tag = MessageTags.pseudoLabels.first

    /// The labels of all ranks on rank 0, nil on the others: ordered by recording's name, those of one recording in the order of their rank's list.
    /// When every recording is on one rank, the result does not depend on which, nor on how many there are.
    ///
    /// - Parameters:
    ///   - mine: this rank's labels.
    ///   - communicator: the ranks that take part.
    ///   - labelsPerMessage: the most labels of a message.
    ///   - received: called on rank 0 with the bytes that came from other ranks.
    /// - Throws: `Failure` on all ranks, of the lowest rank where something failed.
    public static func gather(
        _ mine: [PseudoLabel], communicator: Communicator, labelsPerMessage: Int = labelsPerMessage, received: ((Int) -> Void)? = nil
    ) throws -> [PseudoLabel]? {
        try check(mine, communicator)
        guard communicator.isRoot else {
            for piece in pieces(of: mine, labelsPerMessage) { try send(PseudoLabelMessage.encode(piece), communicator) }
            try send([], communicator)
            return try communicator.throwTogether { nil }
        }
        // Rank by rank. What cannot be read is complained of at the end, so that no rank waits for ever to be rid of its messages.
        var messages: [PseudoLabelMessage] = []
        var total = 0
        var failure: (any Error)?
        for rank in 1..<max(communicator.size, 1) {
            while true {
                let bytes = try receive(from: rank, communicator)
                if bytes.isEmpty { break }
                total += bytes.count
                do { messages.append(try PseudoLabelMessage(bytes)) } catch { failure = failure ?? error }
            }
        }
        received?(total)
        return try communicator.throwTogether {
            if let failure { throw failure }
            return try joined(mine, messages)
        }
    }

    /// Rank 0's labels on every rank; what the others pass is ignored.
    ///
    /// - Throws: `Failure` for labels that cannot be sent or a message that cannot be read; whatever a collective call throws.
    public static func broadcast(
        _ labels: [PseudoLabel], communicator: Communicator, labelsPerMessage: Int = labelsPerMessage
    ) throws -> [PseudoLabel] {
        try check(communicator.isRoot ? labels : [], communicator)
        guard communicator.size > 1 else { return labels }
        var result: [PseudoLabel] = []
        var failure: (any Error)?
        if communicator.isRoot {
            for piece in pieces(of: labels, labelsPerMessage) { _ = try communicator.broadcast(PseudoLabelMessage.encode(piece)) }
            _ = try communicator.broadcast([UInt8]())
            result = labels
        } else {
            while true {
                let bytes = try communicator.broadcast([UInt8]())
                if bytes.isEmpty { break }
                guard failure == nil else { continue }
                do {
                    let message = try PseudoLabelMessage(bytes)
                    for run in message.runs { try message.decode(run, into: &result) }
                } catch { failure = error }
            }
        }
        return try communicator.throwTogether {
            if let failure { throw failure }
            return result
        }
    }

    private static func check(_ labels: [PseudoLabel], _ communicator: Communicator) throws {
        try communicator.throwTogether {
            for label in labels where UInt32(exactly: label.label) == nil {
                throw Failure.failed(
                    "a pseudo-label has class \(label.label)", at: .video(label.video.name), advice: "classes are numbered from 0 to \(UInt32.max)")
            }
        }
    }

    private static func pieces(of labels: [PseudoLabel], _ count: Int) -> some Sequence<ArraySlice<PseudoLabel>> {
        stride(from: 0, to: labels.count, by: count).lazy.map { labels[$0..<min($0 + count, labels.count)] }
    }

    private static func send(_ bytes: [UInt8], _ communicator: Communicator) throws {
        var count = bytes.count
        try communicator.send(&count, count: 1, to: 0, tag: tag)
        try bytes.withUnsafeBufferPointer { buffer in
            if let base = buffer.baseAddress, !buffer.isEmpty { try communicator.send(base, count: buffer.count, to: 0, tag: tag) }
        }
    }

    private static func receive(from rank: Int, _ communicator: Communicator) throws -> [UInt8] {
        var count = 0
        try communicator.receive(&count, count: 1, from: rank, tag: tag)
        var bytes = [UInt8](repeating: 0, count: count)
        try bytes.withUnsafeMutableBufferPointer { buffer in
            if let base = buffer.baseAddress, !buffer.isEmpty { try communicator.receive(base, count: buffer.count, from: rank, tag: tag) }
        }
        return bytes
    }

    /// Labels of one recording, in this rank's list (no message) or in a message.
    private struct Part {
        var video: VideoID
        var message: Int?
        var run: PseudoLabelMessage.Run
    }

    private static func joined(_ mine: [PseudoLabel], _ messages: [PseudoLabelMessage]) throws -> [PseudoLabel] {
        var parts: [Part] = []
        var first = 0
        while first < mine.count {
            var end = first + 1
            while end < mine.count, mine[end].video == mine[first].video { end += 1 }
            parts.append(Part(video: mine[first].video, message: nil, run: .init(video: mine[first].video, count: end - first, offset: first)))
            first = end
        }
        for (index, message) in messages.enumerated() { parts += message.runs.map { Part(video: $0.video, message: index, run: $0) } }
        let order = parts.indices.sorted { parts[$0].video == parts[$1].video ? $0 < $1 : parts[$0].video < parts[$1].video }
        if messages.isEmpty, order == Array(parts.indices) { return mine }
        var result: [PseudoLabel] = []
        result.reserveCapacity(parts.reduce(0) { $0 + $1.run.count })
        for part in order.map({ parts[$0] }) {
            if let message = part.message {
                try messages[message].decode(part.run, into: &result)
            } else {
                result += mine[part.run.offset..<part.run.offset + part.run.count]
            }
        }
        return result
    }
}
