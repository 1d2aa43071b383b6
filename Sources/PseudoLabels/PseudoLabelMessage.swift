import Diagnostics
import Foundation
import RunRecords
import TemporalAnnotations

/// Pseudo-labels as bytes between ranks of one kind of machine.
///
/// Runs of labels of one recording: length of the name, name, count (UInt32 each), then the labels: a byte of flags, a byte of the fate (its place
/// among all fates), class (UInt32), start and end (Float64), score, P_cls and whichever of P_tiou, P_tnd and similarity there are: Float32 when that
/// loses nothing for all of them, else Float64. A label of a detector with quality branches takes 42 bytes.
package struct PseudoLabelMessage {
    /// One recording's labels in a message.
    package struct Run {
        package var video: VideoID
        package var count: Int
        /// Where the labels begin.
        package var offset: Int
    }

    private static let fates = PseudoLabelFate.allCases
    private static let hasTIoU: UInt8 = 1, hasTND: UInt8 = 2, hasSimilarity: UInt8 = 4, isDouble: UInt8 = 8
    private static let allFlags = hasTIoU | hasTND | hasSimilarity | isDouble

    // MARK: Writing

    /// - Precondition: classes are within UInt32 (`PseudoLabelExchange` checks).
    package static func encode(_ labels: ArraySlice<PseudoLabel>) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(labels.count * 42 + 64)
        var first = labels.startIndex
        while first < labels.endIndex {
            let video = labels[first].video
            var end = first + 1
            while end < labels.endIndex, labels[end].video == video { end += 1 }
            let name = Array(video.name.utf8)
            append(UInt32(name.count), to: &bytes)
            bytes += name
            append(UInt32(end - first), to: &bytes)
            for i in first..<end { append(labels[i], to: &bytes) }
            first = end
        }
        return bytes
    }

    private static func append<T>(_ value: T, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: value) { bytes.append(contentsOf: $0) }
    }

    private static func append(_ label: PseudoLabel, to bytes: inout [UInt8]) {
        var flags: UInt8 = 0
        if label.tIoU != nil { flags |= hasTIoU }
        if label.tND != nil { flags |= hasTND }
        if label.similarity != nil { flags |= hasSimilarity }
        // Compared as bits: a payload of NaN may get lost on the way through float32.
        func fits(_ value: Double?) -> Bool { value.map { Double(Float($0)).bitPattern == $0.bitPattern } ?? true }
        let single = fits(label.score) && fits(label.classScore) && fits(label.tIoU) && fits(label.tND) && fits(label.similarity)
        if !single { flags |= isDouble }
        bytes.append(flags)
        bytes.append(UInt8(fates.firstIndex(of: label.fate) ?? 0))
        append(UInt32(label.label), to: &bytes)
        append(label.segment.start, to: &bytes)
        append(label.segment.end, to: &bytes)
        func add(_ value: Double?) {
            guard let value else { return }
            if single { append(Float(value), to: &bytes) } else { append(value, to: &bytes) }
        }
        add(label.score)
        add(label.classScore)
        add(label.tIoU)
        add(label.tND)
        add(label.similarity)
    }

    // MARK: Reading

    private let bytes: [UInt8]
    package let runs: [Run]

    /// Looks for the runs; the labels stay bytes.
    ///
    /// - Throws: `Failure` when the bytes are no message.
    package init(_ bytes: [UInt8]) throws {
        self.bytes = bytes
        var runs: [Run] = []
        var reader = Reader(bytes: bytes, position: 0)
        while reader.position < bytes.count {
            let length = Int(try reader.next(UInt32.self))
            let name = String(decoding: try reader.take(length), as: UTF8.self)
            let count = Int(try reader.next(UInt32.self))
            runs.append(Run(video: VideoID(name), count: count, offset: reader.position))
            for _ in 0..<count { try reader.skip(try Self.size(flags: try reader.next(UInt8.self))) }
        }
        self.runs = runs
    }

    /// Bytes of a label after its flags.
    private static func size(flags: UInt8) throws -> Int {
        guard flags & ~allFlags == 0 else { throw unknown("flags", flags) }
        let numbers = 2 + (flags & (hasTIoU | hasTND | hasSimilarity)).nonzeroBitCount
        return 21 + numbers * (flags & isDouble == 0 ? 4 : 8)
    }

    package func decode(_ run: Run, into labels: inout [PseudoLabel]) throws {
        var reader = Reader(bytes: bytes, position: run.offset)
        for _ in 0..<run.count {
            let flags = try reader.next(UInt8.self), place = try reader.next(UInt8.self)
            guard Self.fates.indices.contains(Int(place)) else { throw Self.unknown("the fate", place) }
            let label = Int(try reader.next(UInt32.self))
            let segment = Segment(start: try reader.next(Double.self), end: try reader.next(Double.self))
            func number() throws -> Double { flags & Self.isDouble == 0 ? Double(try reader.next(Float.self)) : try reader.next(Double.self) }
            let score = try number(), classScore = try number()
            labels.append(
                PseudoLabel(
                    video: run.video, segment: segment, label: label, score: score, classScore: classScore,
                    tIoU: flags & Self.hasTIoU == 0 ? nil : try number(), tND: flags & Self.hasTND == 0 ? nil : try number(),
                    similarity: flags & Self.hasSimilarity == 0 ? nil : try number(), fate: Self.fates[Int(place)]))
        }
    }

    private static func unknown(_ what: String, _ byte: UInt8) -> Failure {
        .failed("a message of pseudo-labels has \(what) \(byte), which no label has", advice: "start the same program on every rank")
    }

    private struct Reader {
        let bytes: [UInt8]
        var position: Int

        mutating func take(_ count: Int) throws -> ArraySlice<UInt8> {
            let first = position
            try skip(count)
            return bytes[first..<position]
        }

        mutating func skip(_ count: Int) throws {
            guard count <= bytes.count - position else {
                throw Failure.failed(
                    "a message of pseudo-labels ends early: \(count) more bytes are wanted at byte \(position) of \(bytes.count)",
                    advice: "start the same program on every rank")
            }
            position += count
        }

        mutating func next<T: BitwiseCopyable>(_ type: T.Type) throws -> T {
            let first = position
            try skip(MemoryLayout<T>.size)
            return bytes.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: first, as: type) }
        }
    }
}
