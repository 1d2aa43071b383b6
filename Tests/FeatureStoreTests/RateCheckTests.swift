import Diagnostics
import FeatureStore
import RandomStreams
import TemporalAnnotations
import XCTest

/// Rows of many videos against one stride, window and rate.
final class RateCheckTests: XCTestCase {
    /// How an extractor counts rows.
    private enum Convention: CaseIterable {
        /// Windows inside the video.
        case inside
        /// Windows inside, and one more that ends with the video.
        case insideAndLast
        /// One row per stride begun.
        case filled
        /// One row per stride.
        case strides

        func rows(_ frames: Double, _ grid: FeatureGrid) -> Int {
            let inside = (frames - grid.window) / grid.stride
            let rows =
                switch self {
                case .inside: inside.rounded(.down) + 1
                case .insideAndLast: inside.rounded(.up) + 1
                case .filled: (frames / grid.stride).rounded(.up)
                case .strides: (frames / grid.stride).rounded(.down)
                }
            return Int(max(1, rows))
        }
    }

    /// - Parameters:
    ///   - seconds: lengths are between these.
    ///   - unit: durations are rounded to it.
    ///   - odd: the share of videos that have two rows more or fewer.
    ///   - given: changes the grid that the rows are checked against.
    private func videos(
        _ count: Int, _ convention: Convention, _ grid: FeatureGrid, seconds: ClosedRange<Float>, unit: Double = 0, odd: Float = 0, seed: Int = 0,
        given: (inout FeatureGrid) -> Void = { _ in }
    ) -> [RateCheck.Video] {
        var claimed = grid
        given(&claimed)
        return (0..<count).map { index in
            var stream = RandomStream(seed: 3, "rates", seed, index)
            let frames = (Double(stream.uniform(seconds.lowerBound, seconds.upperBound)) * grid.fps).rounded(.down)
            var rows = convention.rows(frames, grid)
            if stream.uniform() < odd { rows = max(1, rows + (stream.uniform() < 0.5 ? 2 : -2)) }
            let duration = unit == 0 ? frames / grid.fps : max(unit, (frames / grid.fps / unit).rounded() * unit)
            return RateCheck.Video(rows: rows, check: RowCountCheck(duration: duration, grid: claimed))
        }
    }

    private let lengths: [ClosedRange<Float>] = [1...3, 2...10, 5...60, 30...300]

    func testNoFalseAlarms() {
        var seed = 0
        for stride in [1.0, 2, 4, 8, 15, 16] {
            for window in [1.0, 2, 4, 8] {
                for fps in [5.0, 15, 24, 25, 29.97, 30] {
                    for seconds in lengths {
                        for convention in Convention.allCases {
                            for unit in [0, 0.01, 0.1] {
                                for (count, odd) in [(3, 0), (40, 0), (40, 0.1)] as [(Int, Float)] {
                                    seed += 1
                                    let grid = FeatureGrid(fps: fps, stride: stride, window: window * stride)
                                    let check = RateCheck(
                                        videos(count, convention, grid, seconds: seconds, unit: unit, odd: odd, seed: seed))
                                    XCTAssertNil(check.finding, "\(grid), \(seconds), \(convention), \(unit), \(count), \(odd)")
                                }
                            }
                        }
                    }
                }
            }
        }
        // Rounded to whole seconds, as long as a second is not longer than half of the video.
        for seconds in lengths.dropFirst() {
            for convention in Convention.allCases {
                for stride in [4.0, 15] {
                    let grid = FeatureGrid(fps: 25, stride: stride, window: 16)
                    XCTAssertNil(RateCheck(videos(40, convention, grid, seconds: seconds, unit: 1)).finding, "\(seconds) \(convention) \(stride)")
                }
            }
        }
    }

    /// A slip by a factor is seen on videos of 4 rows and more: on one by itself, or on all together.
    func testWrongSettingsAreFound() {
        let slips: [(name: String, change: (inout FeatureGrid) -> Void)] = [
            ("half the stride", { $0.stride *= 0.5 }), ("three times the stride", { $0.stride *= 3 }), ("five times the stride", { $0.stride *= 5 }),
            ("twice the rate", { $0.fps *= 2 }), ("a third of the rate", { $0.fps /= 3 }),
        ]
        var seed = 0, jointly = 0
        for stride in [1.0, 4, 15] {
            for fps in [5.0, 25, 30] {
                for convention in Convention.allCases {
                    for rows in [4...4, 4...12, 8...40, 100...1000] as [ClosedRange<Float>] {
                        for (name, change) in slips {
                            seed += 1
                            let grid = FeatureGrid(fps: fps, stride: stride, window: stride)
                            let scale = Float(stride / fps)
                            let seconds = rows.lowerBound * scale...(rows.upperBound + 0.5) * scale
                            let found = videos(40, convention, grid, seconds: seconds, odd: 0.05, seed: seed, given: change)
                            let isAccepted = found.allSatisfy { $0.check.accepts($0.rows) }
                            if isAccepted { jointly += 1 }
                            XCTAssertTrue(!isAccepted || RateCheck(found).finding != nil, "\(name), \(grid), \(convention), \(rows)")
                        }
                    }
                }
            }
        }
        XCTAssertGreaterThan(jointly, 10, "the second check had nothing to do")
    }

    func testWhatIsFound() {
        let grid = FeatureGrid(fps: 5, stride: 1, window: 5)
        let short = videos(40, .inside, grid, seconds: 1.6...1.6) { $0.stride = 5 }
        XCTAssertTrue(short.allSatisfy { $0.check.accepts($0.rows) })
        XCTAssertEqual(RateCheck(short).finding, .more(40))
        // Two videos tell too little.
        XCTAssertNil(RateCheck(Array(short.prefix(2))).finding)
        XCTAssertEqual(RateCheck(videos(5, .filled, grid, seconds: 0.8...0.8) { $0.fps = 15 }).finding, .fewer(5))
        let wide = FeatureGrid(fps: 25, stride: 4, window: 16)
        XCTAssertEqual(RateCheck(videos(20, .inside, wide, seconds: 10...20) { $0.window = 64 }).finding, .between(20))
        let dense = videos(40, .filled, FeatureGrid(fps: 25, stride: 5, window: 5), seconds: 1.6...4) { ($0.stride, $0.window) = (4, 16) }
        guard case .slope(let slope)? = RateCheck(dense).finding else { return XCTFail("the slope was not seen") }
        XCTAssertEqual(slope, 0.8, accuracy: 0.03)
    }
}
