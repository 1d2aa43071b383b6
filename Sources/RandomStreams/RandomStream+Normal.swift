import Foundation

extension RandomStream {
    static func squareRootOfLogarithm(_ u: Double) -> Double { (-2 * log(u)).squareRoot() }
    static func cosineOfTurns(_ u: Double) -> Double { cos(2 * .pi * u) }
}
