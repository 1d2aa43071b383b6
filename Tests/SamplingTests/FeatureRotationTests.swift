import Autograd
import Detectors
import RandomStreams
import Sampling
import XCTest

/// Rotation of inertial features: a rotation and nothing else, one for a recording, drawn from its place alone.
final class FeatureRotationTests: XCTestCase {
    private let position = StepPosition(step: 7, shard: 1)

    private func sequence(_ lengths: [Int], columns: Int, _ value: (Int) -> Float) -> PackedSequence {
        let features = Tensor(rows: lengths.reduce(0, +), columns: columns, requiresGradient: false)
        for i in 0..<features.count { features.values[i] = value(i) }
        return PackedSequence(features, offsets: lengths.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1) })
    }

    private func values(_ sequence: PackedSequence) -> [Float] { (0..<sequence.tensor.count).map { sequence.tensor.values[$0] } }

    /// Orthogonal, right-handed, and by no more than the angle; over many draws angles and axes reach everywhere.
    func testMatricesAreRotationsWithinTheAngle() {
        let rotation = FeatureRotation(degrees: 30, seed: 1)
        var random = RandomStream(seed: 5, "test")
        var largest = 0.0, octants: Set<Int> = []
        for _ in 0..<500 {
            let m = rotation.matrix(&random)
            for a in 0..<3 {
                for b in 0..<3 {
                    let product = (0..<3).reduce(0.0) { $0 + m[3 * a + $1] * m[3 * b + $1] }
                    XCTAssertEqual(product, a == b ? 1 : 0, accuracy: 1e-6)
                }
            }
            let determinant =
                m[0] * (m[4] * m[8] - m[5] * m[7]) - m[1] * (m[3] * m[8] - m[5] * m[6]) + m[2] * (m[3] * m[7] - m[4] * m[6])
            XCTAssertEqual(determinant, 1, accuracy: 1e-6)
            let angle = acos(min(1, max(-1, (m[0] + m[4] + m[8] - 1) / 2))) * 180 / .pi
            XCTAssertLessThanOrEqual(angle, 30.001)
            largest = max(largest, angle)
            octants.insert((m[7] > m[5] ? 1 : 0) + (m[2] > m[6] ? 2 : 0) + (m[3] > m[1] ? 4 : 0))
        }
        XCTAssertGreaterThan(largest, 29)
        XCTAssertEqual(octants.count, 8)
    }

    /// All vectors of a recording turn by the same matrix; another recording by its own. Lengths 1, 2 and odd.
    func testEveryRecordingTurnsAsOne() {
        let lengths = [1, 2, 5], columns = 6
        // Two vectors of a row: (1, 0, 0) and (0, 2, 0).
        let sequence = sequence(lengths, columns: columns) { [1, 0, 0, 0, 2, 0][$0 % 6] }
        FeatureRotation(degrees: 180, seed: 3).turn(sequence, at: position, group: 0)
        let turned = values(sequence)
        var seen: [[Float]] = []
        for (place, rows) in lengths.enumerated() {
            let first = sequence.offsets[place] * columns, row = Array(turned[first..<first + columns])
            for other in 1..<max(rows, 2) where other < rows {
                XCTAssertEqual(Array(turned[first + other * columns..<first + (other + 1) * columns]), row)
            }
            XCTAssertEqual(row[..<3].reduce(0) { $0 + $1 * $1 }, 1, accuracy: 1e-5)
            XCTAssertEqual(row[3...].reduce(0) { $0 + $1 * $1 }, 4, accuracy: 1e-5)
            XCTAssertEqual(zip(row[..<3], row[3...]).reduce(0) { $0 + $1.0 * $1.1 }, 0, accuracy: 1e-5)
            seen.append(row)
        }
        XCTAssertEqual(Set(seen).count, 3)
    }

    /// The same place gives the same bits; another step, shard, group, place or seed others.
    func testDrawsDependOnThePlaceAlone() {
        func turned(_ seed: UInt64 = 3, step: Int = 7, shard: Int = 1, group: Int = 0, lengths: [Int] = [4]) -> [Float] {
            let sequence = sequence(lengths, columns: 3) { Float($0 % 3 + 1) }
            FeatureRotation(degrees: 20, seed: seed).turn(sequence, at: StepPosition(step: step, shard: shard), group: group)
            return Array(values(sequence).suffix(12))
        }
        XCTAssertEqual(turned(), turned())
        let others = [turned(4), turned(step: 8), turned(shard: 0), turned(group: 1), turned(lengths: [2, 4])]
        XCTAssertEqual(Set(others + [turned()]).count, 6)
        // The first recording of a step does not depend on those behind it.
        let pair = sequence([4, 2], columns: 3) { Float($0 % 3 + 1) }
        FeatureRotation(degrees: 20, seed: 3).turn(pair, at: position, group: 0)
        XCTAssertEqual(Array(values(pair)[..<12]), turned())
    }
}
