import Autograd
import Detectors
import Kernels
import NeuralNetworks
import PostProcessing
import ProposalDetectors
import RandomStreams
import TemporalAnnotations
import TestSupport
import XCTest

/// What the golden numbers do not reach: edges of targets, losses and decoding, recordings of any length, threads.
final class BMNTests: XCTestCase, SmallBMNs {
    override func tearDown() { ComputeContext.current.threads = 1 }

    private func windows(_ change: (inout BMNSettings) -> Void = { _ in }) -> BMNSettings {
        tiny(.none) {
            ($0.grid, $0.layout, $0.maximumDuration) = (.windows, .durationStart, 5)
            change(&$0)
        }
    }

    // MARK: Targets

    func testTargetsOfASegment() {
        let settings = tiny(.none) { $0.temporalScale = 4 }, targets = BMNTargets([[(1, 3)], []], settings)
        XCTAssertEqual(targets.start, [1, 1, 1, 0, 0, 0, 0, 0])
        XCTAssertEqual(targets.end, [0, 0, 1, 1, 0, 0, 0, 0])
        // [0,1) [0,2) [0,3) [0,4) [1,2) [1,3) [1,4) [2,3) [2,4) [3,4).
        assertClose("overlap", targets.overlap, [0, 1 / 3, 2 / 3, 0.5, 0.5, 1, 2 / 3, 0.5, 1 / 3, 0] + [Float](repeating: 0, count: 10))
        XCTAssertEqual(targets.isCounted, [true, false])
        // Rows, starts, ends, cells, positives, high, medium, low, classified, rows of ends: the map without a segment counts nowhere.
        XCTAssertEqual(targets.counts, [4, 3, 2, 10, 1, 1, 7, 0, 0, 4])
    }

    func testAnchors() {
        func starts(_ anchor: BMNSettings.BoundaryAnchor) -> [Float] {
            BMNTargets([[(3, 6)]], tiny(.none) { $0.boundaryAnchor = anchor }).start
        }
        XCTAssertEqual(starts(.centered), [0, 0, 1, 1, 1, 0, 0, 0])
        XCTAssertEqual(starts(.row), [0, 0.5, 1, 1, 0.5, 0, 0, 0])
        XCTAssertEqual(starts(.wide), [0.0, 0.5, 1, 1, 0.5, 0, 0, 0])
    }

    /// All of high overlap, those of medium and low overlap whose draw is above one minus the ratio; zero overlap only where it counts as low.
    func testCellsTaken() {
        let settings = tiny(.none) { $0.temporalScale = 4 }
        var targets = BMNTargets([[(1, 3)]], settings), sums = targets.counts
        let zeros = [Float](repeating: 0, count: 10), ones = [Float](repeating: 1, count: 10)
        XCTAssertEqual(targets.settle(sums, medium: zeros, low: ones), [1])
        XCTAssertEqual(targets.settle(sums, medium: ones, low: ones), [8])
        XCTAssertEqual(targets.taken, [false] + [Bool](repeating: true, count: 8) + [false])
        // Six sevenths are not above 1 - 1 / 7; a little more is.
        XCTAssertEqual(targets.settle(sums, medium: [Float](repeating: 6 / 7 - 1e-3, count: 10), low: zeros), [1])
        XCTAssertEqual(targets.settle(sums, medium: [Float](repeating: 6 / 7 + 1e-3, count: 10), low: zeros), [8])
        // As many of high overlap elsewhere in the mini-batch as of medium: all are taken.
        sums[BMNTargets.Count.high.rawValue] = 7
        XCTAssertEqual(targets.settle(sums, medium: [Float](repeating: 1e-6, count: 10), low: zeros), [8])
        var including = BMNTargets([[(1, 3)]], tiny(.none) { ($0.temporalScale, $0.lowIncludesZero) = (4, true) })
        XCTAssertEqual(including.counts[BMNTargets.Count.low.rawValue], 2)
        XCTAssertEqual(including.settle(including.counts, medium: zeros, low: ones), [3])
        var none = BMNTargets([], settings)
        XCTAssertEqual(none.counts, [Double](repeating: 0, count: 10))
        XCTAssertEqual(none.settle(none.counts, medium: [], low: []), [0])
    }

    // MARK: Losses

    private func loss(_ p: [Float], _ y: [Float], entries: Float? = nil, positives: Float? = nil, gradient: inout [Float]) -> Double {
        gradient = [Float](repeating: .nan, count: p.count)
        return p.withUnsafeBufferPointer { p in
            gradient.withUnsafeMutableBufferPointer {
                BMNLosses.logistic(
                    .init(values: p.baseAddress!, gradient: $0.baseAddress!), targets: y, threshold: 0.5, entries: entries ?? Float(p.count),
                    positives: positives ?? Float(y.count { $0 > 0.5 })
                ) { y[$0] >= 0 ? 1 : 0 }
            }
        }
    }

    /// Against the formula, its gradient against finite differences; without positives and without negatives the plain mean; what does not count is 0.
    func testLogisticLoss() {
        var gradient: [Float] = [], other: [Float] = []
        let p: [Float] = [0.2, 0.7, 0.4, 0.9], y: [Float] = [0, 1, 0, 0]
        // n = 4, ratio 4: positives weigh 2, negatives 2/3.
        let expected = -(2 * log(0.7) + 2.0 / 3 * (log(0.8) + log(0.6) + log(0.1))) / 4
        XCTAssertEqual(loss(p, y, gradient: &gradient), expected, accuracy: 1e-4)
        for i in p.indices {
            var up = p, down = p
            up[i] += 1e-3
            down[i] -= 1e-3
            let slope = (loss(up, y, gradient: &other) - loss(down, y, gradient: &other)) / 2e-3
            XCTAssertEqual(Double(gradient[i]), slope, accuracy: 2e-3 * abs(slope))
        }
        XCTAssertEqual(loss([0.2, 0.4], [0, 0], gradient: &gradient), -(log(0.8) + log(0.6)) / 2, accuracy: 1e-5)
        XCTAssertEqual(loss([0.2, 0.4], [1, 1], gradient: &gradient), -(log(0.2) + log(0.4)) / 2, accuracy: 1e-4)
        XCTAssertEqual(loss([0.2, 0.4], [-1, -1], entries: 0, positives: 0, gradient: &gradient), 0)
        XCTAssertEqual(gradient, [0, 0])
        // Probabilities of 0 and 1 give large numbers, not infinity.
        XCTAssertEqual(loss([0, 1], [1, 0], gradient: &gradient), -log(1e-6), accuracy: 0.01)
        XCTAssertTrue(gradient.allSatisfy(\.isFinite))
    }

    // MARK: Recordings

    func testRescaling() {
        func scaled(_ x: [Float], to rows: Int) -> [Float] {
            var y = [Float](repeating: .nan, count: rows)
            RowRescaling.linear(x, rows: x.count, columns: 1, into: &y, rows: rows)
            return y
        }
        XCTAssertEqual(scaled([3, 1, 2], to: 3), [3, 1, 2])
        XCTAssertEqual(scaled([5], to: 3), [5, 5, 5])
        XCTAssertEqual(scaled([], to: 2), [0, 0])
        XCTAssertEqual(scaled([0, 4], to: 4), [0, 1, 3, 4])
        XCTAssertEqual(scaled([0, 1, 2, 3], to: 2), [0.5, 2.5])
    }

    func testWindows() {
        let windows = SlidingWindows(rows: 8, stride: 4)
        XCTAssertEqual(windows.ranges(over: 0), [0..<0])
        XCTAssertEqual(windows.ranges(over: 5), [0..<5])
        XCTAssertEqual(windows.ranges(over: 8), [0..<8, 0..<8])
        XCTAssertEqual(windows.ranges(over: 13), [0..<8, 4..<12, 5..<13])
        XCTAssertEqual(SlidingWindows(rows: 8, stride: 8).ranges(over: 17), [0..<8, 8..<16, 9..<17])
        XCTAssertNil(SlidingWindows.kept(start: 0, end: 4, in: 8..<16))
        XCTAssertNil(SlidingWindows.kept(start: 9, end: 16, in: 8..<16))
        XCTAssertEqual(SlidingWindows.kept(start: 5, end: 15, in: 4..<16)?.start, 1)
        let model = BMN(self.windows())
        XCTAssertEqual(model.sources(batch([5, 13]).features).map(\.rows), [0..<5, 5..<13, 9..<17, 10..<18])
    }

    /// An action in seconds comes back at the same place: rescaled, in a window, behind the first window.
    func testPlacesOfTargets() {
        func best(_ settings: BMNSettings, _ lengths: [Int], _ segment: GridSegment) -> (map: Int, start: Int, end: Int, overlap: Float) {
            let targets = BMN(settings).assignTargets(
                batch(lengths, lengths.map { _ in [GridInstance(segment: segment, label: 0)] }))
            let proposals = settings.map.proposals, place = targets.overlap.indices.max { targets.overlap[$0] < targets.overlap[$1] }!
            let cell = proposals[place % proposals.count]
            return (place / proposals.count, cell.start, cell.end, targets.overlap[place])
        }
        // Rows 4 to 11 of 16 are [2, 6) of 8.
        let rescaled = best(tiny(.none), [16], GridSegment(start: 3.5, end: 11.5))
        XCTAssertEqual([rescaled.map, rescaled.start, rescaled.end], [0, 2, 6])
        XCTAssertEqual(rescaled.overlap, 1)
        let late = best(windows(), [16], GridSegment(start: 9.5, end: 12.5))
        // Rows 10 to 12 are [6, 9) of the window that begins at 4, beyond its end, and [2, 5) of the one at 8.
        XCTAssertEqual([late.map, late.start, late.end], [2, 2, 5])
        XCTAssertEqual(late.overlap, 1)
    }

    /// Windows of a long recording give what they give alone, and one suppression takes them all.
    func testWindowsOfALongRecording() {
        let settings = windows {
            ($0.videoClassifier, $0.suppression) = (.file, .test)
            ($0.options.detection.nmsMethod, $0.options.detection.maxSegNum, $0.options.detection.preNMSThresh) = (.none, 0, 0)
        }
        let model = BMN(settings)
        model.initializeParameters(seed: 3)
        let whole = batch([27]), found = model.detect(whole)[0]
        var alone: [Detection] = []
        for range in settings.windows.ranges(over: 27) {
            let rows = Tensor(rows: 8, columns: 4, Array(whole.features.tensor.array[4 * range.lowerBound..<4 * range.upperBound]))
            var video = whole.videos[0]
            video.duration = 4
            for detection in model.detect(
                PackedBatch(features: PackedSequence(rows, offsets: [0, 8]), videos: [video], instances: [[]]))[0]
            {
                var moved = detection
                moved.segment.start += 0.5 * Double(range.lowerBound)
                moved.segment.end += 0.5 * Double(range.lowerBound)
                alone.append(moved)
            }
        }
        func sorted(_ all: [Detection]) -> [[Double]] {
            all.map { [$0.score, $0.segment.start, $0.segment.end] }.sorted { $0.lexicographicallyPrecedes($1) }
        }
        XCTAssertEqual(found.count, alone.count)
        XCTAssertGreaterThan(found.count, 100)
        assertClose("detections", sorted(found).joined().map { Float($0) }, sorted(alone).joined().map { Float($0) }, absolute: 1e-5)
        XCTAssertEqual(found.map(\.score), found.map(\.score).sorted(by: >))
    }

    /// Nothing is proposed in the zeros behind a short recording, and the classes are the best of the classifier's.
    func testShortRecording() {
        for settings in [windows(), tiny(.none)] {
            let model = BMN(settings)
            model.initializeParameters(seed: 3)
            for length in [1, 3] {
                let found = model.detect(batch([length]))[0]
                XCTAssertFalse(found.isEmpty)
                XCTAssertTrue(found.allSatisfy { $0.segment.start < $0.segment.end && $0.segment.end <= Double(length) / 2 && $0.score > 0 })
                XCTAssertEqual(Set(found.map(\.label)).count, 2)
            }
        }
    }

    func testScores() {
        let start: [Float] = [0.9, 0.1, 0.2, 0.1], end: [Float] = [0.1, 0.2, 0.3, 0.4]
        func proposals(_ change: (inout BMNSettings) -> Void) -> [BMNDecoding.Proposal] {
            let settings = tiny(.none) {
                $0.temporalScale = 4
                change(&$0)
            }
            return BMNDecoding(settings: settings).proposals(start: start, end: end, map: (0..<20).map { Float($0 % 2 == 0 ? 0.5 : 0.25) })
        }
        func first(_ change: (inout BMNSettings) -> Void) -> Float { Float(proposals(change)[0].score) }
        // [0, 1): row 1 is behind it, row 0 its last.
        XCTAssertEqual(first { _ in }, 0.9 * 0.2 * 0.125, accuracy: 1e-7)
        XCTAssertEqual(first { $0.endRow = .inclusive }, 0.9 * 0.1 * 0.125, accuracy: 1e-7)
        XCTAssertEqual(first { $0.score = .map }, 0.125, accuracy: 1e-7)
        XCTAssertEqual(proposals { _ in }.count, 6)
        XCTAssertEqual(proposals { $0.endRow = .inclusive }.count, 10)
        let all = proposals { $0.proposesLastEnd = true }
        XCTAssertEqual(all.count, 10)
        XCTAssertEqual(Float(all[3].score), 0.9 * 0.4 * 0.125, accuracy: 1e-7)
        // Starts at rows 0 and 2, a peak; ends at rows 3, the last, and 2, above half of the largest.
        XCTAssertEqual(proposals { $0.filtersBoundaries = true }.map { [$0.start, $0.end] }, [[0, 2], [0, 3], [2, 3]])
    }

    // MARK: Training

    /// Losses, gradients and detections are the same bits for every number of threads.
    func testThreads() {
        for settings in [tiny(.none), windows(), windows { $0.options.quality = QualitySettings(.tiouTND) }] {
            var results: [[UInt32]] = []
            for threads in [1, 2, 3] {
                ComputeContext.current.threads = threads
                let model = BMN(settings)
                model.initializeParameters(seed: 3)
                let arena = ParameterArena(model), batch = batch([11, 8, 3]), tape = Tape()
                var random = RandomStream(seed: 4, "losses"), targets = model.assignTargets(batch), counts = targets.counts
                counts += targets.settle(counts, random: &random)
                let losses = model.losses(batch, normalizers: counts.map { Float($0) }, tape: tape, random: &random)
                tape.backward()
                arena.finishGradients()
                let gradients = (0..<arena.count).map { arena.gradients[$0].bitPattern }
                XCTAssertTrue(gradients.contains { $0 != 0 })
                results.append(gradients + [Float(losses["total"]!).bitPattern] + model.detect(batch).joined().map { Float($0.score).bitPattern })
            }
            XCTAssertEqual(results[1], results[0])
            XCTAssertEqual(results[2], results[0])
        }
    }

    /// A step learns: repeated on one batch, every part of the loss falls.
    func testStepsLowerTheLoss() throws {
        let model = BMN(tiny(.none) { $0.temporalScale = 10 })
        model.initializeParameters(seed: 3)
        let arena = ParameterArena(model), batch = batch([20, 15, 10, 25]), optimizer = AdamW(arena, weightDecay: 1e-4, decay: .gradient)
        var all: [[String: Double]] = []
        for _ in 0..<60 {
            var random = RandomStream(seed: 4, "losses"), targets = model.assignTargets(batch), counts = targets.counts
            counts += targets.settle(counts, random: &random)
            random = RandomStream(seed: 4, "losses")
            let tape = Tape()
            arena.beginGradients()
            all.append(model.losses(batch, normalizers: counts.map { Float($0) }, tape: tape, random: &random))
            tape.backward()
            arena.finishGradients()
            optimizer.update(learningRate: 1e-2)
        }
        for name in ["boundaries", "classification", "classifier", "total"] {
            XCTAssertLessThan(try XCTUnwrap(all.last?[name]), 0.8 * (try XCTUnwrap(all[0][name])), name)
        }
    }

    /// What a rehearsal says a step and a detection take, against what the buffer pool counts.
    func testRehearsedMemory() {
        // The pool rounds buffers up to cache lines.
        func assertNear(_ measured: Int, _ rehearsed: Int, line: UInt = #line) {
            XCTAssertEqual(Double(measured) / Double(rehearsed), 1.005, accuracy: 0.006, line: line)
        }
        for settings in [tiny(.none), windows(), tiny(.none) { $0.options.quality = QualitySettings(.tiouTND) }] {
            let model = BMN(settings), lengths = [27, 5]
            func features() -> PackedSequence {
                PackedSequence(Tensor(rows: 32, columns: 4, requiresGradient: false), offsets: [0, 27, 32])
            }
            let training = Rehearsal.peakBytes {
                let tape = Tape(), features = features()
                withExtendedLifetime(features.tensor) {
                    _ = model.rehearse(features, ForwardPass(tape: tape, isTraining: true, random: RandomStream(seed: 1, "forward")))
                    tape.backward()
                }
            }
            let detection = Rehearsal.peakBytes {
                let features = features()
                withExtendedLifetime(features.tensor) { _ = model.rehearse(features, .inference()) }
            }
            model.initializeParameters(seed: 4)
            let arena = ParameterArena(model), pool = BufferPool.shared
            func measured(_ body: () -> Void) -> Int {
                let before = pool.usedBytes
                pool.resetPeak()
                body()
                return pool.peakBytes - before
            }
            withExtendedLifetime(arena) {
                assertNear(
                    measured {
                        let tape = Tape(), batch = batch(lengths)
                        var random = RandomStream(seed: 1, "forward")
                        arena.beginGradients()
                        withExtendedLifetime(batch.features.tensor) {
                            _ = model.losses(batch, normalizers: [Float](repeating: 10, count: 11), tape: tape, random: &random)
                            tape.backward()
                        }
                    }, training)
                assertNear(
                    measured {
                        let batch = batch(lengths)
                        withExtendedLifetime(batch.features.tensor) { _ = model.detect(batch) }
                    }, detection)
            }
        }
    }
}
