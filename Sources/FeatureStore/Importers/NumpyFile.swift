import Diagnostics
import Foundation

/// One array of features in a `.npy` or `.npz` file; which of the two it is, its first bytes say.
package struct NumpyFile {
    package let path: String
    package let header: NumpyHeader
    /// In a `.npz` file.
    let member: ZipArchive.Member?

    /// Reads the header and checks it against the size of the file.
    ///
    /// - Parameter array: the array of a `.npz` file; needed where it holds several.
    init(path: String, array: String? = nil) throws { try self.init(try InputBytes(path: path), array: array) }

    package init(_ bytes: InputBytes, array: String? = nil) throws {
        path = bytes.path
        guard ZipArchive.isArchive(try bytes.read(0..<min(4, bytes.count))) else {
            if let array {
                throw Failure.badInput(
                    "this is not a .npz file, whose array '\(array)' could be read", at: .file(path),
                    advice: "leave --array out: a .npy file holds one array, without a name")
            }
            member = nil
            header = try NumpyHeader(size: bytes.count, at: [.file(path)]) { try bytes.read(0..<$0) }
            return
        }
        let archive = try ZipArchive(bytes)
        let member = try Self.choose(array, in: archive, path: path)
        self.member = member
        header = try NumpyHeader(size: member.size, at: [.file(path), .dataset(Self.arrayName(member))]) { try archive.read(member, first: $0) }
    }

    private static func arrayName(_ member: ZipArchive.Member) -> String {
        member.name.hasSuffix(".npy") ? String(member.name.dropLast(4)) : member.name
    }

    private static func choose(_ array: String?, in archive: ZipArchive, path: String) throws -> ZipArchive.Member {
        let members = archive.members.filter { $0.name.hasSuffix(".npy") }
        let names = members.map(arrayName)
        let list = names.prefix(10).map { "'\($0)'" }.joined(separator: ", ") + (names.count > 10 ? " and \(names.count - 10) more" : "")
        guard !members.isEmpty else {
            throw Failure.badInput("the .npz file holds no array", at: .file(path), advice: "save the features with numpy.savez(path, array)")
        }
        if let array {
            if let found = members.first(where: { arrayName($0) == array }) { return found }
            throw Failure.badInput(
                "the .npz file holds no array '\(array)'; it holds \(list)", at: .file(path),
                advice: nearestName(to: array, among: names).map { "did you mean --array \($0)?" } ?? "give one of these with --array")
        }
        guard members.count == 1 else {
            throw Failure.badInput(
                "the .npz file holds \(members.count) arrays: \(list)", at: .file(path), advice: "name the features with --array \(names[0])")
        }
        return members[0]
    }

    /// Reads all values as float32 into `target`, [rows, columns] row-major.
    func read(into target: UnsafeMutablePointer<Float>) throws { try read(try InputBytes(path: path), into: target) }

    package func read(_ bytes: InputBytes, into target: UnsafeMutablePointer<Float>) throws {
        let count = header.rows * header.columns * header.element.bytes
        guard let member else {
            guard bytes.count == header.offset + count else {
                throw Failure.badInput("the file changed while it was read", at: .file(path), advice: "start again when nothing writes to it")
            }
            let values = header.offset..<bytes.count
            if header.element == .float32, !header.isFortranOrder { return try bytes.read(values, into: target) }
            return try withMemory(count, for: "the features", of: path) { memory in
                try bytes.read(values, into: memory)
                header.convert(memory, into: target)
            }
        }
        let archive = try ZipArchive(bytes)
        guard archive.members.contains(member) else {
            throw Failure.badInput("the file changed while it was read", at: .file(path), advice: "start again when nothing writes to it")
        }
        try withMemory(member.size, for: "the features", of: path) { memory in
            try archive.read(member, first: member.size, into: memory)
            header.convert(memory + header.offset, into: target)
        }
    }
}
