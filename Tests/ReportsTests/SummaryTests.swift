import Reports
import XCTest

/// Numbers computed by hand.
final class SummaryTests: XCTestCase {
    func testSpreadAndDecimation() throws {
        let spread = try XCTUnwrap(Spread([1, 2, 4]))
        XCTAssertEqual(spread.mean, 7.0 / 3, accuracy: 1e-12)
        XCTAssertEqual(try XCTUnwrap(spread.deviation), (7.0 / 3).squareRoot(), accuracy: 1e-12)
        XCTAssertEqual([spread.least, spread.greatest], [1, 4])
        XCTAssertNil(Spread([]))
        XCTAssertNil(try XCTUnwrap(Spread([3])).deviation)
        var points: [(x: Double, y: Double)] = (0..<1000).map { number in (Double(number), Double(number % 7)) }
        points[517].y = 100
        points[400].y = .nan
        let thin: [(x: Double, y: Double)] = Decimation.thin(points, to: 100)
        XCTAssertLessThanOrEqual(thin.count, 100)
        XCTAssertTrue(thin.contains { $0.x == 517 && $0.y == 100 })
        XCTAssertEqual([thin.first?.x, thin.last?.x], [0, 999])
        let places = thin.map { $0.x }
        XCTAssertEqual(places, places.sorted())
        XCTAssertEqual(Decimation.thin(Array(points.prefix(3)), to: 100).count, 3)
    }
}
