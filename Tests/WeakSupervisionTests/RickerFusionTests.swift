import TemporalAnnotations
import WeakSupervision
import XCTest

/// Proposals of several sources in one space, and the places that they are divided about, on numbers worked out apart.
final class RickerFusionTests: XCTestCase {
    private func proposal(_ range: Range<Int>, _ score: Double, label: Int = 0) -> Proposal { Proposal(label: label, score: score, range: range) }

    func testWavelet() {
        XCTAssertEqual(RickerFusion.wavelet(0), 1)
        XCTAssertEqual(RickerFusion.wavelet(1), 0)
        XCTAssertEqual(RickerFusion.wavelet(-1), 0)
        XCTAssertEqual(RickerFusion.wavelet(2), -3 * exp(-2), accuracy: 1e-15)
        XCTAssertEqual(RickerFusion.wavelet(-0.5), 0.75 * exp(-0.125), accuracy: 1e-15)
        // Its smallest value is at the square root of 3.
        XCTAssertEqual(RickerFusion.wavelet(3.0.squareRoot()), -2 * exp(-1.5), accuracy: 1e-15)
    }

    func testSumOfOneProposal() {
        // Centre 3.5, half length 2, score 0.5.
        let expected = [
            -0.2230234532933213, -0.1287656329982665, 0.1651211629350954, 0.4543280786607863, 0.4543280786607863, 0.1651211629350954,
            -0.1287656329982665, -0.2230234532933213,
        ]
        for (found, wanted) in zip(RickerFusion.sum([proposal(2..<6, 0.5)], length: 8), expected) { XCTAssertEqual(found, wanted, accuracy: 1e-12) }
        XCTAssertEqual(RickerFusion.sum([proposal(2..<6, -0.5), proposal(2..<6, 0), proposal(3..<3, 1)], length: 4), [0, 0, 0, 0])
        XCTAssertEqual(RickerFusion.sum([], length: 3), [0, 0, 0])
        XCTAssertEqual(RickerFusion.sum([proposal(0..<2, 1)], length: 0), [])
        // Far away it counts as 0.
        XCTAssertEqual(RickerFusion.sum([proposal(0..<2, 1)], length: 100)[7...].filter { $0 != 0 }, [])
    }

    /// One proposal alone is fused to itself, of whatever length and wherever it lies.
    func testOneProposalStays() {
        for range in [0..<2, 0..<9, 3..<5, 3..<6, 7..<12, 10..<12] {
            XCTAssertEqual(RickerFusion.runs(RickerFusion.sum([proposal(range, 0.3)], length: 12)), [range], "\(range)")
        }
        // A run of one place is none, as among the thresholds.
        XCTAssertEqual(RickerFusion.runs([0, 1, 0, 1, 1, -1, 1]), [3..<5])
        XCTAssertEqual(RickerFusion.runs([]), [])
    }

    /// Proposals of about the same action join between their ends; those apart stay apart.
    func testSeveralProposals() {
        let overlapping = [proposal(1..<6, 1), proposal(4..<11, 0.5)]
        for (found, wanted) in zip(
            RickerFusion.sum(overlapping, length: 14),
            [
                -0.417174, 0.03839, 0.587838, 0.920339, 0.867289, 0.547425, 0.226648, 0.066262, 0.034813, 0.018809, -0.043842, -0.134879, -0.205924,
                -0.228055,
            ])
        { XCTAssertEqual(found, wanted, accuracy: 1e-6) }
        XCTAssertEqual(RickerFusion.runs(RickerFusion.sum(overlapping, length: 14)), [1..<10])
        XCTAssertEqual(RickerFusion.runs(RickerFusion.sum([proposal(2..<5, 1), proposal(2..<12, 0.2)], length: 16)), [2..<5, 7..<12])
        // Equal ones, and one twice as strong, are the same.
        XCTAssertEqual(
            RickerFusion.sum([proposal(2..<6, 0.5), proposal(2..<6, 0.5)], length: 8), RickerFusion.sum([proposal(2..<6, 1)], length: 8))
    }

    func testDividedPlaces() {
        let long = [proposal(2..<8, 1)], short = [proposal(4..<8, 1)]
        XCTAssertEqual(RickerFusion.divided([long, short], length: 10, share: 0.5), [2..<4])
        XCTAssertEqual(RickerFusion.divided([long, long], length: 10, share: 0.1), [])
        XCTAssertEqual(RickerFusion.divided([long], length: 10, share: 0.5), [], "one source agrees with itself")
        XCTAssertEqual(RickerFusion.divided([], length: 3, share: 0.5), [])
        // Of three, one is a third: enough for a third, not for a half; a source without proposals says no everywhere.
        XCTAssertEqual(RickerFusion.divided([long, short, []], length: 10, share: 1.0 / 3), [2..<8])
        XCTAssertEqual(RickerFusion.divided([long, short, []], length: 10, share: 0.5), [])
        XCTAssertEqual(RickerFusion.divided([long, long, long, short], length: 10, share: 0.25), [2..<4])
        XCTAssertEqual(RickerFusion.divided([long, long, long, short], length: 10, share: 0.3), [])
    }

    // MARK: Generators

    private func settings(_ change: (inout WeakSupervisionConfiguration) -> Void = { _ in }) -> WeakSupervisionConfiguration {
        var settings = WeakSupervisionConfiguration()
        (settings.upsampling, settings.casThresholds, settings.actionnessThresholds) = (1, [0.5], [0.9])
        (settings.outerMargin, settings.videoScoreWeight) = (0.5, 0.2)
        change(&settings)
        return settings
    }

    private let first = GeneratorReading(activations: [0, 1, 1, 1, 0, 0, 0, 0], actionness: [0, 1, 1, 1, 0, 0, 0, 0], videoScores: [1])
    private let second = GeneratorReading(activations: [0, 0, 1, 1, 1, 0, 0, 0], actionness: [0, 0, 1, 1, 1, 1, 0, 0], videoScores: [0.5])

    func testJoinedWithoutFusion() {
        let extraction = ProposalExtraction(settings()), joined = extraction.joined([first, second], labels: [0])
        func alone(_ reading: GeneratorReading) -> [Proposal] {
            extraction.proposals(
                activations: reading.activations, actionness: reading.actionness, videoScores: reading.videoScores, labels: [0])
        }
        XCTAssertEqual(joined.proposals, alone(first) + alone(second))
        XCTAssertEqual(joined.ofGenerators, [alone(first), alone(second)])
        XCTAssertEqual(joined.proposals.map(\.range), [1..<4, 1..<4, 2..<5, 2..<6])
        XCTAssertEqual(joined.divided, [])
    }

    func testJoinedByFusion() {
        let one = ProposalExtraction(settings { $0.fusion = .ricker }).joined([first], labels: [0])
        // Contrast 1 - 0, and a share of 0.2.
        XCTAssertEqual(one.proposals, [proposal(1..<4, 1.2)])
        let extraction = ProposalExtraction(
            settings {
                $0.fusion = .ricker
                $0.maskDisagreement = 0.25
            })
        let joined = extraction.joined([first, second], labels: [0])
        XCTAssertEqual(joined.proposals.map(\.range), [1..<5])
        // The mean over both generators of the contrast on their own curves, and of the shares.
        XCTAssertEqual(joined.proposals[0].score, 0.9, accuracy: 1e-9)
        // Yes of the four sources: 1: two, 2 and 3: four, 4: two, 5: one.
        XCTAssertEqual(joined.divided, [1..<2, 4..<6])
        XCTAssertEqual(
            ProposalExtraction(
                settings {
                    $0.fusion = .ricker
                    $0.maskDisagreement = 0.5
                }
            ).joined([first, second], labels: [0]).divided, [1..<2, 4..<5])
        // Nothing is looked for.
        let nothing = extraction.joined([first, second], labels: [])
        XCTAssertEqual(nothing.proposals, [])
        XCTAssertEqual(nothing.ofGenerators, [[], []])
        XCTAssertEqual(nothing.divided, [])
    }

    /// The places of several classes are one list, without overlaps.
    func testDividedPlacesOfSeveralClasses() {
        let reading = GeneratorReading(
            activations: [0, 0, 1, 0, 1, 1, 1, 1, 0, 1, 0, 0], actionness: [0, 1, 1, 1, 0, 0], videoScores: [0.5, 0.5])
        let joined = ProposalExtraction(
            settings {
                $0.casThresholds = [0.5]
                $0.maskDisagreement = 0.5
            }
        ).joined([reading], labels: [0, 1])
        // Activations of the first class: 1..<4; of the second: 2..<5; actionness: 1..<4.
        XCTAssertEqual(joined.divided, [1..<2, 4..<5])
    }

    func testDensitiesAmongSources() {
        func detection(_ start: Double, _ end: Double) -> Detection {
            Detection(video: "v", segment: Segment(start: start, end: end), label: 0, score: 1)
        }
        // tIoU of [0, 10] with [5, 10] 0.5, with [10, 20] 0, with [0, 8] 0.8.
        let own = [detection(0, 10), detection(5, 10), detection(10, 20)], other = [detection(0, 8), detection(5, 10)]
        let filter = ProposalFilter(settings())
        for (found, wanted) in zip(ProposalFilter.densities(own, among: [own]), filter.densities(own)) {
            XCTAssertEqual(found, wanted, accuracy: 1e-12, "with one generator and its own proposals")
        }
        XCTAssertEqual(ProposalFilter.densities([own[0]], among: [own, other])[0], (0.5 + 0.5) / 2, accuracy: 1e-12)
        XCTAssertEqual(ProposalFilter.densities([own[0]], among: [[], other])[0], 0.25, accuracy: 1e-12)
        XCTAssertEqual(ProposalFilter.densities([], among: [own]), [])
        // The filter takes them in place of those among the proposals.
        var prior = filter
        (prior.kind, prior.score, prior.density, prior.overlap) = (.prior, 0.4, 0.2, 1)
        XCTAssertEqual(prior.keeps([detection(0, 10), detection(20, 30)]), [false, false])
        XCTAssertEqual(prior.keeps([detection(0, 10), detection(20, 30)], densities: [0.2, 0.1]), [true, false])
    }
}
