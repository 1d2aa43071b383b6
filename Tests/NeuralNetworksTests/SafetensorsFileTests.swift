import Diagnostics
import Foundation
import NeuralNetworks
import XCTest

private final class OneConvolution: Module {
    let weight = Parameter(.convolution(kernel: 3, input: 2, output: 4), count: 24, isDecayed: true, initialization: .constant(0))
    let scale = Parameter(.scalar, count: 1, isDecayed: false, initialization: .constant(0))
    func visitParameters(_ visitor: ParameterVisitor) {
        visitor.visit("conv.weight", weight)
        visitor.visit("scale", scale)
    }
}

final class SafetensorsFileTests: XCTestCase {
    private var folder = ""
    private var path: String { folder + "/weights.safetensors" }

    override func setUpWithError() throws {
        folder = NSTemporaryDirectory() + "kairos-safetensors-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    }
    override func tearDown() { try? FileManager.default.removeItem(atPath: folder) }

    private func bytes(_ header: String, _ values: [UInt8] = [], length: Int? = nil) throws {
        var data = Data()
        withUnsafeBytes(of: UInt64(length ?? header.utf8.count).littleEndian) { data.append(contentsOf: $0) }
        data.append(contentsOf: header.utf8)
        data.append(contentsOf: values)
        try data.write(to: URL(fileURLWithPath: path))
    }

    private func refused(_ expected: String, line: UInt = #line) {
        XCTAssertThrowsError(try SafetensorsFile(path: path), line: line) { error in
            XCTAssertEqual("\(error)", expected.replacingOccurrences(of: "PATH", with: path), line: line)
        }
    }

    func testRoundTripKeepsEveryBit() throws {
        let arrays = [
            SafetensorsFile.Array(name: "b/\"quoted\"", shape: [2, 3], values: [1, -2, 3e-38, .pi, 0, -0.0]),
            SafetensorsFile.Array(name: "a", shape: [], values: [5]),
        ]
        try SafetensorsFile(arrays: arrays, metadata: ["format": "pt"]).write(to: path)
        let read = try SafetensorsFile(path: path)
        XCTAssertEqual(read.arrays, arrays)
        XCTAssertEqual(read.arrays[0].values.map(\.bitPattern), arrays[0].values.map(\.bitPattern))
        XCTAssertEqual(read.metadata, ["format": "pt"])
    }

    /// The layout is written down here byte by byte, independent of the writer.
    func testBytesOfTheFormat() throws {
        try SafetensorsFile(arrays: [.init(name: "x", shape: [1], values: [1])]).write(to: path)
        let header = "{\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}"
        let padding = (8 - header.utf8.count % 8) % 8
        let expected =
            [UInt8(header.utf8.count + padding), 0, 0, 0, 0, 0, 0, 0] + Array(header.utf8) + Array(repeating: 32, count: padding) + [
                0, 0, 0x80, 0x3f,
            ]
        XCTAssertEqual([UInt8](try Data(contentsOf: URL(fileURLWithPath: path))), expected)
    }

    func testReadsOtherFloatTypes() throws {
        try bytes(
            "{\"h\":{\"dtype\":\"F16\",\"shape\":[4],\"data_offsets\":[0,8]},\"b\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[8,10]},"
                + "\"d\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[10,18]}}",
            [0x00, 0x3c, 0x00, 0xc0, 0x01, 0x00, 0xff, 0x7b, 0xc0, 0x3f, 0, 0, 0, 0, 0, 0, 0xe0, 0x3f])
        let arrays = try SafetensorsFile(path: path).arrays
        XCTAssertEqual(arrays.map(\.name), ["h", "b", "d"])
        XCTAssertEqual(arrays.map(\.values), [[1, -2, 0x1p-24, 65504], [1.5], [0.5]])
    }

    func testMessages() throws {
        refused(
            """
            error: the weight file cannot be read
              where: file 'PATH'
              do: check the path
            """)
        try Data([1, 2, 3]).write(to: URL(fileURLWithPath: path))
        refused(
            """
            error: the file has 3 bytes, fewer than the 8 of a safetensors header length
              where: file 'PATH'
              do: copy the file again from its source
            """)
        try Data("PK\u{3}\u{4} a PyTorch archive".utf8).write(to: URL(fileURLWithPath: path))
        refused(
            """
            error: the file is not safetensors: it does not begin with a header's length and '{'
              where: file 'PATH'
              do: convert PyTorch checkpoints first: safetensors.torch.save_file(torch.load(CHECKPOINT)['state_dict'], 'weights.safetensors')
            """)
        try bytes("{\"x\":", length: 50)
        refused(
            """
            error: the file ends early: its header has 50 bytes, 5 follow
              where: file 'PATH'
              do: copy the file again from its source
            """)
        try bytes("{\"x\":{}}")
        refused(
            """
            error: the safetensors header is not JSON of the expected form
              where: file 'PATH'
              do: write the file again
            """)
        try bytes("{\"x\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[0,8]}}", [0, 0, 0, 0, 0, 0, 0, 0])
        refused(
            """
            error: the values have type I64; F64, F32, F16 and BF16 can be read
              where: file 'PATH', parameter 'x'
              do: convert the tensor to float32
            """)
        try bytes("{\"x\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}", [0, 0, 0, 0, 0, 0, 0, 0])
        refused(
            """
            error: the byte range [0, 8] does not hold 3 values of F32 (12 bytes)
              where: file 'PATH', parameter 'x'
              do: write the file again
            """)
        try bytes("{\"x\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", [0, 0, 0, 0, 0])
        refused(
            """
            error: the file ends early: values reach to byte 8 of the data, 5 are there
              where: file 'PATH', parameter 'x'
              do: copy the file again from its source
            """)
    }

    /// Names given twice, and bytes that two tensors share or none has.
    func testEveryNameAndEveryByteStandsOnce() throws {
        func tensor(_ name: String, _ range: ClosedRange<Int>) -> String {
            "\"\(name)\":{\"dtype\":\"F32\",\"shape\":[\((range.upperBound - range.lowerBound) / 4)],"
                + "\"data_offsets\":[\(range.lowerBound),\(range.upperBound)]}"
        }
        func refused(_ tensors: [String], _ count: Int, _ expected: String, line: UInt = #line) throws {
            try bytes("{" + tensors.joined(separator: ",") + "}", [UInt8](repeating: 0, count: count))
            self.refused(expected, line: line)
        }
        try refused(
            [tensor("x", 0...4), tensor("x", 4...8)], 8,
            "error: the header names the tensor twice\n  where: file 'PATH', parameter 'x'\n  do: write the file again")
        try refused(
            [tensor("b", 4...12), tensor("a", 0...8)], 12,
            "error: its values begin at byte 4 of the data, those of 'a' end at byte 8\n  where: file 'PATH', parameter 'b'"
                + "\n  do: write the file again")
        try refused(
            [tensor("a", 0...8), tensor("b", 0...8)], 8,
            "error: its values begin at byte 0 of the data, those of 'a' end at byte 8\n  where: file 'PATH', parameter 'b'"
                + "\n  do: write the file again")
        try refused(
            [tensor("a", 0...4), tensor("b", 8...12)], 12,
            "error: 4 bytes of the data before its values belong to no tensor\n  where: file 'PATH', parameter 'b'"
                + "\n  do: write the file again")
        try refused(
            [tensor("a", 4...8)], 8,
            "error: 4 bytes of the data before its values belong to no tensor\n  where: file 'PATH', parameter 'a'\n  do: write the file again")
        try refused(
            [tensor("a", 0...4)], 7,
            "error: the file ends late: 3 bytes follow the values of the last tensor\n  where: file 'PATH'"
                + "\n  do: copy the file again from its source")
        // Tensors without values share their place with others.
        try bytes("{" + [tensor("c", 4...4), tensor("a", 0...4), tensor("b", 0...0)].joined(separator: ",") + "}", [0, 0, 0, 0])
        XCTAssertEqual(try SafetensorsFile(path: path).arrays.map(\.name), ["b", "a", "c"])
    }

    func testHostileHeaders() throws {
        let form = "error: the safetensors header is not JSON of the expected form\n  where: file 'PATH'\n  do: write the file again"
        for entry in [
            "{\"dtype\":\"F32\",\"shape\":[1.5],\"data_offsets\":[0,4]}", "{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,1e300]}",
            "{\"dtype\":\"F32\",\"shape\":[NaN],\"data_offsets\":[0,4]}", "{\"dtype\":4,\"shape\":[1],\"data_offsets\":[0,4]}",
            "{\"dtype\":\"F32\",\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[0,4]}", "[]", "null",
            String(repeating: "[", count: 100_000),
        ] {
            try bytes("{\"x\":\(entry)}", [0, 0, 0, 0])
            refused(form)
        }
        try bytes("{\"__metadata__\":{\"a\":1}}")
        refused(form)
        for shape in ["-1,-1", "9223372036854775807,9223372036854775807", "4611686018427387904,4"] {
            try bytes("{\"x\":{\"dtype\":\"F32\",\"shape\":[\(shape)],\"data_offsets\":[0,4]}}", [0, 0, 0, 0])
            XCTAssertThrowsError(try SafetensorsFile(path: path), shape) { XCTAssertEqual(($0 as? Failure)?.kind, .badInput, "\($0)") }
        }
        try bytes("{\"x\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[-4,0]}}", [0, 0, 0, 0])
        refused(
            "error: the byte range [-4, 0] does not hold 1 values of F32 (4 bytes)\n  where: file 'PATH', parameter 'x'\n  do: write the file again")
    }

    func testWhatIsNotAFile() {
        XCTAssertEqual(mkfifo(path, 0o666), 0)
        refused("error: this is a pipe, not a file\n  where: file 'PATH'\n  do: give the path of a file")
        XCTAssertThrowsError(try SafetensorsFile(path: folder)) {
            XCTAssertEqual("\($0)", "error: this is a folder, not a file\n  where: file '\(self.folder)'\n  do: give the path of a file")
        }
    }

    func testPublishedNamesAndLayouts() throws {
        let model = OneConvolution()
        let arena = ParameterArena(model)
        for i in 0..<24 { model.weight.values[i] = Float(i) }
        model.scale.values[0] = 9
        let published = arena.published()
        XCTAssertEqual(published.map(\.name), ["conv.weight", "scale"])
        XCTAssertEqual(published.map(\.shape), [[4, 2, 3], []])
        // [output 1, input 1, kernel 2] of PyTorch is [kernel 2, input 1, output 1] here.
        XCTAssertEqual(published[0].values[(1 * 2 + 1) * 3 + 2], Float((2 * 2 + 1) * 4 + 1))
        let other = OneConvolution()
        let otherArena = ParameterArena(other)
        try otherArena.load(published: published.map { .init(name: "module." + $0.name, shape: $0.shape, values: $0.values) }, file: "w")
        XCTAssertEqual(Array(other.weight.values), (0..<24).map(Float.init))
        XCTAssertEqual(other.scale.values[0], 9)
    }

    func testWeightsOfAnotherModel() {
        let arena = ParameterArena(OneConvolution())
        func refused(_ arrays: [SafetensorsFile.Array], _ expected: String, line: UInt = #line) {
            XCTAssertThrowsError(try arena.load(published: arrays, file: "w.safetensors"), line: line) {
                XCTAssertEqual("\($0)", expected, line: line)
            }
        }
        let weight = SafetensorsFile.Array(name: "conv.weight", shape: [4, 2, 3], values: .init(repeating: 1, count: 24))
        let scale = SafetensorsFile.Array(name: "scale", shape: [], values: [1])
        refused(
            [weight, .init(name: "bias", shape: [1], values: [0])],
            """
            error: the weights are of another model: 1 of the model's 2 tensors are missing (scale); 1 is not the model's (bias)
              where: file 'w.safetensors'
              do: use the configuration the weights were trained with
            """)
        refused(
            [.init(name: "conv.weight", shape: [4, 3, 2], values: weight.values), scale],
            """
            error: the tensor has shape [4, 3, 2], the model wants [4, 2, 3]
              where: file 'w.safetensors', parameter 'conv.weight'
              do: use the configuration the weights were trained with
            """)
        refused(
            [weight, scale, .init(name: "module.scale", shape: [], values: [1])],
            """
            error: the tensor stands there twice, with and without the prefix 'module.'
              where: file 'w.safetensors', parameter 'scale'
              do: keep one of the two
            """)
        refused(
            [weight, .init(name: "scale", shape: [], values: [.nan])],
            """
            error: value 0 is nan
              where: file 'w.safetensors', parameter 'scale'
              do: export weights of a run that did not diverge
            """)
    }
}
