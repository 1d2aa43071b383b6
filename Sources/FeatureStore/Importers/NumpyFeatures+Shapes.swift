import Diagnostics
import Foundation
import TemporalAnnotations

extension NumpyFeatures {
    /// One video as it was found.
    struct Found {
        var video: VideoAnnotation
        let files: [NumpyFile]
        /// Rows that all parts have.
        var rows: Int { files.map(\.header.rows).min() ?? 0 }
        private var most: Int { files.map(\.header.rows).max() ?? 0 }
        /// Rows that some parts have more than others.
        var excess: Int { most - rows }
        /// Extractors of several parts (RGB, optical flow) differ by a row or two at the end: 2 % of the rows, at least 2.
        var isAligned: Bool { excess <= Int(RowCountCheck.tolerance(Double(most))) }
    }

    /// - Parameters:
    ///   - dimensions: the usual number of columns of each part.
    ///   - check: what the number of rows must fit; it tells arrays that lie on their side. nil: nothing is known.
    static func checkShapes(_ found: Found, _ dimensions: [Int], _ check: RowCountCheck?) throws {
        for (file, dimension) in zip(found.files, dimensions) {
            let places: [Failure.Place] = [.file(file.path), .video(found.video.id.name)]
            let (rows, columns) = (file.header.rows, file.header.columns)
            guard rows > 0, columns > 0 else {
                throw Failure(
                    .badInput, "the array has the shape [\(rows), \(columns)]: it is empty", at: places,
                    advice: "extract the features of this video again, or remove the file and use --allow-missing")
            }
            let isOnItsSide = check.map { !$0.accepts(rows) && $0.accepts(columns) } ?? false
            if isOnItsSide || columns != dimension && rows == dimension { throw transposed(file, places) }
            guard columns == dimension else {
                throw Failure(
                    .badInput, "the rows have \(columns) values, those of the other videos \(dimension)", at: places,
                    advice: "extract all videos with the same network")
            }
        }
        guard found.isAligned else {
            let counts = found.files.map { "\($0.header.rows) in '\($0.path)'" }.joined(separator: ", ")
            throw Failure(
                .badInput, "its parts have different numbers of rows: \(counts)", at: [.video(found.video.id.name)],
                advice: "extract all parts of a video with the same stride and window")
        }
    }

    private static func transposed(_ file: NumpyFile, _ places: [Failure.Place]) -> Failure {
        Failure(
            .badInput,
            "the array has the shape [\(file.header.rows), \(file.header.columns)], which looks like [dimension, rows]; "
                + "[rows, dimension] was expected",
            at: places, advice: "save it transposed: numpy.save(path, array.T)")
    }

    /// Without durations: where all videos have the same number of rows and most another number of columns, these are the rows.
    static func requireRowsFirst(_ found: [Found]) throws {
        for part in (found.first?.files ?? []).indices {
            let headers = found.map { $0.files[part].header }
            guard headers.count > 2, Set(headers.map(\.rows)).count == 1, 2 * Set(headers.map(\.columns)).count > headers.count else { continue }
            throw transposed(found[0].files[part], [.file(found[0].files[part].path), .video(found[0].video.id.name)])
        }
    }

    static func cutNotes(_ found: [Found]) -> [String] {
        let cut = found.filter { $0.excess > 0 }
        guard let most = cut.map(\.excess).max() else { return [] }
        let rows = most == 1 ? "1 row" : "\(most) rows"
        return ["the parts of \(cut.count) of \(found.count) videos differ by up to \(rows); rows that not all parts have were cut at the end"]
    }

    /// Where all arrays have one shape, nothing else tells rows from columns.
    static func spanNotes(_ found: [Found]) -> [String] {
        let headers = found.flatMap { $0.files.map(\.header) }
        guard let first = headers.first, headers.allSatisfy({ ($0.rows, $0.columns) == (first.rows, first.columns) }), first.rows > first.columns
        else { return [] }
        return [
            "all arrays have the shape [\(first.rows), \(first.columns)]; if \(first.rows) is the dimension, save them transposed: "
                + "numpy.save(path, array.T)"
        ]
    }
}
