import HDF5
import XCTest

final class HDF5MatrixTests: XCTestCase {
    func testAnnouncedRangesAreMerged() {
        XCTAssertEqual(HDF5Matrix.merged([]), [])
        XCTAssertEqual(HDF5Matrix.merged([7..<7]), [])
        XCTAssertEqual(HDF5Matrix.merged([20..<30, 0..<10, 10..<20, 5..<5, 40..<50]), [0..<30, 40..<50])
        XCTAssertEqual(HDF5Matrix.merged([40..<50, 20..<30, 60..<70, 10..<20, 0..<5]), [40..<50, 10..<30, 60..<70, 0..<5])
        XCTAssertEqual(HDF5Matrix.merged([0..<50, 10..<20, 49..<60, 61..<62]), [0..<60, 61..<62])
    }
}
