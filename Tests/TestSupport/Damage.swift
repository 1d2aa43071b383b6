import Foundation
import RandomStreams

/// What happens to files on failing disks and in broken copies, drawn at random: the same for the same seed and number.
public enum Damage: CaseIterable {
    case flippedBits, zeroedRun, otherBytes, cutEnd, exchangedRuns, largeNumber

    /// Bytes of an HDF5 file as its first block (version 0) says; what follows is no part of it.
    public static func endOfHDF5(_ bytes: some DataProtocol) -> Int {
        (0..<8).reduce(0) { $0 | Int(bytes[bytes.index(bytes.startIndex, offsetBy: 40 + $1)]) << (8 * $1) }
    }

    /// - Parameters:
    ///   - number: of the damage, from 0.
    ///   - regions: where most damages are done: what is not one long run of values.
    public static func damaged(_ bytes: [UInt8], seed: UInt64, number: Int, regions: [Range<Int>]) -> [UInt8] {
        var random = RandomStream(seed: seed, "damage", number)
        var result = bytes
        func place(_ random: inout RandomStream) -> Int {
            guard random.uniformIndex(below: 4) > 0, let region = regions.isEmpty ? nil : regions[random.uniformIndex(below: regions.count)] else {
                return random.uniformIndex(below: bytes.count)
            }
            return region.lowerBound + random.uniformIndex(below: region.count)
        }
        func run(_ random: inout RandomStream) -> Range<Int> {
            let first = place(&random)
            return first..<min(bytes.count, first + 1 + random.uniformIndex(below: 1 << (1 + random.uniformIndex(below: 9))))
        }
        switch allCases[random.uniformIndex(below: allCases.count)] {
        case .flippedBits:
            for _ in 0...random.uniformIndex(below: 4) { result[place(&random)] ^= 1 << UInt8(random.uniformIndex(below: 8)) }
        case .zeroedRun:
            for index in run(&random) { result[index] = 0 }
        case .otherBytes:
            for index in run(&random) { result[index] = UInt8(truncatingIfNeeded: random.nextBits()) }
        case .cutEnd:
            result.removeLast(1 + random.uniformIndex(below: bytes.count - 1))
        case .exchangedRuns:
            let one = run(&random), other = place(&random)
            for (offset, index) in one.enumerated() where other + offset < bytes.count { result.swapAt(index, other + offset) }
        case .largeNumber:
            // Where a size or address may stand.
            let first = place(&random) / 4 * 4
            let byte: UInt8 = random.uniformIndex(below: 2) == 0 ? 0xff : 0x7f
            for index in first..<min(bytes.count, first + 8) { result[index] = index == first + 7 ? byte : 0xff }
        }
        return result
    }
}
