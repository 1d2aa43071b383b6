import Diagnostics
import FeatureStore
import Foundation
import TemporalAnnotations
import TestSupport
import XCTest

/// Rows of feature files read some at a time.
final class NumpyRowsTests: FolderTestCase {
    private func open(_ files: [String: Data], _ change: (inout NumpyFeatures.Options) -> Void = { _ in }) throws -> NumpyFeatures {
        for (name, bytes) in files { try bytes.write(to: URL(fileURLWithPath: folder + "/" + name)) }
        var options = NumpyFeatures.Options()
        options.fps = 30
        change(&options)
        return try NumpyFeatures(folder: folder, annotations: nil, options: options)
    }

    private func rows(_ recording: NumpyRecording, _ range: Range<Int>) throws -> [Float] {
        var target = [Float](repeating: -1, count: range.count * recording.columns)
        try target.withUnsafeMutableBufferPointer { buffer in if let base = buffer.baseAddress { try recording.read(range, into: base) } }
        return target
    }

    /// Every form, in overlapping ranges, with gaps, one row at a time, and whole.
    func testAnyRangeOfEveryForm() throws {
        let (count, columns) = (37, 3)
        func value(_ row: Int, _ column: Int) -> Float { Float(row) + 0.25 * Float(column) }
        let plain = (0..<count * columns).map { value($0 / columns, $0 % columns) }
        let fortran = (0..<count * columns).map { value($0 % count, $0 / count) }
        func array(_ type: String, _ isFortran: Bool) -> Data {
            NumpyFixtures.npy(shape: [count, columns], type: type, fortran: isFortran, values: isFortran ? fortran : plain)
        }
        let forms: [(name: String, bytes: Data)] =
            ["<f2", "<f4", "<f8"].flatMap { type in
                [false, true].flatMap { isFortran in
                    let bytes = array(type, isFortran), name = "\(type.dropFirst())\(isFortran)"
                    return [
                        (name + ".npy", bytes), (name + "s.npy", NumpyFixtures.npz([("arr_0.npy", bytes)])),
                        (name + "d.npy", NumpyFixtures.npz([("arr_0.npy", bytes)], .init(method: 8))),
                    ]
                }
            }
        let features = try open(Dictionary(uniqueKeysWithValues: forms.map { ($0.name, $0.bytes) }))
        XCTAssertEqual(features.videos.count, forms.count)
        let ranges = [[0..<37], [0..<10, 5..<20, 6..<7, 19..<37], [3..<4, 3..<9, 20..<30, 30..<37], (0..<37).map { $0..<$0 + 1 }, [36..<37]]
        for (index, video) in features.videos.enumerated() {
            for list in ranges {
                let recording = try features.recording(ofVideo: index)
                XCTAssertEqual(recording.rows, 37)
                for range in list {
                    XCTAssertEqual(
                        try rows(recording, range), range.flatMap { row in (0..<columns).map { value(row, $0) } }, "\(video.annotation.id) \(range)")
                }
            }
        }
    }

    func testColumnsOfSeveralArraysAreJoined() throws {
        func array(_ columns: Int, _ first: Float) -> Data {
            NumpyFixtures.npy(shape: [6, columns], values: (0..<6 * columns).map { first + Float($0) })
        }
        let features = try open(["v.npz": NumpyFixtures.npz([("rgb.npy", array(2, 0)), ("flow.npy", array(1, 100))], .init(method: 8))]) {
            $0.fileSuffixes = [".npz"]
            $0.arrays = ["rgb", "flow"]
        }
        let recording = try features.recording(ofVideo: 0)
        XCTAssertEqual(try rows(recording, 1..<3), [2, 3, 101, 4, 5, 102])
        XCTAssertEqual(try rows(recording, 2..<4), [4, 5, 102, 6, 7, 103])
        XCTAssertEqual(features.paths(ofVideo: 0), [folder + "/v.npz", folder + "/v.npz"])
    }

    /// Damage of a compressed array is found when its last rows are read, whatever was asked for before.
    func testDamageIsFound() throws {
        let array = NumpyFixtures.npy(shape: [50, 4])
        let features = try open(["v.npy": NumpyFixtures.npz([("a.npy", array)], .init(method: 8, checksumError: 1))])
        let recording = try features.recording(ofVideo: 0)
        XCTAssertEqual(try rows(recording, 0..<1), [0, 1, 2, 3])
        XCTAssertThrowsError(try rows(recording, 40..<50)) {
            XCTAssertEqual(
                "\($0)".replacingOccurrences(of: folder, with: "FOLDER"),
                """
                error: the .npz file is damaged: the checksum of 'a.npy' is not the recorded one
                  where: file 'FOLDER/v.npy'
                  do: copy the file again from its source and compare the sizes
                """)
        }
        XCTAssertThrowsError(try rows(recording, 0..<1)) {
            XCTAssertTrue("\($0)".hasPrefix("error: rows 0..<1 were asked for behind row 50"), "\($0)")
        }
    }

    func testAFileThatChangedIsRefused() throws {
        let features = try open(["v.npy": NumpyFixtures.npy(shape: [5, 2]), "w.npy": NumpyFixtures.npy(shape: [5, 2])])
        try NumpyFixtures.npy(shape: [4, 2]).write(to: URL(fileURLWithPath: folder + "/w.npy"))
        XCTAssertThrowsError(try features.recording(ofVideo: 1)) {
            XCTAssertEqual(($0 as? Failure)?.what, "the file changed while it was read")
        }
    }

    /// Any part of the new rows equals that of all.
    func testResamplingOfSomeRows() throws {
        let source = (0..<40).map { Float($0 * $0) }
        let plans = try [
            XCTUnwrap(RowResampling(rows: 20, grid: FeatureGrid(fps: 10, stride: 1, window: 1), secondsPerRow: 0.07)),
            XCTUnwrap(RowResampling(rows: 20, grid: FeatureGrid(fps: 10, stride: 1, window: 1), secondsPerRow: 0.31)),
            RowResampling(rows: 20, grid: FeatureGrid(fps: 10, stride: 1, window: 1), count: 7),
        ]
        for plan in plans {
            var whole = [Float](repeating: 0, count: plan.rows * 2)
            plan.apply(source, columns: 2, to: &whole)
            for first in 0..<plan.rows {
                for end in first + 1...plan.rows {
                    let old = plan.sources(of: first..<end)
                    var part = [Float](repeating: 0, count: (end - first) * 2)
                    plan.apply(Array(source[2 * old.lowerBound..<2 * old.upperBound]), from: old.lowerBound, columns: 2, rows: first..<end, to: &part)
                    XCTAssertEqual(part, Array(whole[2 * first..<2 * end]))
                }
            }
        }
        XCTAssertEqual(plans[0].sources(of: 3..<3), 0..<0)
    }
}
