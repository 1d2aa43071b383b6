import Diagnostics

/// The rows of one array file, read some at a time, from the first one on.
///
/// Memory is needed for the rows asked for alone. Of a `.npz` file whose array is stored column by column (Fortran order) all is held.
final class NumpyRows {
    private let file: NumpyFile
    private let bytes: InputBytes
    private let member: ZipMemberReader?
    /// All rows, where they can only be read together.
    private var all: [Float] = []
    /// The last rows that were asked for, where the file cannot be read from any place.
    private var kept: (rows: Range<Int>, values: [Float]) = (0..<0, [])
    /// Rows that the archive has given.
    private var position = 0

    private var header: NumpyHeader { file.header }
    private var rowBytes: Int { header.columns * header.element.bytes }

    /// - Throws: `Failure.badInput` when the file is not what it was when its header was read.
    init(_ file: NumpyFile) throws {
        self.file = file
        let header = file.header
        bytes = try InputBytes(path: file.path)
        func changed() -> Failure {
            .badInput("the file changed while it was read", at: .file(file.path), advice: "start again when nothing writes to it")
        }
        guard let found = file.member else {
            member = nil
            guard bytes.count == header.offset + header.rows * header.columns * header.element.bytes else { throw changed() }
            return
        }
        let archive = try ZipArchive(bytes)
        guard archive.members.contains(found) else { throw changed() }
        member = header.isFortranOrder ? nil : try archive.reader(of: found)
        try withMemory(header.offset, for: "the header", of: file.path) { try member?.read(header.offset, into: $0) }
    }

    /// Reads some rows as float32, [range.count, columns] row-major.
    ///
    /// - Parameters:
    ///   - range: begins where an earlier one began, or behind.
    ///   - target: has room for the rows.
    /// - Throws: `Failure` for a file that cannot be read, or memory that cannot be had.
    func read(_ range: Range<Int>, into target: UnsafeMutablePointer<Float>) throws {
        guard file.member == nil else { return try readPacked(range, into: target) }
        guard header.isFortranOrder else {
            let place = header.offset + range.lowerBound * rowBytes
            if header.element == .float32 { return try bytes.read(place..<place + range.count * rowBytes, into: target) }
            return try withMemory(range.count * rowBytes, for: "the features", of: file.path) { memory in
                try bytes.read(place..<place + range.count * rowBytes, into: memory)
                header.with(rows: range.count).convert(memory, into: target)
            }
        }
        let size = header.element.bytes
        try withMemory(range.count * rowBytes, for: "the features", of: file.path) { memory in
            for column in 0..<header.columns {
                let place = header.offset + (column * header.rows + range.lowerBound) * size
                try bytes.read(place..<place + range.count * size, into: memory + column * range.count * size)
            }
            header.with(rows: range.count).convert(memory, into: target)
        }
    }

    private func readPacked(_ range: Range<Int>, into target: UnsafeMutablePointer<Float>) throws {
        let columns = header.columns
        guard let member else {
            if all.isEmpty {
                all = try [Float](unsafeUninitializedCapacity: header.rows * columns) { buffer, filled in
                    if let base = buffer.baseAddress { try file.read(bytes, into: base) }
                    filled = header.rows * columns
                }
            }
            all.withUnsafeBufferPointer {
                if let base = $0.baseAddress { target.update(from: base + range.lowerBound * columns, count: range.count * columns) }
            }
            return
        }
        let old = range.clamped(to: kept.rows)
        kept.values.withUnsafeBufferPointer { values in
            guard let base = values.baseAddress, !old.isEmpty else { return }
            target.update(from: base + (old.lowerBound - kept.rows.lowerBound) * columns, count: old.count * columns)
        }
        let new = max(range.lowerBound, position)..<max(range.upperBound, position)
        guard range.lowerBound >= position || old.lowerBound == range.lowerBound && !old.isEmpty else {
            throw Failure.failed(
                "rows \(range.lowerBound)..<\(range.upperBound) were asked for behind row \(position)", at: .file(file.path),
                advice: "report this as a fault of the program")
        }
        while position < new.lowerBound { try readNext(min(new.lowerBound - position, 4096), member, into: nil) }
        guard !new.isEmpty else { return }
        try readNext(new.count, member, into: target + old.count * columns)
        kept = (range, Array(UnsafeBufferPointer(start: target, count: range.count * columns)))
        if position == header.rows { try member.finish() }
    }

    private func readNext(_ count: Int, _ member: ZipMemberReader, into target: UnsafeMutablePointer<Float>?) throws {
        try withMemory(count * rowBytes, for: "the features", of: file.path) { memory in
            try member.read(count * rowBytes, into: memory)
            if let target { header.with(rows: count).convert(memory, into: target) }
        }
        position += count
    }
}

/// The rows of a recording whose features lie in files, read some at a time, from the first one on.
public final class NumpyRecording {
    /// Rows that all its parts have.
    public let rows: Int
    /// Columns of all its parts together.
    public let columns: Int
    private let parts: [(rows: NumpyRows, columns: Int)]
    private let path: String

    init(_ files: [NumpyFile], columns: Int) throws {
        rows = files.map(\.header.rows).min() ?? 0
        self.columns = columns
        parts = try files.map { (try NumpyRows($0), $0.header.columns) }
        path = files.first?.path ?? ""
    }

    /// Reads some rows as float32, [range.count, columns] row-major.
    ///
    /// - Parameters:
    ///   - range: begins where an earlier one began, or behind.
    ///   - target: has room for the rows.
    /// - Throws: `Failure` for a file that cannot be read, or memory that cannot be had.
    public func read(_ range: Range<Int>, into target: UnsafeMutablePointer<Float>) throws {
        if parts.count == 1 { return try parts[0].rows.read(range, into: target) }
        var first = 0
        for part in parts {
            try withMemory(range.count * part.columns * 4, for: "the features", of: path) { memory in
                let source = memory.bindMemory(to: Float.self, capacity: range.count * part.columns)
                try part.rows.read(range, into: source)
                for row in 0..<range.count {
                    (target + row * columns + first).update(from: source + row * part.columns, count: part.columns)
                }
            }
            first += part.columns
        }
    }
}

extension NumpyFeatures {
    /// Opens a video's files to read some of its rows at a time; `Options.rescaledRows` does not count here.
    ///
    /// - Throws: `Failure.badInput` for a file that is missing or was changed.
    public func recording(ofVideo index: Int) throws -> NumpyRecording { try NumpyRecording(files[index], columns: dimension) }

    /// The paths of a video's files, one for each folder.
    public func paths(ofVideo index: Int) -> [String] { files[index].map(\.path) }
}
