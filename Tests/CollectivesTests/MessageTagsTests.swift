import Collectives
import XCTest

final class MessageTagsTests: XCTestCase {
    func testRangesAreDisjointWhateverTheirSizes() {
        // Sizes from a small generator of its own: any list of users gets ranges that touch and never overlap.
        var state: UInt64 = 7
        for _ in 0..<200 {
            let users = (0..<Int(state >> 60) + 1).map { number -> (user: String, count: Int) in
                state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
                return ("user \(number)", Int(state >> 50) + 1)
            }
            assertDisjoint(MessageTags.dealt(users), users.map(\.count))
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        }
        assertDisjoint(MessageTags.all, MessageTags.all.map(\.count))
        let named: [MessageTags] = [.unnamed, .gathering, .pseudoLabels, .globalRows, .gradients, .watch]
        XCTAssertEqual(named, MessageTags.all)
        XCTAssertEqual(MessageTags.all.map(\.user), ["unnamed messages", "gathering", "pseudo-labels", "global rows", "gradients", "the watch"])
    }

    private func assertDisjoint(_ ranges: [MessageTags], _ counts: [Int]) {
        XCTAssertEqual(ranges.map(\.count), counts)
        for (i, range) in ranges.enumerated() {
            XCTAssertGreaterThanOrEqual(range.first, 0)
            for other in ranges[..<i] { XCTAssertFalse(range.range.overlaps(other.range), "\(range) and \(other)") }
        }
        for range in ranges {
            XCTAssertEqual(range.tag(0), range.first)
            XCTAssertEqual(range.tag(range.count - 1), range.range.upperBound - 1)
        }
    }

    func testTagsAreComparedWithTheLibrarysLargest() throws {
        let highest = MessageTags.all.map(\.range.upperBound).max()! - 1
        XCTAssertLessThanOrEqual(highest, 32_767, "what the MPI standard promises")
        XCTAssertNoThrow(try MessageTags.require(largest: highest))
        XCTAssertThrowsError(try MessageTags.require(largest: highest - 1)) {
            XCTAssertEqual(
                "\($0)",
                """
                error: this MPI library carries tags up to \(highest - 1), tags up to \(highest) are needed
                  do: use an MPI library whose MPI_TAG_UB is 32767 or more, as the MPI standard asks (Debian: libopenmpi-dev openmpi-bin)
                """)
        }
        XCTAssertNoThrow(try Communicator.world().requireTags())
    }
}
