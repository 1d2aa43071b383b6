import Training
import XCTest

final class RankPlacementTests: XCTestCase {
    private func rank(_ cores: String, of coresOfHost: Int = 4, threads: Int = 1, host: Int = 0) -> RankPlacement {
        RankPlacement(host: host, hostName: "n\(host)", cores: RankPlacement.cores(in: cores), coresOfHost: coresOfHost, threads: threads)
    }

    func testCores() {
        XCTAssertEqual(RankPlacement.cores(in: "0-3,8"), [0, 1, 2, 3, 8])
        XCTAssertEqual(RankPlacement.cores(in: "5"), [5])
        XCTAssertEqual(RankPlacement.cores(in: ""), [])
        XCTAssertEqual(RankPlacement.cores(in: "3-1,x"), [])
    }

    func testLines() {
        let cases: [([RankPlacement], [String])] = [
            ([rank("0-3", threads: 4)], ["1 rank on 1 host, 4 threads, not pinned"]),
            ([rank("0-1", threads: 2)], ["1 rank on 1 host, 2 threads, pinned to cores of its own"]),
            ([rank("0-1"), rank("0-1")], ["2 ranks on 1 host, 1 thread each, pinned to cores that they share"]),
            ([rank("0-3", threads: 2), rank("0-3", threads: 2)], ["2 ranks on 1 host, 2 threads each, not pinned"]),
            (
                [rank("0-1", threads: 2), rank("2-3", threads: 2), rank("0-1", threads: 2, host: 2), rank("2-3", threads: 2, host: 2)],
                ["4 ranks on 2 hosts, 2 threads each, pinned to cores of their own"]
            ),
            (
                [rank("0-3", threads: 4), rank("0-3", threads: 4, host: 1)], ["2 ranks on 2 hosts, 4 threads each, not pinned"]
            ),
            (
                [rank("0-3", threads: 3), rank("0-3", threads: 2)],
                [
                    "2 ranks on 1 host, 2 to 3 threads each, not pinned",
                    "warning: 5 threads of ranks 0 and 1 share cores 0-3 of host 'n0': start fewer ranks there, or lower training.threads",
                ]
            ),
            (
                [rank("0,2"), rank("2-3"), rank("1")],
                [
                    "3 ranks on 1 host, 1 thread each, pinned to cores that they share",
                    "warning: ranks 0 and 1 are pinned to the same cores 0,2-3 of host 'n0': let mpirun give each its own "
                        + "(--map-by slot:PE=THREADS --bind-to core)",
                ]
            ),
            (
                [rank("0"), rank("0"), rank("1-3", threads: 4)],
                [
                    "3 ranks on 1 host, 1 to 4 threads each, pinned to cores that they share",
                    "warning: 2 threads of ranks 0 and 1 share core 0 of host 'n0': start fewer ranks there, or lower training.threads",
                    "warning: 4 threads of rank 2 share cores 1-3 of host 'n0': start fewer ranks there, or lower training.threads",
                ]
            ),
            ([rank("", threads: 1)], ["1 rank on 1 host, 1 thread"]),
        ]
        for (ranks, expected) in cases { XCTAssertEqual(RankPlacement.lines(ranks), expected) }
    }
}
