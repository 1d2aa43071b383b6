import Collectives
import DataParallel

/// One rank of many, the others made up: what they would send is filled in without a message, and what this rank would receive is counted.
///
/// This rank stands at a third of all: the halves of the summation tree that it gets pieces from are never its own, so no rank receives more.
final class MadeUpRanks: RankExchange {
    let rank: Int
    let size: Int
    /// What this rank receives. A gather over all ranks is one message per doubling of the ranks.
    private(set) var messages = 0
    private(set) var bytes = 0
    /// Times that this rank waits for messages.
    private(set) var rounds = 0

    private let rows: [Float]
    private let classes: [Int]
    private let numbers: [Double]

    /// - Parameters:
    ///   - size: ranks.
    ///   - rows: values of others' rows, repeated.
    ///   - classes: classes of others' rows: from 0, one after another.
    ///   - numbers: the sums that others have added, for arrays of this length; others are 0.
    init(size: Int, rows: [Float], classes: Int, numbers: [Double]) {
        self.size = size
        rank = size / 3
        self.rows = rows
        self.classes = Array(0..<classes)
        self.numbers = numbers
    }

    func forget() { (messages, bytes, rounds) = (0, 0, 0) }

    func shared<T: MessageElement>(_ own: [T], counts: [Int], _ content: SharedContent) throws -> [T] {
        guard size > 1 else { return own }
        let total = counts.reduce(0, +), first = counts[..<rank].reduce(0, +), doublings = Int.bitWidth - (size - 1).leadingZeroBitCount
        rounds += doublings
        messages += doublings
        bytes += (total - own.count) * MemoryLayout<T>.stride
        return [T](unsafeUninitializedCapacity: total) { all, initialized in
            let bytes = UnsafeMutableRawBufferPointer(all)
            switch content {
            case .counts: own.withUnsafeBytes { fill(bytes, $0) }
            case .rows: rows.withUnsafeBytes { fill(bytes, $0) }
            case .classes: classes.withUnsafeBytes { fill(bytes, $0) }
            case .numbers: (total == numbers.count ? numbers : [0]).withUnsafeBytes { fill(bytes, $0) }
            }
            own.withUnsafeBytes { bytes[(first * MemoryLayout<T>.stride)...].copyBytes(from: $0) }
            initialized = total
        }
    }

    /// Copies `source` as often as it fits.
    private func fill(_ target: UnsafeMutableRawBufferPointer, _ source: UnsafeRawBufferPointer) {
        var place = 0
        while place < target.count, !source.isEmpty {
            let count = min(source.count, target.count - place)
            UnsafeMutableRawBufferPointer(rebasing: target[place..<place + count]).copyMemory(from: .init(rebasing: source[..<count]))
            place += count
        }
    }

    func trade<T: MessageElement>(sends: [Parcel<T>], receives: [Parcel<T>]) throws {
        // What others add is taken to be 0, which is what the places hold.
        if !receives.isEmpty { rounds += 1 }
        messages += receives.count
        bytes += receives.reduce(0) { $0 + $1.bytes }
    }
}
