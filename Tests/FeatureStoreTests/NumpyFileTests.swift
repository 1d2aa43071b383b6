import Diagnostics
import FeatureStore
import Foundation
import RandomStreams
import TestSupport
import XCTest

final class NumpyFileTests: FolderTestCase {
    private func values(_ data: Data, array: String? = nil) throws -> [Float] {
        let bytes = InputBytes([UInt8](data), path: "f")
        let file = try NumpyFile(bytes, array: array)
        return try [Float](unsafeUninitializedCapacity: file.header.rows * file.header.columns) { buffer, count in
            try file.read(bytes, into: XCTUnwrap(buffer.baseAddress))
            count = buffer.count
        }
    }

    private func refuses(_ data: Data, array: String? = nil, _ expected: String, line: UInt = #line) {
        assertFailure(expected, line: line) { try values(data, array: array) }
    }

    private let expected = (0..<60 * 4).map(Float.init)

    func testSizesOfOneAreDropped() throws {
        for shape in [[60, 4], [1, 60, 4], [60, 4, 1, 1], [60, 1, 4], [1, 1, 60, 1, 4]] {
            for fortran in [false, true] {
                let data = NumpyFixtures.npy(shape: shape, fortran: fortran)
                let header = try NumpyFile(InputBytes([UInt8](data), path: "f")).header
                XCTAssertEqual([header.rows, header.columns], [60, 4], "\(shape)")
                XCTAssertEqual(
                    try values(data), fortran ? (0..<60).flatMap { row in (0..<4).map { Float($0 * 60 + row) } } : expected, "\(shape)")
            }
        }
        let single = try NumpyFile(InputBytes([UInt8](NumpyFixtures.npy(shape: [1, 1, 4])), path: "f")).header
        XCTAssertEqual([single.rows, single.columns], [1, 4])
        refuses(
            NumpyFixtures.npy(shape: [10, 60, 4]),
            """
            error: the array has the shape [10, 60, 4]; two sizes [rows, dimension] were expected
              where: file 'f'
              do: save one array [rows, dimension] per video, such as the mean over the other sizes: array.mean(axis=...)
            """)
    }

    /// Integers and big-endian numbers, as other programs and quantized features have them, by rows and by columns.
    func testEveryTypeOfNumbersIsRead() throws {
        let small: [Float] = [0, 1, -1, 127, -128, 5], unsigned: [Float] = [0, 1, 200, 127, 128, 255]
        let types = ["<f2", ">f2", "<f4", ">f4", "<f8", ">f8", "|i1", "<i1", "<i2", ">i2", "<i4", ">i4", "<i8", ">i8"]
        for (list, numbers) in [(types, small), (["|u1", "<u2", ">u2", "<u4", ">u4", "<u8", ">u8"], unsigned)] {
            for type in list {
                XCTAssertEqual(try values(NumpyFixtures.npy(shape: [3, 2], type: type, values: numbers)), numbers, type)
                XCTAssertEqual(
                    try values(NumpyFixtures.npy(shape: [2, 3], type: type, fortran: true, values: numbers)), [0, 2, 4, 1, 3, 5].map { numbers[$0] },
                    type)
            }
        }
        // numpy.array([[258, -2]], '>i2').tobytes() and numpy.array([[1.5]], '>f4').tobytes(), byte by byte.
        for (type, bytes, expected) in [(">i2", [1, 2, 255, 254], [258, -2]), (">f4", [0x3f, 0xc0, 0, 0], [1.5])] as [(String, [UInt8], [Float])] {
            var data = NumpyFixtures.npy(shape: [1, expected.count], type: type, values: [])
            data += bytes
            XCTAssertEqual(try values(data), expected, type)
        }
        // The nearest float32: 2^24 + 1 lies between two, the even one is taken; the largest integer is 2^64 - 1.
        for (type, bytes, expected) in [
            ("<i4", [1, 0, 0, 1], 16_777_216), (">u8", [UInt8](repeating: 255, count: 8), 18_446_744_073_709_551_616),
        ] as [(String, [UInt8], Float)] {
            XCTAssertEqual(try values(NumpyFixtures.npy(shape: [1, 1], type: type, values: []) + bytes), [expected], type)
        }
        for type in ["|b1", "<c8", "<f16", "|f4", "|i4", "=f4", "<i3", "<U4", "<f", ""] {
            refuses(
                NumpyFixtures.npy(shape: [3, 2], type: type),
                """
                error: the values are of NumPy type '\(type)'; floats of 2, 4 or 8 bytes or integers were expected
                  where: file 'f'
                  do: save them as numpy.save(path, array.astype('<f4'))
                """)
        }
    }

    func testArraysOfObjects() {
        refuses(
            NumpyFixtures.npy(shape: [60, 4], type: "|O"),
            """
            error: the array holds Python objects (pickled), which are not read
              where: file 'f'
              do: save plain numbers: numpy.save(path, numpy.asarray(array, '<f4'))
            """)
    }

    func testEveryFormOfArchiveIsRead() throws {
        for method in [0, 8] as [UInt16] {
            for isZip64 in [false, true] {
                for type in ["<f2", "<f4", "<f8"] {
                    for comment in ["", "PK\u{5}\u{6}"] {
                        let zip = NumpyFixtures.Zip(method: method, isZip64: isZip64, comment: comment)
                        let array = NumpyFixtures.npy(shape: [60, 4], type: type)
                        let data = NumpyFixtures.npz([("feats.npy", array), ("notes.txt", Data("x".utf8))], zip)
                        XCTAssertEqual(try values(data), expected, "\(zip)")
                        XCTAssertEqual(try values(data, array: "feats"), expected)
                    }
                }
            }
        }
        // Longer than the pieces that are read and unpacked at a time.
        let long = (0..<70_000).map { Float(($0 &* 2_654_435_761) % 1_000_003) }
        let data = NumpyFixtures.npz([("a.npy", NumpyFixtures.npy(shape: [35_000, 2], values: long))], .init(method: 8))
        XCTAssertEqual(try values(data), long)
        let columnsFirst = NumpyFixtures.npz([("a.npy", NumpyFixtures.npy(shape: [60, 4], fortran: true))], .init(method: 8))
        XCTAssertEqual(try values(columnsFirst).prefix(4), [0, 60, 120, 180])
    }

    func testTheArrayIsNamed() throws {
        let array = NumpyFixtures.npy(shape: [60, 4])
        let both = NumpyFixtures.npz([("rgb.npy", array), ("flow.npy", NumpyFixtures.npy(shape: [60, 2]))])
        XCTAssertEqual(try values(both, array: "flow").count, 120)
        refuses(
            both,
            """
            error: the .npz file holds 2 arrays: 'rgb', 'flow'
              where: file 'f'
              do: name the features with --array rgb
            """)
        refuses(
            both, array: "rbg",
            """
            error: the .npz file holds no array 'rbg'; it holds 'rgb', 'flow'
              where: file 'f'
              do: did you mean --array rgb?
            """)
        refuses(
            both, array: "features",
            """
            error: the .npz file holds no array 'features'; it holds 'rgb', 'flow'
              where: file 'f'
              do: give one of these with --array
            """)
        refuses(
            array, array: "rgb",
            """
            error: this is not a .npz file, whose array 'rgb' could be read
              where: file 'f'
              do: leave --array out: a .npy file holds one array, without a name
            """)
        for members in [[], [(name: "a.txt", bytes: Data("x".utf8))]] {
            refuses(
                NumpyFixtures.npz(members),
                """
                error: the .npz file holds no array
                  where: file 'f'
                  do: save the features with numpy.savez(path, array)
                """)
        }
        // The header within the archive.
        refuses(
            NumpyFixtures.npz([("a.npy", NumpyFixtures.npy(shape: [60, 4], type: "<c8"))], .init(method: 8)),
            """
            error: the values are of NumPy type '<c8'; floats of 2, 4 or 8 bytes or integers were expected
              where: file 'f', dataset 'a'
              do: save them as numpy.save(path, array.astype('<f4'))
            """)
    }

    func testDamagedArchives() throws {
        let array = NumpyFixtures.npy(shape: [60, 4])
        let copy = "\n  where: file 'f'\n  do: copy the file again from its source and compare the sizes"
        for method in [0, 8] as [UInt16] {
            func zip(_ change: (inout NumpyFixtures.Zip) -> Void) -> Data {
                var zip = NumpyFixtures.Zip(method: method)
                change(&zip)
                return NumpyFixtures.npz([("a.npy", array)], zip)
            }
            refuses(zip { $0.checksumError = 1 }, "error: the .npz file is damaged: the checksum of 'a.npy' is not the recorded one" + copy)
            refuses(
                zip { $0.flags = 1 }, "error: 'a.npy' is encrypted\n  where: file 'f'\n  do: save the features again with numpy.savez")
        }
        let early = "error: the .npz file ends early: it is a ZIP file without its directory" + copy
        let whole = NumpyFixtures.npz([("a.npy", array)])
        for count in [4, 22, 100, whole.count - 1] { refuses(whole.prefix(count), early) }
        refuses(
            NumpyFixtures.npz([("a.npy", array)], .init(method: 12)),
            """
            error: 'a.npy' is compressed by method 12; stored (0) and deflated (8) are read
              where: file 'f'
              do: save the features again with numpy.savez or numpy.savez_compressed
            """)
        refuses(NumpyFixtures.npz([("a.npy", array), ("a.npy", array)]), "error: the .npz file is damaged: it holds 'a.npy' twice" + copy)
        refuses(
            NumpyFixtures.npz([("a.npy", array)], .init(sizeError: 1)),
            "error: the .npz file is damaged: 'a.npy' cannot be 1089 bytes in 1088" + copy)
        refuses(
            NumpyFixtures.npz([("a.npy", array)], .init(method: 8, isZip64: true, sizeError: 1 << 60)),
            "error: the .npz file is damaged: 'a.npy' cannot be 1152921504606848064 bytes in \(packedSize(array))" + copy)
        for (error, what) in [
            (-4, "the file ends early: its header promises 60 x 4 float32 (960 bytes of values), it holds 956"),
            (4, "the file ends late: its header promises 60 x 4 float32 (960 bytes of values), it holds 964"),
        ] {
            refuses(
                NumpyFixtures.npz([("a.npy", array)], .init(method: 8, sizeError: error)),
                "error: \(what)\n  where: file 'f', dataset 'a'\n  do: copy the file again from its source and compare the sizes")
        }
    }

    private func packedSize(_ array: Data) -> Int {
        NumpyFixtures.npz([("a.npy", array)], .init(method: 8)).count - NumpyFixtures.npz([("a.npy", Data())], .init(method: 0)).count
    }

    /// Whatever is changed, the file is read as it was, read to other values within its array, or refused.
    func testChangedBytesNeverEndTheProgram() throws {
        let forms: [Data] = [
            NumpyFixtures.npy(shape: [6, 4]), NumpyFixtures.npz([("a.npy", NumpyFixtures.npy(shape: [6, 4]))]),
            NumpyFixtures.npz([("a.npy", NumpyFixtures.npy(shape: [6, 4]))], .init(method: 8)),
            NumpyFixtures.npz([("a.npy", NumpyFixtures.npy(shape: [6, 4]))], .init(method: 8, isZip64: true)),
        ]
        var refused = 0
        for (number, form) in forms.enumerated() {
            for trial in 0..<1500 {
                var stream = RandomStream(seed: 7, "damaged arrays", number, trial)
                var bytes = [UInt8](form)
                for _ in 0...stream.uniformIndex(below: 3) {
                    let value = [0, 255, 1, 127, UInt8(stream.uniformIndex(below: 256))][stream.uniformIndex(below: 5)]
                    bytes[stream.uniformIndex(below: bytes.count)] = value
                }
                if stream.uniformIndex(below: 8) == 0 { bytes.removeLast(stream.uniformIndex(below: bytes.count)) }
                do {
                    _ = try values(Data(bytes))
                } catch let failure as Failure {
                    XCTAssertEqual(failure.kind, .badInput)
                    refused += 1
                }
            }
        }
        XCTAssertGreaterThan(refused, 3000)
    }

    func testWhatIsNoFile() throws {
        try FileManager.default.createDirectory(atPath: path("folder.npy"), withIntermediateDirectories: true)
        XCTAssertEqual(mkfifo(path("pipe.npy"), 0o666), 0)
        for (name, what) in [("folder.npy", "a folder"), ("pipe.npy", "a pipe")] {
            assertFailure("error: this is \(what), not a file\n  where: file 'FOLDER/\(name)'\n  do: give the path of a file") {
                try InputBytes(path: path(name))
            }
        }
    }
}
