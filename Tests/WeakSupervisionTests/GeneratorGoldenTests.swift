import Autograd
import Diagnostics
import HDF5
import NeuralNetworks
import TestSupport
import WeakSupervision
import XCTest

/// One `fustal_generator*.h5`: parameters, inputs and results of the published generator.
struct GeneratorFixture {
    let file: HDF5File
    let generator: ProposalGenerator
    let arena: ParameterArena
    let settings: WeakSupervisionConfiguration
    let features: PackedSequence
    let videos: Int
    let segments: Int
    let classes: Int

    static func forEach(_ body: (GeneratorFixture) throws -> Void) throws {
        try Fixtures.forEachFile(matching: "fustal_") { file, _ in try body(try GeneratorFixture(file)) }
    }

    init(_ file: HDF5File) throws {
        self.file = file
        func int(_ key: String) throws -> Int { try file.intAttribute(of: "/", named: key) }
        func double(_ key: String) throws -> Double { try file.doubleAttribute(of: "/", named: key) }
        (videos, segments, classes) = (try int("batch"), try int("segments"), try int("num_classes"))
        let columns = try int("input_dim")
        var settings = WeakSupervisionConfiguration()
        settings.segments = segments
        settings.easyRatio = try int("r_easy")
        settings.hardRatio = try int("r_hard")
        settings.hardInner = try int("m")
        settings.hardOuter = try int("M")
        settings.temperature = try double("temperature")
        settings.contrastWeight = try double("contrast_weight")
        settings.crossVideoWeight = try double("cross_video_weight")
        settings.classThreshold = try double("class_threshold")
        settings.upsampling = try int("up_scale")
        settings.casThresholds = try file.doublesAttribute(of: "/", named: "cas_thresholds")
        settings.actionnessThresholds = try file.doublesAttribute(of: "/", named: "actionness_thresholds")
        settings.outerMargin = try double("oic_lambda")
        settings.videoScoreWeight = try double("oic_gamma")
        settings.nmsThreshold = try double("nms_threshold")
        self.settings = settings
        let width = try file.shape(of: "params/aness_module.f_embed.0.weight")[0]
        generator = ProposalGenerator(inputDimension: columns, embeddingDimension: width, classes: classes, dropout: 0)
        arena = ParameterArena(generator)
        for parameter in arena.parameters {
            guard try file.shape(of: "params/\(parameter.name)") == parameter.publishedShape else {
                throw Failure.badInput("\(parameter.name) has another shape", at: .file(file.path), advice: "check the fixture")
            }
        }
        try arena.take(published: file)
        let videos = videos, segments = segments
        features = PackedSequence(
            Tensor(rows: videos * segments, columns: columns, try file.readFloats("features_btd")), offsets: (0...videos).map { $0 * segments })
    }

    var classSets: [[Int]] {
        get throws {
            let labels = try file.readFloats("labels")
            return (0..<videos).map { video in (0..<classes).filter { labels[video * classes + $0] > 0 } }
        }
    }
}

/// The generator against the published implementation, element by element.
final class GeneratorGoldenTests: XCTestCase {
    func testGoldenActivationsAndLosses() throws {
        try GeneratorFixture.forEach { fixture in
            let file = fixture.file, tape = Tape(), videos = fixture.videos, segments = fixture.segments
            let outputs = fixture.generator(fixture.features, ForwardPass(tape: tape, isTraining: true, random: .init(seed: 0, "golden")))
            XCTAssertEqual(try file.shape(of: "cas"), [videos, segments, fixture.classes])
            assertClose("CAS", outputs.activations.tensor.array, try file.readFloats("cas"), absolute: 1e-5, relative: 1e-5)
            let actionness = try file.readFloats("actionness")
            assertClose("actionness", outputs.actionness, actionness, absolute: 1e-5, relative: 1e-5)

            fixture.arena.beginGradients()
            let loss = GeneratorLoss(fixture.settings, videos: videos), sets = try fixture.classSets
            let part = loss.seed(outputs, classSets: sets, tape: tape, random: nil)
            assertClose("video scores", part.videoScores, try file.readFloats("video_scores"), absolute: 1e-6, relative: 1e-5)
            try compareSnippets(part.snippets, outputs.embeddings, actionness, file)

            let pairs = SnippetContrast.pairs(sets)
            XCTAssertEqual(pairs.flatMap { [$0.first, $0.second] }, try file.readInts("pairs"))
            let rows = part.contrastRows
            let (across, gradient) = loss.across(
                rows.array, columns: rows.columns, places: part.places, pairs: pairs, anchors: 0..<videos)
            let pointer = rows.gradientToWrite().pointer
            for (i, value) in gradient.enumerated() { pointer[i] += value }
            let contrast = part.within + fixture.settings.crossVideoWeight * across
            func expected(_ name: String) throws -> [Float] { try file.readFloats("losses/\(name)") }
            assertClose("action loss", [Float(part.classification)], try expected("Loss_Action"), absolute: 1e-6, relative: 1e-6)
            assertClose("contrast", [Float(contrast)], try expected("Loss_cv"), absolute: 1e-5, relative: 1e-5)
            assertClose(
                "total", [Float(part.classification + fixture.settings.contrastWeight * contrast)], try expected("Loss_Total"), absolute: 1e-6,
                relative: 1e-6)

            tape.backward()
            fixture.arena.finishGradients()
            for parameter in fixture.arena.parameters {
                let theirs = try file.readFloats("grads/\(parameter.name)"), largest = theirs.map(abs).max() ?? 0
                assertClose(
                    "gradient of \(parameter.name)", parameter.published(try XCTUnwrap(parameter.tensor.gradient)), theirs,
                    absolute: 2e-6 * largest, relative: 2e-5)
            }
        }
    }

    /// Embeddings of the mined snippets, in their order; those of equal actionness may stand in any.
    private func compareSnippets(_ snippets: [MinedSnippets], _ embeddings: PackedSequence, _ actionness: [Float], _ file: HDF5File) throws {
        let kinds: [(String, KeyPath<MinedSnippets, [Int]>)] = [
            ("EA", \.easyActions), ("EB", \.easyBackgrounds), ("HA", \.hardActions), ("HB", \.hardBackgrounds),
        ]
        let width = embeddings.columns
        for (name, path) in kinds {
            let theirs = try file.readFloats("snippets/\(name)"), count = snippets[0][keyPath: path].count
            XCTAssertEqual(try file.shape(of: "snippets/\(name)"), [snippets.count, count, width], name)
            for (video, mined) in snippets.enumerated() {
                func row(_ segment: Int) -> [Float] {
                    let first = embeddings.tensor.values + (embeddings.offsets[video] + segment) * width
                    return Array(UnsafeBufferPointer(start: first, count: width))
                }
                var remaining = mined[keyPath: path]
                for place in 0..<count {
                    let wanted = Array(theirs[(video * count + place) * width..<(video * count + place + 1) * width])
                    // Of the segments still to come those that have the first one's actionness.
                    let value = actionness[embeddings.offsets[video] + remaining[0]]
                    let equal = remaining.prefix { actionness[embeddings.offsets[video] + $0] == value }
                    let match = equal.first { zip(row($0), wanted).allSatisfy { abs($0 - $1) <= 1e-5 + 1e-5 * abs($1) } } ?? remaining[0]
                    assertClose("\(name) \(place) of video \(video)", row(match), wanted, absolute: 1e-5, relative: 1e-5)
                    remaining.removeAll { $0 == match }
                }
            }
        }
    }
}
