import Foundation

/// Writes a file so that a reader never sees half of it: `write` fills a neighbour named `PATH.part`, which is then renamed to `path`.
/// When `write` throws, the neighbour is removed and whatever stood at `path` stays as it was.
///
/// - Throws: `Failure` (`.failed`) when the folder cannot be written or the file cannot be renamed; whatever `write` throws.
public func replaceFile(at path: String, write: (_ partPath: String) throws -> Void) throws {
    let part = path + ".part"
    try requireWritableFolder(of: path)
    do {
        try write(part)
    } catch {
        unlink(part)
        throw error
    }
    guard rename(part, path) == 0 else {
        let reason = String(cString: strerror(errno))
        unlink(part)
        throw Failure.failed(
            "the finished file could not be put in its place: \(reason)", at: .file(path), advice: "check the folder's permissions and free space")
    }
}

/// Writes `data` by `replaceFile(at:write:)`.
public func replaceFile(at path: String, with data: Data) throws {
    try replaceFile(at: path) { part in
        do {
            try data.write(to: URL(fileURLWithPath: part))
        } catch {
            throw Failure.failed(
                "the file could not be written: \(error.localizedDescription)", at: .file(path), advice: "check the folder's permissions and free space")
        }
    }
}

/// Checks before any work that an output can be written where the user asked.
///
/// - Throws: `Failure` (`.failed`) when the folder is missing, is not a folder, or is not writable.
public func requireWritableFolder(of path: String) throws {
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder) else {
        throw Failure.failed("the output's folder '\(folder)' does not exist", at: .file(path), advice: "make the folder or choose another output path")
    }
    guard isFolder.boolValue else {
        throw Failure.failed("'\(folder)' is a file, not a folder", at: .file(path), advice: "choose another output path")
    }
    guard access(folder, W_OK) == 0 else {
        throw Failure.failed("the output's folder '\(folder)' is not writable", at: .file(path), advice: "choose another output path or change the folder's permissions")
    }
}
