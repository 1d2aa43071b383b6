import Autograd
import RandomStreams
import XCTest

final class BufferPoolTests: XCTestCase {
    func testTensorsOfEverDifferentLengthsShareTheSameMemory() {
        var random = RandomStream(seed: 5, "lengths")
        func batch(_ rows: Int) {
            // Alive together, let go in mixed order, like the activations of a step.
            var tensors = (0..<12).map { Tensor(rows: rows / (1 + $0 % 3), columns: 64, requiresGradient: false) }
            for tensor in tensors { for i in 0..<tensor.count { tensor.values[i] = Float(tensor.rows) } }
            for tensor in tensors { XCTAssertEqual(tensor.values[tensor.count - 1], Float(tensor.rows)) }
            while !tensors.isEmpty { tensors.remove(at: random.uniformIndex(below: tensors.count)) }
        }
        batch(3000)
        let held = BufferPool.shared.heldBytes
        for _ in 0..<200 { batch(100 + random.uniformIndex(below: 2900)) }
        XCTAssertEqual(BufferPool.shared.heldBytes, held)
    }

    func testLiveTensorsNeverOverlap() {
        var random = RandomStream(seed: 6, "overlap")
        var live: [(tensor: Tensor, mark: Float)] = []
        for mark in 0..<600 {
            if live.count > 30 || (mark % 3 == 0 && !live.isEmpty) {
                let (tensor, mark) = live.remove(at: random.uniformIndex(below: live.count))
                for i in 0..<tensor.count { XCTAssertEqual(tensor.values[i], mark) }
            }
            let tensor = Tensor(rows: 1 + random.uniformIndex(below: 50), columns: 1 + random.uniformIndex(below: 50), requiresGradient: false)
            tensor.values.update(repeating: Float(mark), count: tensor.count)
            live.append((tensor, Float(mark)))
        }
        for (tensor, mark) in live { for i in 0..<tensor.count { XCTAssertEqual(tensor.values[i], mark) } }
    }

    func testFreeSlabsGoBackToTheSystem() {
        let used = BufferPool.shared.usedBytes
        do { _ = Tensor(rows: 4000, columns: 4000, requiresGradient: false) }
        XCTAssertEqual(BufferPool.shared.usedBytes, used)
        let held = BufferPool.shared.heldBytes
        BufferPool.shared.releaseFree()
        XCTAssertLessThan(BufferPool.shared.heldBytes, held)
    }
}
