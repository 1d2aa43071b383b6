import Kernels
import XCTest

final class ComputeContextTests: XCTestCase {
    private struct Stop: Error {}

    override func tearDown() { ComputeContext.current = ComputeContext() }

    func testWhatIsSetIsRead() {
        XCTAssertEqual(ComputeContext.current, ComputeContext())
        for backend in MatrixMultiplyBackend.allCases {
            for precision in ProductPrecision.allCases {
                for (threads, haveOwnCores) in [(1, true), (1, false), (64, true), (1 << 20, false)] {
                    var context = ComputeContext()
                    (context.backend, context.precision) = (backend, precision)
                    (context.threads, context.threadsHaveOwnCores) = (threads, haveOwnCores)
                    ComputeContext.current = context
                    let read = ComputeContext.current
                    XCTAssertEqual(read.backend, backend)
                    XCTAssertEqual(read.precision, precision)
                    XCTAssertEqual(read.threads, threads)
                    XCTAssertEqual(read.threadsHaveOwnCores, haveOwnCores)
                }
            }
        }
    }

    func testSettingsAreRestored() {
        ComputeContext.current.threads = 3
        let inner = ComputeContext.with {
            $0.threads = 2
            $0.precision = .bfloat16
        } do: {
            ComputeContext.current
        }
        XCTAssertEqual(inner.threads, 2)
        XCTAssertEqual(inner.precision, .bfloat16)
        XCTAssertEqual(ComputeContext.current.threads, 3)
        XCTAssertEqual(ComputeContext.current.precision, .float32)
        XCTAssertThrowsError(try ComputeContext.with({ $0.backend = .onednn }, do: { throw Stop() }))
        XCTAssertEqual(ComputeContext.current.backend, .openblas)
    }

    func testMeasuringLeavesTheSettings() {
        ComputeContext.current.backend = .onednn
        XCTAssertEqual(MatrixMultiply.measuredSpeeds().count, MatrixMultiplyBackend.allCases.count)
        XCTAssertEqual(ComputeContext.current.backend, .onednn)
    }
}
