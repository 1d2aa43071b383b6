import Autograd
import Detectors
import Diagnostics
import Kernels
import NeuralNetworks
import PyramidDetectors
import RandomStreams
import TemporalAnnotations
import XCTest

/// What a rehearsal says a step takes, against what the buffer pool counts when the step is taken.
final class MemoryRehearsalTests: XCTestCase {
    override func tearDown() { ComputeContext.current.precision = .float32 }

    private func shared() -> PyramidConfiguration {
        var c = PyramidConfiguration(inputDimension: 24, classes: 5)
        c.embeddingDimension = 32
        c.neckDimension = 32
        c.headDimension = 32
        c.branchBlocks = 3
        c.regressionRanges = [0...4, 4...8, 8...16, 16...10000]
        return c
    }

    private func actionFormer(window: Int, heads: Int = 4, _ change: (inout ActionFormerConfiguration) -> Void = { _ in }) -> ActionFormer {
        var c = ActionFormerConfiguration(shared())
        c.heads = heads
        c.windows = [Int](repeating: window, count: 4)
        change(&c)
        return ActionFormer(c)
    }

    private func triDet(_ change: (inout TriDetConfiguration) -> Void = { _ in }) -> TriDet {
        var c = TriDetConfiguration(shared())
        c.windows = [3, 3, 3, 3]
        c.hiddenDimension = 48
        change(&c)
        return TriDet(c)
    }

    private func batch(_ lengths: [Int], columns: Int) -> PackedBatch {
        var offsets = [0], random = RandomStream(seed: 8, "rehearsal")
        for length in lengths { offsets.append(offsets.last! + length) }
        let features = Tensor(rows: offsets.last!, columns: columns, requiresGradient: false)
        if !Rehearsal.isRunning { for i in 0..<features.count { features.values[i] = random.normal() } }
        let grid = FeatureGrid(fps: 25, stride: 4, window: 16)
        return PackedBatch(
            features: PackedSequence(features, offsets: offsets),
            videos: lengths.indices.map { VideoContext(id: VideoID("\($0)"), grid: grid, duration: grid.seconds(atPosition: Double(lengths[$0]))) },
            instances: lengths.map { [GridInstance(segment: GridSegment(start: Float($0) * 0.3, end: Float($0) * 0.5), label: 1)] })
    }

    /// - Returns: bytes rehearsed and bytes measured, in a training step and in detection of the longest recording.
    private func measure(_ detector: any PyramidDetector, _ lengths: [Int], recomputing: Bool = false) -> (training: [Int], detection: [Int]) {
        let columns = detector.configuration.pyramid.inputDimension
        let rehearsed = [
            Rehearsal.peakBytes {
                PreparedWeights.keeping {
                    let tape = Tape(recording: true, recomputing: recomputing), batch = batch(lengths, columns: columns)
                    detector.rehearse(batch.features, ForwardPass(tape: tape, isTraining: true, random: RandomStream(seed: 1, "forward")))
                    tape.backward()
                }
            },
            Rehearsal.peakBytes {
                PreparedWeights.keeping { _ = detector.rehearse(batch([lengths.max()!], columns: columns).features, .inference()) }
            },
        ]
        detector.initializeParameters(seed: 4)
        let arena = ParameterArena(detector), pool = BufferPool.shared
        func measured(_ body: () -> Void) -> Int {
            let before = pool.usedBytes
            pool.resetPeak()
            body()
            XCTAssertEqual(pool.usedBytes, before)
            return pool.peakBytes - before
        }
        return withExtendedLifetime(arena) {
            let training = measured {
                PreparedWeights.keeping {
                    let tape = Tape(recording: true, recomputing: recomputing), batch = batch(lengths, columns: columns)
                    var random = RandomStream(seed: 1, "forward")
                    arena.beginGradients()
                    _ = detector.losses(batch, normalizers: [10], tape: tape, random: &random)
                    tape.backward()
                }
            }
            let detection = measured {
                PreparedWeights.keeping { _ = detector.detect(batch([lengths.max()!], columns: columns)) }
            }
            return ([rehearsed[0], training], [rehearsed[1], detection])
        }
    }

    private func assertClose(_ name: String, _ figures: (training: [Int], detection: [Int])) {
        for (phase, pair) in [("training", figures.training), ("detection", figures.detection)] {
            let ratio = Double(pair[0]) / Double(pair[1])
            XCTAssertGreaterThan(ratio, 0.99, "\(name), \(phase): \(pair)")
            XCTAssertLessThan(ratio, 1.05, "\(name), \(phase): \(pair)")
        }
    }

    func testActionFormer() {
        for lengths in [[37], [300, 150], [64, 1, 700]] {
            assertClose("windowed \(lengths)", measure(actionFormer(window: 9), lengths))
            assertClose("global \(lengths)", measure(actionFormer(window: -1), lengths))
            assertClose("global, computing again \(lengths)", measure(actionFormer(window: -1), lengths, recomputing: true))
        }
        assertClose(
            "positions, neck, dropout",
            measure(
                actionFormer(window: 5) {
                    $0.absolutePositions = true
                    $0.relativePositions = true
                    $0.neck = .fpn
                    $0.neckDimension = 40
                    $0.dropout = 0.1
                }, [200, 90]))
        // Longer than what keeps its probabilities: blocks of rows.
        assertClose("blocks", measure(actionFormer(window: -1, heads: 1), [GlobalAttention.Shape.defaultLongestKept + 4]))
    }

    func testTriDet() {
        for lengths in [[37], [300, 150], [64, 1, 700]] {
            assertClose("trident \(lengths)", measure(triDet(), lengths))
            assertClose(
                "plain head, noise \(lengths)",
                measure(
                    triDet {
                        $0.tridentHead = false
                        $0.inputNoise = 0.1
                    }, lengths))
            assertClose("averages \(lengths)", measure(triDet { $0.downsampling = .avg }, lengths))
        }
    }

    func testTemporalMaxer() {
        for lengths in [[37], [300, 150], [64, 1, 700]] {
            for norm in TemporalMaxerConfiguration.NeckNorm.allCases {
                var c = TemporalMaxerConfiguration(shared())
                c.norm = norm
                assertClose("\(norm.rawValue) \(lengths)", measure(TemporalMaxer(c), lengths))
            }
        }
    }

    func testQualityBranchesAndRoundedProducts() throws {
        assertClose("quality", measure(actionFormer(window: 9) { $0.quality.branches = .tiouTND }, [300, 150]))
        try XCTSkipUnless(Processor.present.contains("avx512_bf16"), "this processor does not multiply in bfloat16")
        ComputeContext.current.precision = .bfloat16
        assertClose("bfloat16, windowed", measure(actionFormer(window: 9), [300, 150]))
        assertClose("bfloat16, global", measure(actionFormer(window: -1), [300, 150]))
        assertClose("bfloat16, trident", measure(triDet(), [300, 150]))
        assertClose("bfloat16, averages", measure(triDet { $0.downsampling = .avg }, [300, 150]))
    }

    func testMinimalFiltering() {
        ComputeContext.with({ $0.convolution = .winograd }) {
            assertClose("windowed", measure(actionFormer(window: 9), [300, 150]))
            assertClose("trident", measure(triDet(), [300, 150]))
        }
    }

    /// Sizes that no machine has are said, not asked for; nothing of a rehearsal remains.
    func testSizesBeyondAnyMachineCostNothing() {
        var c = ActionFormerConfiguration(shared())
        c.windows = [4097, -1, 4097, -1]
        c.inputDimension = 65_536
        c.embeddingDimension = 65_536
        c.neckDimension = 65_536
        c.headDimension = 65_536
        let detector = ActionFormer(c), held = BufferPool.shared.heldBytes
        XCTAssertEqual(detector.namedParameters.filter { $0.parameter.tensor.hasStorage }.count, 0)
        let bytes = Rehearsal.peakBytes {
            let tape = Tape()
            let pass = ForwardPass(tape: tape, isTraining: true, random: RandomStream(seed: 1, "forward"))
            detector.rehearse(batch([100_000_000], columns: 65_536).features, pass)
            tape.backward()
        }
        XCTAssertGreaterThan(bytes, 1 << 50)
        XCTAssertEqual(BufferPool.shared.heldBytes, held)
        XCTAssertFalse(Rehearsal.isRunning)
        XCTAssertEqual(detector.namedParameters.filter { $0.parameter.tensor.hasStorage || $0.parameter.tensor.hasGradient }.count, 0)
    }
}
