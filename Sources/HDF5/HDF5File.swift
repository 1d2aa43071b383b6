import CHDF5
import Diagnostics
import Foundation

/// An HDF5 file: datasets by name ("params/neck.weight", groups made on the way) and attributes of objects.
///
/// Values are row-major and little-endian. Every call is checked, and every error becomes a `Failure` with the file and the dataset: `.badInput` on
/// reading, `.failed` on writing. Safe to use from several threads; one global lock stands around every call of the library, and around every use
/// of the file's identifier.
public final class HDF5File: @unchecked Sendable {
    public let path: String
    let isWritable: Bool
    private(set) var id: hid_t
    /// Where the values of the contiguous datasets lie that were made through this object.
    var places: [String: Range<Int>] = [:]

    init(path: String, id: hid_t, isWritable: Bool) {
        self.path = path
        self.id = id
        self.isWritable = isWritable
    }

    deinit { close() }

    /// Makes an empty file, replacing what stood there. Serial: one process alone.
    ///
    /// - Throws: `Failure` (`.failed`) when the file is in use or cannot be made.
    public static func create(_ path: String) throws -> HDF5File {
        try HDF5Library.locked {
            let access = fileAccess()
            defer { H5Pclose(access) }
            let id = H5Fcreate(path, kairos_h5f_acc_trunc(), kairos_h5p_default(), access)
            guard id >= 0 else {
                if let locked = lockFailure(path, .failed) { throw locked }
                throw Failure.failed(
                    "the file could not be made: \(HDF5Library.lastError())", at: .file(path),
                    advice: "check the folder's permissions and free space")
            }
            return HDF5File(path: path, id: id, isWritable: true)
        }
    }

    /// Opens a file for reading.
    ///
    /// - Throws: `Failure.badInput` for what is not an HDF5 file, is damaged, cut off or in use.
    public static func open(_ path: String) throws -> HDF5File {
        try HDF5Library.locked { try open(path, flags: kairos_h5f_acc_rdonly(), access: fileAccess(), isWritable: false) }
    }

    /// Opens a file for adding to it. Serial: one process alone.
    package static func openForWriting(_ path: String) throws -> HDF5File {
        try HDF5Library.locked { try open(path, flags: kairos_h5f_acc_rdwr(), access: fileAccess(), isWritable: true) }
    }

    /// Opens and closes `access` when done with it.
    static func open(_ path: String, flags: UInt32, access: hid_t, isWritable: Bool) throws -> HDF5File {
        try HDF5Library.locked {
            defer { H5Pclose(access) }
            try requireSignature(path)
            // What is written is this program's own, and by several ranks at once.
            if !isWritable, try !IndexSeal.check(path) { try HDF5Structure.check(path) }
            let id = H5Fopen(path, flags, access)
            guard id >= 0 else {
                if let locked = lockFailure(path, .badInput) { throw locked }
                let reason = HDF5Library.lastError()
                guard let promised = number(after: "stored_eof = ", in: reason), let held = number(after: "truncated file: eof = ", in: reason) else {
                    throw Failure.badInput(
                        "the file could not be opened as HDF5: \(reason)", at: .file(path), advice: "make the file again, or copy it again")
                }
                throw Failure.badInput(
                    "the file ends early: its header promises \(promised) bytes, it holds \(held)", at: .file(path),
                    advice: "copy the file again from its source, or make it again")
            }
            return HDF5File(path: path, id: id, isWritable: isWritable)
        }
    }

    /// A file access list for one process. Advisory locks are used where the file system knows them.
    static func fileAccess() -> hid_t {
        HDF5Library.locked {
            let access = H5Pcreate(kairos_h5p_file_access())
            _ = H5Pset_file_locking(access, true, true)
            return access
        }
    }

    /// Closes a written file, all of which the operating system has then taken. A file of several ranks: all must call it.
    ///
    /// - Throws: `Failure.failed` when something could not be written, such as on a full disk; the file is closed nevertheless, and not whole.
    public func finishWriting() throws {
        try HDF5Library.locked {
            guard id >= 0 else { return }
            let failed = H5Fflush(id, H5F_SCOPE_LOCAL) < 0
            var reason = failed ? HDF5Library.lastError() : ""
            if H5Fclose(id) < 0, !failed { reason = HDF5Library.lastError() }
            id = -1
            guard reason.isEmpty else {
                throw Failure.failed(
                    "the file could not be written whole: \(reason)", at: .file(path), advice: "free space on the disk, then start again")
            }
        }
    }

    /// Closes the file without asking whether all of it was written: for reading, and for giving up. Closing twice does nothing.
    public func close() {
        HDF5Library.locked {
            if id >= 0 { H5Fclose(id) }
            id = -1
        }
    }

    /// Hands everything written so far to the operating system.
    ///
    /// - Throws: `Failure` (`.failed`) when the system refuses, for example on a full disk.
    public func flush() throws {
        try HDF5Library.locked {
            guard H5Fflush(id, H5F_SCOPE_LOCAL) >= 0 else { throw writeFailure("flushed", nil) }
        }
    }

    /// Removes a dataset or group from the file; its space is not reclaimed.
    package func remove(_ name: String) throws {
        try HDF5Library.locked {
            guard H5Ldelete(id, name, kairos_h5p_default()) >= 0 else { throw writeFailure("changed", name) }
        }
    }

    /// A number of the system's own for the open file, to be closed by the caller; nil for a file that is written, or not read through POSIX calls.
    func duplicateDescriptor() -> Int32? {
        HDF5Library.locked {
            guard id >= 0, !isWritable else { return nil }
            let access = H5Fget_access_plist(id)
            defer { H5Pclose(access) }
            var handle: UnsafeMutableRawPointer?
            guard H5Pget_driver(access) == kairos_h5fd_sec2(), H5Fget_vfd_handle(id, access, &handle) >= 0, let handle else { return nil }
            let copy = fcntl(handle.load(as: Int32.self), F_DUPFD_CLOEXEC, 0)
            return copy < 0 ? nil : copy
        }
    }

    // MARK: Looking around

    /// Whether a dataset or group of that name exists.
    public func exists(_ name: String) -> Bool {
        HDF5Library.locked {
            guard id >= 0 else { return false }
            var walked = ""
            for part in name.split(separator: "/") {
                walked += (walked.isEmpty ? "" : "/") + part
                if H5Lexists(id, walked, kairos_h5p_default()) <= 0 { return false }
            }
            return true
        }
    }

    /// The names inside a group ("" or "/" for the root), sorted.
    ///
    /// - Throws: `Failure.badInput` when there is no group of that name.
    public func children(of group: String) throws -> [String] {
        try HDF5Library.locked {
            let object = try openObject(group)
            defer { H5Oclose(object) }
            var info = H5G_info_t()
            guard H5Gget_info(object, &info) >= 0 else {
                throw Failure.badInput("'\(group)' is not a group", at: .file(path), advice: "check that the file is of the kind expected here")
            }
            var names: [String] = []
            for index in 0..<info.nlinks {
                let length = H5Lget_name_by_idx(object, ".", H5_INDEX_NAME, H5_ITER_INC, index, nil, 0, kairos_h5p_default())
                guard 0...65_536 ~= length else { throw readFailure(group) }
                var buffer = [CChar](repeating: 0, count: length + 1)
                _ = H5Lget_name_by_idx(object, ".", H5_INDEX_NAME, H5_ITER_INC, index, &buffer, buffer.count, kairos_h5p_default())
                names.append(String(untilZero: buffer))
            }
            return names.sorted()
        }
    }

    /// The sizes of a dataset, outermost first; empty for a scalar.
    ///
    /// - Throws: `Failure.badInput` when there is no dataset of that name.
    public func shape(of name: String) throws -> [Int] {
        try HDF5Library.locked {
            let dataset = try openDataset(name)
            defer { H5Dclose(dataset) }
            let space = H5Dget_space(dataset)
            defer { H5Sclose(space) }
            return try Self.extent(of: space) ?? { throw readFailure(name) }()
        }
    }

    // MARK: Shared by the parts of this type (call with the lock held)

    static func extent(of space: hid_t) -> [Int]? {
        let rank = H5Sget_simple_extent_ndims(space)
        guard rank >= 0 else { return nil }
        var sizes = [hsize_t](repeating: 0, count: Int(rank))
        if rank > 0, H5Sget_simple_extent_dims(space, &sizes, nil) < 0 { return nil }
        // Sizes beyond 2^63 - 1 stand in damaged files alone.
        return sizes.allSatisfy { $0 <= hsize_t(Int.max) } ? sizes.map { Int($0) } : nil
    }

    static func space(shape: [Int]) -> hid_t {
        if shape.isEmpty { return H5Screate(H5S_SCALAR) }
        return H5Screate_simple(Int32(shape.count), shape.map { hsize_t($0) }, nil)
    }

    func openDataset(_ name: String) throws -> hid_t {
        guard id >= 0 else {
            throw Failure.failed("the file is closed already", at: .file(path), .dataset(name), advice: "report this as a fault of the program")
        }
        let dataset = H5Dopen2(id, name, kairos_h5p_default())
        guard dataset >= 0 else {
            let reason = HDF5Library.lastError()
            throw Failure.badInput(
                exists(name) ? "'\(name)' is not a readable dataset: \(reason)" : "the file holds no dataset '\(name)'", at: .file(path),
                .dataset(name),
                advice: "check that the file is of the kind expected here")
        }
        return dataset
    }

    func openObject(_ name: String) throws -> hid_t {
        let trimmed = name.split(separator: "/").joined(separator: "/")
        guard trimmed.isEmpty || exists(trimmed) else {
            throw Failure.badInput("the file holds no '\(name)'", at: .file(path), advice: "check that the file is of the kind expected here")
        }
        let object = H5Oopen(id, trimmed.isEmpty ? "/" : trimmed, kairos_h5p_default())
        guard object >= 0 else { throw readFailure(name) }
        return object
    }

    func readFailure(_ name: String) -> Failure {
        .badInput(
            "the values could not be read: \(HDF5Library.lastError())", at: .file(path), .dataset(name),
            advice: "the file is damaged: copy it again from its source, or make it again")
    }

    func writeFailure(_ verb: String, _ name: String?) -> Failure {
        Failure(
            .failed, "the file could not be \(verb): \(HDF5Library.lastError())", at: [.file(path)] + (name.map { [.dataset($0)] } ?? []),
            advice: "check the free space of the disk and the folder's permissions")
    }

    // MARK: Before the library sees the file

    /// The library's messages for a missing or foreign file are unhelpful, so these cases are checked first.
    private static func requireSignature(_ path: String) throws {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw Failure.badInput("the file does not exist", at: .file(path), advice: "check the path")
        }
        guard !isFolder.boolValue else { throw Failure.badInput("this is a folder, not a file", at: .file(path), advice: "give the path of a file") }
        try requireRegularFile(path)
        guard let handle = FileHandle(forReadingAtPath: path) else {
            throw Failure.badInput("the file could not be opened for reading", at: .file(path), advice: "check its permissions")
        }
        defer { try? handle.close() }
        let head = (try? handle.read(upToCount: 8)) ?? Data()
        guard head == Data([0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a]) else {
            throw Failure.badInput("this is not an HDF5 file", at: .file(path), advice: "give a file that kairos or another HDF5 program has written")
        }
    }

    /// What to say when the operating system did not give the lock that the library asks for; nil for other errors.
    private static func lockFailure(_ path: String, _ kind: Failure.Kind) -> Failure? {
        guard HDF5Library.lastEntry().contains("unable to lock file") else { return nil }
        let reason = HDF5Library.lastError()
        guard reason == String(cString: strerror(EAGAIN)) || reason == String(cString: strerror(EACCES)) else {
            return Failure(
                kind, "the file could not be locked: \(reason)", at: [.file(path)],
                advice: "where the file system knows no locks, set HDF5_USE_FILE_LOCKING=FALSE in the environment")
        }
        return Failure(
            kind, "the file is locked by another program: \(reason)", at: [.file(path)],
            advice: "wait until the program that uses it has ended; if there is none, set HDF5_USE_FILE_LOCKING=FALSE in the environment")
    }

    private static func number(after marker: String, in text: String) -> Int? {
        guard let range = text.range(of: marker) else { return nil }
        return Int(text[range.upperBound...].prefix { $0.isNumber })
    }
}
