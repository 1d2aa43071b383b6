import CSignals
import Foundation
import Kernels
import Synchronization
import XCTest

final class SignalTests: XCTestCase {
    private static let seen = Atomic<Int>(0)
    private static let hasEnded = Atomic<Bool>(false)

    /// oneDNN's float32 products point the stack register into the heap: a handler on the thread's own stack would write over what lies there.
    func testSignalsThatComeWhileMatricesAreMultipliedSpoilNothing() {
        defer { ComputeContext.current = ComputeContext() }
        ComputeContext.current.backend = .onednn
        kairos_interruption_use_own_stack()
        var action = sigaction(), before = sigaction()
        action.__sigaction_handler.sa_handler = { _ in SignalTests.seen.add(1, ordering: .relaxed) }
        action.sa_flags = SA_RESTART | SA_ONSTACK
        sigaction(SIGUSR2, &action, &before)
        defer { sigaction(SIGUSR2, &before, nil) }

        let m = 96, n = 96, k = 1500
        let a = (0..<k * m).map { Float($0 % 7) - 3 }, b = (0..<k * n).map { Float($0 % 5) - 2 }
        func product() -> [Float] {
            var c = [Float](repeating: 0, count: m * n)
            MatrixMultiply.multiply(m: m, n: n, k: k, a, lda: m, transposeA: true, b, ldb: n, into: &c, ldc: n)
            return c
        }
        let expected = product()
        let own = pthread_self()
        let sender = Thread {
            while !Thread.current.isCancelled {
                pthread_kill(own, SIGUSR2)
                usleep(50)
            }
            SignalTests.hasEnded.store(true, ordering: .sequentiallyConsistent)
        }
        sender.start()
        for turn in 0..<1000 where product() != expected { XCTFail("product \(turn)") }
        sender.cancel()
        while !Self.hasEnded.load(ordering: .sequentiallyConsistent) { usleep(100) }
        XCTAssertGreaterThan(Self.seen.load(ordering: .relaxed), 20)
    }
}
