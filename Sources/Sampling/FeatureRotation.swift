import Autograd
import Foundation
import RandomStreams

/// Rotations of inertial features in training, as if the sensor lay a little differently on every recording (Um et al., arXiv 1706.00527, section 3.2).
///
/// Columns 3 k, 3 k + 1 and 3 k + 2 are x, y and z of one vector. All vectors of a recording turn together, each time it is learnt from by another
/// rotation: about an axis drawn uniformly from all directions, by an angle drawn uniformly up to the given one. Everything drawn is a function of
/// seed, shard, step and the recording's place in it.
public struct FeatureRotation: Equatable, Sendable {
    /// The largest angle, above 0 and at most 180.
    public let degrees: Double
    private let seed: UInt64

    /// `degrees` is the largest angle, above 0 and at most 180; `seed` is that of the run.
    public init(degrees: Double, seed: UInt64) {
        precondition(degrees > 0 && degrees <= 180, "\(degrees) degrees are not in (0, 180]")
        self.degrees = degrees
        self.seed = seed
    }

    /// Turns every recording of a group.
    ///
    /// - Parameters:
    ///   - features: [rows, columns], columns a multiple of three; changed in place.
    ///   - position: of the step and the shard.
    ///   - group: place of the group among those of the shard.
    public func turn(_ features: PackedSequence, at position: StepPosition, group: Int) {
        precondition(features.columns.isMultiple(of: 3), "\(features.columns) columns are no vectors of three numbers")
        for place in 0..<features.count {
            var random = RandomStream(seed: seed, "rotation", position.shard, position.step, group, place)
            let first = features.offsets[place] * features.columns, rows = features.rows(of: place)
            Self.turn(features.tensor.values + first, vectors: rows.count * features.columns / 3, by: matrix(&random))
        }
    }

    /// Draws a rotation: nine numbers, row by row, by Rodrigues' formula.
    package func matrix(_ random: inout RandomStream) -> [Double] {
        let z = 2 * Double(random.uniform()) - 1, longitude = 2 * .pi * Double(random.uniform()), radius = (1 - z * z).squareRoot()
        let axis = [radius * cos(longitude), radius * sin(longitude), z], angle = Double(random.uniform()) * degrees * .pi / 180
        let sine = sin(angle), rest = 1 - cos(angle)
        let cross = [0, -axis[2], axis[1], axis[2], 0, -axis[0], -axis[1], axis[0], 0]
        return (0..<9).map { place in
            let row = place / 3, column = place % 3, isDiagonal = row == column
            return (isDiagonal ? 1 - rest : 0) + sine * cross[place] + rest * axis[row] * axis[column]
        }
    }

    private static func turn(_ values: UnsafeMutablePointer<Float>, vectors: Int, by rotation: [Double]) {
        let m = rotation.map { Float($0) }
        for vector in 0..<vectors {
            let own = values + 3 * vector, x = own[0], y = own[1], z = own[2]
            own[0] = m[0] * x + m[1] * y + m[2] * z
            own[1] = m[3] * x + m[4] * y + m[5] * z
            own[2] = m[6] * x + m[7] * y + m[8] * z
        }
    }
}
