import Autograd
import Detectors
import HDF5
import NeuralNetworks
import PyramidDetectors
import TestSupport
import XCTest

/// Made by launch/pytorch/tridet.py.
typealias TriDetFixture = DetectorFixture<TriDet>

extension TriDetFixture {
    static func forEach(_ body: (TriDetFixture) throws -> Void) throws {
        try forEachFile(matching: "tridet_", { TriDet(try TriDetConfiguration(fixture: $0)) }, body)
    }
}

extension TriDetConfiguration {
    fileprivate init(fixture file: HDF5File) throws {
        func int(_ key: String) throws -> Int { try file.intAttribute(of: "/", named: key) }
        func double(_ key: String) throws -> Double { try file.doubleAttribute(of: "/", named: key) }
        self.init(try PyramidConfiguration(fixture: file))
        windows = try file.intsAttribute(of: "/", named: "n_sgp_win_size")
        windowFactor = try double("k")
        hiddenDimension = try int("sgp_mlp_dim")
        pyramid.headKernel = try int("head_kernel_size")
        boundaryKernel = try int("boudary_kernel_size")
        tridentHead = try file.boolAttribute(of: "/", named: "use_trident_head")
        bins = try int("num_bins")
        overlapPower = Float(try double("iou_weight_power"))
        if file.hasAttribute(of: "/", named: "downsample_type") {
            downsampling = try XCTUnwrap(SGPBlock.Downsampling(rawValue: try file.stringAttribute(of: "/", named: "downsample_type")))
        }
        pyramid.dropPath = Float(try double("droppath"))
    }
}

/// TriDet against the published implementation, element by element.
final class TriDetGoldenTests: XCTestCase {
    func testGoldenParameterNamesAndShapes() throws { try TriDetFixture.forEach { try $0.checkParameterNamesAndShapes() } }

    func testGoldenOutputs() throws {
        try TriDetFixture.forEach { fixture in
            let outputs = fixture.model(fixture.batch.features, .inference())
            var compared = [("fpn", outputs.levels.flatMap(\.tensor.array)), ("cls_logits", outputs.logits.array), ("offsets", outputs.center.array)]
            XCTAssertEqual(outputs.start != nil, fixture.model.configuration.tridentHead)
            if let start = outputs.start { compared.append(("start_logits", start.array)) }
            if let end = outputs.end { compared.append(("end_logits", end.array)) }
            for (key, ours) in compared {
                assertClose("\(fixture.name) \(key)", ours, try fixture.pyramid("outputs/\(key)"), absolute: 2e-5, relative: 2e-5)
            }
        }
    }

    func testGoldenLossesAndGradients() throws {
        try TriDetFixture.forEach { fixture in
            let targets = try fixture.checkLossesAndGradients(), classes = fixture.model.configuration.classes
            let trueClasses = targets.positives.map { point in targets.classes[point * classes..<(point + 1) * classes].filter { $0 > 0 }.count }
            XCTAssertTrue(trueClasses.contains(1) && trueClasses.contains(2), "points of one class and of two")
        }
    }

    func testGoldenDetections() throws { try TriDetFixture.forEach { try $0.checkDetections() } }
}
