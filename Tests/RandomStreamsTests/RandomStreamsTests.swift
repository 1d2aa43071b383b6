import RandomStreams
import XCTest

final class RandomStreamsTests: XCTestCase {
    /// The known answers that the authors of Philox publish with their Random123 library.
    func testPhiloxKnownAnswers() {
        let all = UInt32.max
        let cases: [(key: SIMD2<UInt32>, counter: SIMD4<UInt32>, block: SIMD4<UInt32>)] = [
            (SIMD2(0, 0), SIMD4(0, 0, 0, 0), SIMD4(0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8)),
            (SIMD2(all, all), SIMD4(all, all, all, all), SIMD4(0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd)),
            (
                SIMD2(0xa409_3822, 0x299f_31d0), SIMD4(0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344),
                SIMD4(0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1)
            ),
        ]
        for (key, counter, block) in cases { XCTAssertEqual(Philox4x32.block(key: key, counter: counter), block) }
    }

    func testAnAddressGivesTheSameNumbersAgain() {
        func numbers(_ seed: UInt64, _ purpose: String, _ path: [Int]) -> [UInt64] {
            var stream = RandomStream(seed: seed, purpose, path: path)
            return (0..<9).map { _ in stream.next() }
        }
        let reference = numbers(7, "order", [1, 2])
        XCTAssertEqual(numbers(7, "order", [1, 2]), reference)
        let others: [(UInt64, String, [Int])] = [
            (8, "order", [1, 2]), (7, "crop", [1, 2]), (7, "order", [2, 1]), (7, "order", [1]), (7, "order", [1, 2, 0]),
        ]
        for (seed, purpose, path) in others {
            XCTAssertTrue(Set(numbers(seed, purpose, path)).isDisjoint(with: reference), "\(seed) \(purpose) \(path)")
        }
    }

    func testDistributions() {
        var stream = RandomStream(seed: 1, "distributions")
        let count = 40_000
        var sum = 0.0, squares = 0.0, uniformSum = 0.0
        for _ in 0..<count {
            let z = Double(stream.normal()), u = stream.uniform()
            XCTAssertTrue(u >= 0 && u < 1)
            sum += z
            squares += z * z
            uniformSum += Double(u)
        }
        // Four standard errors.
        XCTAssertEqual(sum / Double(count), 0, accuracy: 0.02)
        XCTAssertEqual(squares / Double(count), 1, accuracy: 0.03)
        XCTAssertEqual(uniformSum / Double(count), 0.5, accuracy: 0.006)
    }

    func testPermutationsAreUniform() {
        var counts: [[Int]: Int] = [:]
        for seed in 0..<6000 {
            var stream = RandomStream(seed: UInt64(seed), "permutation")
            counts[stream.permutation(3), default: 0] += 1
        }
        XCTAssertEqual(counts.count, 6)
        for (order, count) in counts { XCTAssertEqual(Double(count), 1000, accuracy: 120, "\(order)") }
        var stream = RandomStream(seed: 0, "permutation")
        for length in [0, 1, 2, 17] { XCTAssertEqual(stream.permutation(length).sorted(), Array(0..<length)) }
    }
}
