import Diagnostics
import Foundation
import TensorBoard
import XCTest

/// The bytes of event files.
final class EventFileTests: XCTestCase {
    private var path = ""

    override func setUp() { path = NSTemporaryDirectory() + "kairos-events-\(UUID().uuidString)" }
    override func tearDown() { try? FileManager.default.removeItem(atPath: path) }

    /// RFC 3720, appendix B.4, and the check value of the CRC catalogue.
    func testChecksums() {
        XCTAssertEqual(CRC32C.checksum([]), 0)
        XCTAssertEqual(CRC32C.checksum("123456789".utf8), 0xE306_9283)
        XCTAssertEqual(CRC32C.checksum([UInt8](repeating: 0, count: 32)), 0x8A91_36AA)
        XCTAssertEqual(CRC32C.checksum([UInt8](repeating: 0xFF, count: 32)), 0x62A8_AB43)
        XCTAssertEqual(CRC32C.checksum((0..<32).map { UInt8($0) }), 0x46DD_794E)
        XCTAssertEqual(CRC32C.checksum((0..<32).reversed().map { UInt8($0) }), 0x113F_DB5C)
    }

    /// Events, and the frames that the Python package tensorboard 2.21 writes for them (its RecordWriter and protocol buffers).
    private let golden: [(event: BoardEvent, frame: String)] = [
        (
            BoardEvent(time: 1.5, step: 1, content: .version("brain.Event:2")),
            "1a00000000000000129bd82d09000000000000f83f10011a0d627261696e2e4576656e743a32bb00b002"
        ),
        (
            BoardEvent(time: 1.5, step: 1, content: .sessionStart),
            "0f000000000000006d532b0909000000000000f83f10013a0208012967c289"
        ),
        (
            BoardEvent(
                time: 1_700_000_000.125, step: 300,
                content: .summary([SummaryValue(tag: "loss/total", content: .scalar(0.1)), SummaryValue(tag: "a \"b\"/é", content: .scalar(.nan))])),
            "3200000000000000241956ec0900000840fc54d94110ac022a240a110a0a6c6f73732f746f74616c15cdcccc3d0a0f0a0861202262222f"
                + "c3a9150000c07f4d6973d8"
        ),
        (
            BoardEvent(time: 2, step: 5, content: .summary([SummaryValue(tag: "configuration", content: .text("x: 1\n"))])),
            "3500000000000000d6c55de609000000000000004010052a280a260a0d636f6e66696775726174696f6e420b080712004205783a20310a"
                + "4a080a060a047465787479184f9b"
        ),
        (
            BoardEvent(time: 2, step: 5, content: .summary([SummaryValue(tag: "h/s", content: .histogram(EventFileTests.histogram))])),
            "6700000000000000baadcdd409000000000000004010052a5a0a580a03682f732a5109000000000000d03f11000000000000e03f190000"
                + "00000000084021000000000000f03f29000000000000d83f3210333333333333d33f333333333333e33f3a100000000000000040000000"
                + "000000f03f0e5fbab6"
        ),
    ]

    private static let histogram: ScoreHistogram = {
        var histogram = ScoreHistogram([0.25, 0.25, 0.5])
        (histogram.limits, histogram.counts) = ([0.3, 0.6], [2, 1])
        return histogram
    }()

    func testFramesAreThoseOfTensorBoardsWriter() throws {
        for (event, frame) in golden {
            let bytes = RecordFraming.frame(event.encoded)
            XCTAssertEqual(bytes.map { String(format: "%02x", $0) }.joined(), frame)
            let (records, fault) = RecordFraming.records(bytes)
            XCTAssertNil(fault)
            let read = try XCTUnwrap(records.first.flatMap { BoardEvent($0) })
            // Not `==`: one of the values is no number.
            XCTAssertEqual("\(read)", "\(event)")
            XCTAssertEqual(read.encoded, event.encoded)
        }
        XCTAssertEqual(Self.histogram.sumOfSquares, 0.375)
    }

    func testValuesReadBackBitForBit() throws {
        let values: [Float] = [0, -0.0, 1, .pi, .leastNonzeroMagnitude, -.greatestFiniteMagnitude, .infinity, -.infinity, .nan]
        let written = BoardEvent(time: 0, step: .max, content: .summary(values.map { SummaryValue(tag: "", content: .scalar($0)) }))
        let read = try XCTUnwrap(BoardEvent(written.encoded[...]))
        guard case .summary(let found) = read.content else { return XCTFail("\(read)") }
        let bits = found.map { if case .scalar(let value) = $0.content { value.bitPattern } else { UInt32(1) } }
        XCTAssertEqual(bits, values.map(\.bitPattern))
        XCTAssertEqual(read.step, .max)
        XCTAssertEqual(try XCTUnwrap(BoardEvent(BoardEvent(time: 0, step: -3, content: .other).encoded[...])).step, -3)
    }

    func testBinsOfScores() {
        let none = ScoreHistogram([])
        XCTAssertEqual([none.least, none.greatest, none.count, none.sum, none.sumOfSquares], [0, 0, 0, 0, 0])
        XCTAssertEqual(none.counts, Array(repeating: 0, count: 50))
        // A score on a limit lies in the bin above; scores beyond 0 to 1 in the outermost.
        let some = ScoreHistogram([0, 0.02, 0.019, 1, 0.98, 3, -1, .nan, .infinity])
        XCTAssertEqual([some.least, some.greatest, some.count], [-1, 3, 7])
        XCTAssertEqual([some.counts[0], some.counts[1], some.counts[48], some.counts[49]], [3, 1, 0, 3])
        XCTAssertEqual(some.counts.reduce(0, +), 7)
        XCTAssertEqual(some.limits.prefix(2) + some.limits.suffix(2), [0.02, 0.04, 0.98, .greatestFiniteMagnitude])
    }

    func testHalfWrittenAndDamagedFiles() throws {
        let events = (1...3).map { BoardEvent(time: 1, step: $0, content: .sessionStart) }
        let frames = events.map { RecordFraming.frame($0.encoded) }, whole = frames.flatMap { $0 }
        func read(_ bytes: [UInt8]) throws -> [BoardEvent] {
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            return try EventFile.read(path)
        }
        XCTAssertEqual(try read([]), [])
        XCTAssertEqual(try read(whole), events)
        for cut in 1...frames[2].count { XCTAssertEqual(try read(Array(whole.dropLast(cut))), Array(events.prefix(2)), "\(cut)") }
        // Each byte of the second record, of its length and of its checksums counts.
        for place in frames[0].count..<frames[0].count + frames[1].count {
            var bytes = whole
            bytes[place] ^= 0x10
            XCTAssertThrowsError(try read(bytes), "\(place)") {
                XCTAssertEqual("\($0)", "error: record 2 is damaged\n  where: file '\(path)'\n  do: remove the file")
            }
        }
        // Whole frames of what is no message: a field that is longer than the record, a group, a number without an end.
        for record: [UInt8] in [[0x2A, 9, 1], [0x0B], [0x10, 0x80], [0x2A, 2, 0x0A, 5], [0x00, 0x01]] {
            XCTAssertThrowsError(try read(frames[0] + RecordFraming.frame(record)), "\(record)") {
                XCTAssertEqual(($0 as? Failure)?.what, "record 2 is damaged")
            }
        }
        XCTAssertThrowsError(try EventFile.read("nowhere/events")) {
            XCTAssertEqual("\($0)", "error: the event file cannot be read\n  where: file 'nowhere/events'\n  do: check the path")
        }
    }

    func testAFullDiskIsSaid() throws {
        XCTAssertThrowsError(try EventFile(appendingTo: "/dev/full").append(BoardEvent(time: 0, step: 0, content: .sessionStart))) {
            XCTAssertEqual(
                "\($0)",
                "error: the event file could not be written: No space left on device\n  where: file '/dev/full'\n  do: check the free space of the disk"
            )
        }
        XCTAssertThrowsError(try EventFile(appendingTo: "nowhere/events")) {
            XCTAssertEqual(
                "\($0)",
                "error: the event file could not be opened for writing: No such file or directory\n  where: file 'nowhere/events'\n"
                    + "  do: check the folder's permissions")
        }
    }
}
