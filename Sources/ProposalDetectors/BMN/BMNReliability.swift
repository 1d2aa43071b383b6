import Autograd
import Detectors
import Foundation

/// P_diou of cells (APL, Eq. 4): the predicted tIoU less the predicted tND, at least a small positive value; without tND the tIoU itself.
struct BMNReliability {
    /// [maps * valid cells].
    let values: [Float]
    /// Whether P_diou follows its two parts: not at its least value.
    let isFree: [Bool]

    init(_ outputs: BMN.Outputs, _ settings: BMNSettings) {
        let map = outputs.map, place = settings.regressionChannel, distance = outputs.distance, floor = settings.options.quality.floor
        values = (0..<map.rows).map { Self.value(map.values[2 * $0 + place], distance?.values[$0], floor: floor) }
        isFree = (0..<map.rows).map { cell in distance.map { map.values[2 * cell + place] - $0.values[cell] > floor } ?? true }
    }

    /// - Parameters:
    ///   - overlap: P_tiou.
    ///   - distance: P_tnd; nil without its channel.
    ///   - floor: the least value with tND.
    static func value(_ overlap: Float, _ distance: Float?, floor: Float) -> Float { distance.map { max(overlap - $0, floor) } ?? overlap }

    /// To a power: 1 changes no bit.
    static func raised(_ reliability: Float, to power: Float) -> Float { power == 1 ? reliability : pow(reliability, power) }
}
