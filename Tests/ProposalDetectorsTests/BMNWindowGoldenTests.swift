import Autograd
import Detectors
import HDF5
import Kernels
import NeuralNetworks
import ProposalDetectors
import TestSupport
import XCTest

/// The windowed form of BMN against OpenTAD's modules, element by element.
final class BMNWindowGoldenTests: XCTestCase {
    private struct Fixture {
        let file: HDF5File
        let name: String
        let settings: BMNSettings

        init(_ file: HDF5File, _ name: String) throws {
            self.file = file
            self.name = name
            func int(_ key: String) throws -> Int { try file.intAttribute(of: "/", named: key) }
            func number(_ key: String) throws -> Float { Float(try file.doubleAttribute(of: "/", named: key)) }
            var settings = BMNSettings()
            settings.grid = .windows
            settings.layout = .durationStart
            settings.temporalScale = try int("tscale")
            settings.maximumDuration = try int("dscale")
            settings.windowStride = try int("window_stride")
            settings.samples = try int("num_sample")
            settings.pointsPerSample = try int("num_sample_perbin")
            settings.sampleMargin = try file.doubleAttribute(of: "/", named: "prop_extend_ratio")
            settings.channels = .classificationFirst
            settings.boundaryAnchor = .row
            settings.lowIncludesZero = true
            settings.positiveThreshold = try number("cls_pos_thresh")
            settings.highThreshold = try number("reg_high_thresh")
            settings.lowThreshold = try number("reg_low_thresh")
            settings.boundaryThreshold = try number("tem_pos_thresh")
            // The published weight has the half of the squared loss in it.
            settings.regressionWeight = 2 * (try file.doubleAttribute(of: "/", named: "reg_weight"))
            self.settings = settings
        }

        /// Segments of the windows that training keeps, in rows of the window.
        func segments() throws -> [[BMNTargets.RowSegment]] {
            try (0..<(try file.shape(of: "windows/train_start_end_snippet")[0])).map { window in
                let values = try file.readDoubles("windows/\(window)/segments_grid")
                return stride(from: 0, to: values.count, by: 2).map { (values[$0], values[$0 + 1]) }
            }
        }
    }

    private func forEach(_ body: (Fixture) throws -> Void) throws {
        try Fixtures.forEachFile(matching: "bmnwindow_") { try body(Fixture($0, $1)) }
    }

    func testGoldenMaskAndProposals() throws {
        try forEach { fixture in
            let settings = fixture.settings, valid = settings.map.valid
            let mask = BoundaryMatchingMask(
                settings.map, samples: settings.samples, pointsPerSample: settings.pointsPerSample, expansion: settings.sampleMargin)
            assertClose("\(fixture.name) mask", mask.dense, try fixture.file.readFloats("sample_mask"), absolute: 1e-6)
            var cells: [Int] = [], proposals: [Float] = []
            for row in 0..<valid.rows {
                for column in 0..<valid.columns {
                    let isValid = valid.place(row: row, column: column) != nil, proposal = settings.map.proposal(row: row, column: column)
                    cells.append(isValid ? 1 : 0)
                    proposals += isValid ? [Float(proposal.start), Float(proposal.end)] : [0, 0]
                }
            }
            XCTAssertEqual(cells, try fixture.file.readInts("valid_mask"), fixture.name)
            XCTAssertEqual(proposals, try fixture.file.readFloats("proposal_map"), fixture.name)
        }
    }

    func testGoldenSamplingLayers() throws {
        try forEach { fixture in
            let file = fixture.file, scale = fixture.settings.temporalScale
            func int(_ key: String) throws -> Int { try file.intAttribute(of: "/", named: key) }
            let (input, hidden, sampled, output) = (try int("in_channels"), try int("hid_channels"), try int("roi_channels"), try int("out_channels"))
            let mask = BoundaryMatchingMask(
                fixture.settings.map, samples: fixture.settings.samples, pointsPerSample: fixture.settings.pointsPerSample,
                expansion: fixture.settings.sampleMargin)
            let reduction = RowConvolution(input, hidden, fixture.settings)
            let matching = BoundaryMatchingLayer(hidden, sampled, mask: mask, fixture.settings)
            let cells = CellConvolution(sampled, output, kernel: 1, fixture.settings)
            for (name, layer) in [("reduce_dim", reduction), ("conv3d", matching), ("conv2d", cells)] as [(String, ConvolutionWeights)] {
                for (own, parameter) in layer.namedParameters {
                    let path = "params/\(name).0.\(own)"
                    // OpenTAD's Conv3d has a kernel [samples, samples' stride, 1]: of one size, [N, 1, 1] or [1, N, 1].
                    XCTAssertEqual(parameter.count, try file.shape(of: path).reduce(1, *), path)
                    let values = parameter.native(fromPublished: try file.readFloats(path))
                    for (i, value) in values.enumerated() { parameter.tensor.values[i] = value }
                }
            }
            let shape = try file.shape(of: "inputs"), values = try file.readFloats("inputs"), size = shape[1] * shape[2]
            let x = Tensor(
                rows: shape[0] * shape[2], columns: input,
                (0..<shape[0]).flatMap { transposed(Array(values[$0 * size..<($0 + 1) * size]), rows: input) })
            let pass = ForwardPass.inference(), valid = fixture.settings.map.valid, whole = MapRegion(rows: valid.rows, columns: valid.columns)
            let y = cells(
                matching(reduction(x, rows: scale, relu: true, pass), to: whole, pass), from: whole, to: whole, relu: true, pass)
            let expected = try file.readFloats("outputs/map_features"), each = output * whole.count
            assertClose(
                "\(fixture.name) map", y.array,
                (0..<shape[0]).flatMap { transposed(Array(expected[$0 * each..<($0 + 1) * each]), rows: output) }, absolute: 2e-6, relative: 1e-5)
        }
    }

    func testGoldenWindows() throws {
        try forEach { fixture in
            let file = fixture.file, stride = try file.intAttribute(of: "/", named: "snippet_stride")
            let frames = try file.intAttribute(of: "/", named: "frames"),
                windows = fixture.settings.windows.ranges(over: (frames + stride - 1) / stride)
            XCTAssertEqual(
                windows.flatMap { [$0.lowerBound, $0.upperBound - 1] }, try file.readInts("windows/test_start_end_snippet"), fixture.name)
            let segments = try file.readFloats("windows/segments_frames")
            var kept: [Int] = [], cut: [[BMNTargets.RowSegment]] = []
            for window in windows {
                let own = Swift.stride(from: 0, to: segments.count, by: 2).compactMap {
                    SlidingWindows.kept(start: Double(segments[$0]) / Double(stride), end: Double(segments[$0 + 1]) / Double(stride), in: window)
                }
                guard !own.isEmpty else { continue }
                kept += [window.lowerBound, window.upperBound - 1]
                cut.append(own)
            }
            XCTAssertEqual(kept, try file.readInts("windows/train_start_end_snippet"), fixture.name)
            for (own, expected) in zip(cut, try fixture.segments()) {
                assertClose(
                    "\(fixture.name) segments", own.flatMap { [Float($0.start), Float($0.end)] },
                    expected.flatMap { [Float($0.start), Float($0.end)] },
                    absolute: 1e-5)
            }
        }
    }

    func testGoldenTargetsLossesAndGradients() throws {
        try forEach { fixture in
            let file = fixture.file, settings = fixture.settings
            var targets = BMNTargets(try fixture.segments(), settings)
            assertClose("\(fixture.name) start", targets.start, try file.readFloats("targets/start"), absolute: 2e-6)
            assertClose("\(fixture.name) end", targets.end, try file.readFloats("targets/end"), absolute: 2e-6)
            assertClose("\(fixture.name) overlap", targets.overlap, try file.readFloats("targets/iou_valid"), absolute: 2e-6)
            var counts = targets.counts
            counts += targets.settle(
                counts, medium: try file.readFloats("sampling/uniform_medium"), low: try file.readFloats("sampling/uniform_low"))
            let maps = targets.isCounted.count, scale = settings.temporalScale, cells = settings.map.valid.count
            func made(_ values: [Float], columns: Int) -> Tensor {
                let tensor = testParameter(rows: values.count / columns, columns: columns, values)
                tensor.clearGradient()
                return tensor
            }
            let predicted = try file.readFloats("pred/map_valid")
            func packed(_ values: [Float]) -> [Float] {
                (0..<maps).flatMap { transposed(Array(values[$0 * 2 * cells..<($0 + 1) * 2 * cells]), rows: 2) }
            }
            let outputs = BMN.Outputs(
                start: made(try file.readFloats("pred/start"), columns: 1), end: made(try file.readFloats("pred/end"), columns: 1),
                map: made(packed(predicted), columns: 2), classLogits: nil)
            XCTAssertEqual(outputs.start.rows, maps * scale)
            var small = settings
            (small.inputDimension, small.baseDimension, small.videoClassifier) = (4, 4, .file)
            let losses = BMN(small).seedLosses(outputs, targets: targets, normalizers: counts.map { Float($0) }, tape: Tape())
            let expected = [
                "boundaries": try file.readFloats("losses/tem")[0], "classification": try file.readFloats("losses/pem_cls")[0],
                "total": try file.readFloats("losses/total")[0],
            ]
            for (name, value) in expected { assertClose("\(fixture.name) \(name)", [Float(losses[name]!)], [value], absolute: 1e-6, relative: 1e-5) }
            assertClose(
                "\(fixture.name) regression", [Float(settings.regressionWeight * losses["regression"]!)], try file.readFloats("losses/pem_reg"),
                absolute: 1e-6, relative: 1e-5)
            for (name, tensor) in [("start", outputs.start), ("end", outputs.end)] {
                assertClose("\(fixture.name) gradient of \(name)", tensor.gradientArray!, try file.readFloats("grads/\(name)"), absolute: 1e-7)
            }
            // Overlaps agree to 2e-6, and the gradient is their difference times weight over cells.
            let slack = 2e-6 * settings.regressionWeight / counts[BMNTargets.Count.taken.rawValue]
            assertClose(
                "\(fixture.name) gradient of the map", outputs.map.gradientArray!, packed(try file.readFloats("grads/map_valid")),
                absolute: 1e-7 + Float(slack))
        }
    }
}
