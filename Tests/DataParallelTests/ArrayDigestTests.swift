import DataParallel
import XCTest

final class ArrayDigestTests: XCTestCase {
    func testEveryBitAndItsPlaceCount() {
        func digest(_ values: [Float]) -> UInt64 {
            var digest = ArrayDigest()
            values.withUnsafeBufferPointer { digest.add($0) }
            return digest.value
        }
        for count in [1, 2, 7, 8, 9, 16, 33] {
            let values = (0..<count).map { Float($0) * 0.37 }
            var seen: Set<UInt64> = [digest(values)]
            for place in 0..<count {
                for bit in 0..<32 {
                    var other = values
                    other[place] = Float(bitPattern: other[place].bitPattern ^ 1 << UInt32(bit))
                    seen.insert(digest(other))
                }
            }
            XCTAssertEqual(seen.count, 1 + 32 * count)
            if count > 1 { XCTAssertNotEqual(digest(values), digest(values.reversed())) }
            XCTAssertNotEqual(digest(values), digest(values + [0]))
            XCTAssertEqual(digest(values), digest(values))
        }
    }
}
