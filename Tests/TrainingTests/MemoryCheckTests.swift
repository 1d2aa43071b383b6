import Diagnostics
import TrainingMethods
import XCTest

/// What is refused, warned of and noted, word for word.
final class MemoryCheckTests: XCTestCase {
    private let mebibyte = 1 << 20

    private func estimate(weights: Int, training: Int, detection: Int = 0) -> MemoryEstimate {
        MemoryEstimate(
            parts: [.init("the program", bytes: 48 * mebibyte), .init("weights", bytes: weights * mebibyte), .init("tiny", bytes: 100)],
            phases: [
                .init("training (2 recordings of up to 2304 rows per shard)", bytes: training * mebibyte, key: "data.max_rows", advice: "lower it"),
                .init(
                    "detection (a recording of 9 rows, whole)", bytes: detection * mebibyte, comesFromData: true, video: "v", key: nil,
                    advice: "leave it out"),
            ], file: "s.h5", modelKeys: ["model.embd_dim", "model.fpn_dim", "model.head_dim", "model.head_kernel_size"])
    }

    private func machine(_ mebibytes: Int, scope: String? = "m") -> AvailableMemory {
        AvailableMemory(bounds: [.init(name: "free on the machine", scope: scope, bytes: mebibytes * mebibyte)])
    }

    private func lines(_ ranks: [(MemoryEstimate, AvailableMemory)]) throws -> [String] {
        try MemoryCheck.lines(ranks.map { MemoryCheck.Claim(estimate: $0, available: $1) })
    }

    private func refusal(_ ranks: [(MemoryEstimate, AvailableMemory)], line: UInt = #line) -> Failure? {
        do {
            _ = try lines(ranks)
            XCTFail("not refused", line: line)
        } catch { return error as? Failure }
        return nil
    }

    func testFarFromTheLimitNothingIsSaid() throws {
        XCTAssertEqual(try lines([(estimate(weights: 10, training: 100), machine(1000))]), [])
        XCTAssertEqual(try lines([(estimate(weights: 10, training: 100), AvailableMemory(bounds: []))]), [])
    }

    func testNotesAndWarnings() throws {
        let figures =
            "the run needs about 158.0 MiB of memory, 300.0 MiB are free on the machine: "
            + "training (2 recordings of up to 2304 rows per shard) 100.0 MiB, the program 48.0 MiB, weights 10.0 MiB"
        XCTAssertEqual(try lines([(estimate(weights: 10, training: 100), machine(300))]), [figures])
        XCTAssertEqual(
            try lines([(estimate(weights: 10, training: 100), machine(160))]),
            ["warning: " + figures.replacingOccurrences(of: "300.0", with: "160.0") + "; it may not fit"])
        // A little above is near the limit still.
        XCTAssertEqual(try lines([(estimate(weights: 10, training: 100), machine(155))]).count, 1)
    }

    func testWhatMakesItLargeSaysWhatToChange() {
        XCTAssertEqual(
            refusal([(estimate(weights: 10, training: 100), machine(120))])?.description,
            """
            error: the run needs about 158.0 MiB of memory, 120.0 MiB are free on the machine: training (2 recordings of up to 2304 rows per shard) \
            100.0 MiB, the program 48.0 MiB, weights 10.0 MiB
              where: file 's.h5', key 'data.max_rows'
              do: lower it
            """)
        let long = refusal([(estimate(weights: 10, training: 100, detection: 4000), machine(120))])
        XCTAssertEqual(
            long?.description,
            """
            error: the run needs about 4058.0 MiB of memory, 120.0 MiB are free on the machine: detection (a recording of 9 rows, whole) 4000.0 MiB, \
            the program 48.0 MiB, weights 10.0 MiB
              where: file 's.h5', video 'v'
              do: leave it out
            """)
        XCTAssertEqual(long?.exitCode, 3)
        let large = refusal([(estimate(weights: 10_000_000, training: 100), machine(120))])
        XCTAssertEqual(
            large?.description,
            """
            error: the run needs about 9765.8 GiB of memory, 120.0 MiB are free on the machine: training (2 recordings of up to 2304 rows per shard) \
            100.0 MiB, the program 48.0 MiB, weights 9765.6 GiB
              where: file 's.h5', key 'model.embd_dim'
              do: make the model smaller (model.embd_dim, model.fpn_dim, model.head_dim, model.head_kernel_size)
            """)
        XCTAssertEqual(large?.exitCode, 2)
    }

    /// The sum over those that share a bound; whoever has one of its own stands alone.
    func testRanksOfOneMachineAreAddedUp() throws {
        let one = estimate(weights: 10, training: 100)
        XCTAssertEqual(
            refusal([(one, machine(300)), (one, machine(300)), (one, machine(10_000, scope: "another"))])?.description,
            """
            error: 2 ranks need about 316.0 MiB of memory, 300.0 MiB are free on the machine; each needs: training (2 recordings of up to 2304 rows \
            per shard) 100.0 MiB, the program 48.0 MiB, weights 10.0 MiB
              where: file 's.h5', key 'data.max_rows'
              do: lower it, or start fewer ranks on a machine
            """)
        XCTAssertEqual(try lines([(one, machine(320, scope: nil)), (one, machine(320, scope: nil))]), [])
        // Addresses are more than memory.
        var limit = machine(150, scope: nil)
        XCTAssertNoThrow(try lines([(one, machine(152, scope: nil))]))
        limit.bounds[0].countsAddresses = true
        XCTAssertEqual(
            refusal([(one, limit)])?.what.components(separatedBy: "; ")[0].components(separatedBy: ": ")[0],
            "the run needs about 158.0 MiB of memory, about 197.5 MiB of addresses, 150.0 MiB are free on the machine")
    }

    func testSumsAndProductsDoNotOverflow() {
        let most = MemoryEstimate(parts: [.init("a", bytes: .max), .init("b", bytes: .max)], phases: [.init("c", bytes: 1, key: nil, advice: "")])
        XCTAssertEqual(most.total, .max)
        XCTAssertEqual(
            refusal([(most, machine(1)), (most, machine(1))])?.what,
            "2 ranks need about more than 8 EiB of memory, 1.0 MiB are free on the machine; each needs: "
                + "c 0.0 MiB, a more than 8 EiB, b more than 8 EiB")
        XCTAssertEqual(MemoryEstimate.product(65_536, 65_536, 65_536, 65_536), .max)
        XCTAssertEqual(MemoryEstimate.product(3, 4, 5), 60)
    }
}
