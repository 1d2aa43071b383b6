import Kernels
import XCTest

extension XCTestCase {
    /// Runs the body with one, two, three and four threads; what it returns must be the same to the bit.
    func sameForThreadCounts(_ name: String, _ body: () -> [Float]) -> [Float] {
        let results = (1...4).map { threads in ComputeContext.with({ $0.threads = threads }, do: body) }
        for (i, result) in results.enumerated() {
            XCTAssertEqual(result.map(\.bitPattern), results[0].map(\.bitPattern), "\(name), \(i + 1) threads")
        }
        return results[0]
    }
}
