import Foundation

/// Writes a file so that a reader never sees half of it: `write` fills a neighbour named `PATH.TOKEN.part`, which is then renamed to `path`.
/// When `write` throws or a signal ends the program, the neighbour is removed and whatever stood at `path` stays as it was. The neighbour is on
/// the disk before it is renamed. Unless a lock of this job covers the path already, it is locked meanwhile (`OutputLock`).
///
/// - Throws: `Failure` (`.failed`) when another job is writing the file, the folder cannot be written, the disk is full or the file cannot be renamed;
///   whatever `write` throws, with `path` in place of the neighbour's.
public func replaceFile(at path: String, write: (_ partPath: String) throws -> Void) throws {
    let path = followingLink(path)
    try requireWritablePlace(of: path)
    let covering = OutputLock.covering(path)
    let lock = try covering ?? OutputLock(.file(path)), part = lock.part(of: path)
    defer { if covering == nil { lock.release() } }
    let unfinished = UnfinishedFile(part)
    defer { unfinished.forget() }
    do {
        try write(part)
        try lock.requireHeld()
        try putInPlace(part, path)
    } catch {
        unlink(part)
        throw naming(path, insteadOf: part, in: error)
    }
}

/// The file that a symbolic link leads to, whether it is there or not, so that it and not the link is replaced; other paths as they are.
package func followingLink(_ path: String) -> String {
    var path = path
    for _ in 0..<40 {
        guard let next = try? FileManager.default.destinationOfSymbolicLink(atPath: path) else { return path }
        path = next.hasPrefix("/") ? next : URL(fileURLWithPath: path).deletingLastPathComponent().path + "/" + next
    }
    return path
}

/// Whether two outputs would stand at the same place, by whatever names of their folder and links to it.
public func areSamePlace(_ one: String, _ other: String) -> Bool {
    let places = [one, other].map { URL(fileURLWithPath: followingLink($0)) }
    guard places[0].lastPathComponent == places[1].lastPathComponent, let folder = fileStatus(places[0].deletingLastPathComponent().path),
        let otherFolder = fileStatus(places[1].deletingLastPathComponent().path)
    else { return false }
    return isSame(folder, otherFolder)
}

/// What the system says of the file or folder that a path leads to; nil where there is none.
private func fileStatus(_ path: String) -> stat? {
    var status = stat()
    return stat(path, &status) == 0 ? status : nil
}

private func isSame(_ one: stat, _ other: stat) -> Bool { one.st_dev == other.st_dev && one.st_ino == other.st_ino }

/// Renames a finished neighbour to `path`, once all of it is on the disk.
///
/// - Throws: `Failure` (`.failed`) when the disk does not take it all or the file cannot be renamed; the neighbour stays.
package func putInPlace(_ part: String, _ path: String) throws {
    let reason = synchronize(part)
    guard reason == nil else {
        throw Failure.failed(
            "the file could not be written whole: \(reason ?? "")", at: .file(path), advice: "free space on the disk, then start again")
    }
    guard rename(part, path) == 0 else {
        throw Failure.failed(
            "the finished file could not be put in its place: \(String(cString: strerror(errno)))", at: .file(path),
            advice: "check the folder's permissions and free space")
    }
    // The rename itself; a file system that cannot do this for folders has said nothing wrong of the file.
    _ = synchronize(URL(fileURLWithPath: path).deletingLastPathComponent().path)
}

/// An error that names the file a user knows.
package func naming(_ path: String, insteadOf part: String, in error: any Error) -> any Error {
    guard var failure = error as? Failure else { return error }
    failure.places = failure.places.map { $0 == .file(part) ? .file(path) : $0 }
    return failure
}

/// Waits until a file or folder is on the disk.
///
/// - Returns: why it is not, or nil.
private func synchronize(_ path: String) -> String? {
    let descriptor = open(path, O_RDONLY)
    guard descriptor >= 0 else { return String(cString: strerror(errno)) }
    defer { close(descriptor) }
    writeBack(descriptor)
    return fsync(descriptor) == 0 ? nil : String(cString: strerror(errno))
}

/// Writes `data` by `replaceFile(at:write:)`.
///
/// - Throws: `Failure` (`.failed`), as `replaceFile(at:write:)`.
public func replaceFile(at path: String, with data: Data) throws {
    try replaceFile(at: path) { part in
        let descriptor = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o666)
        var code = descriptor < 0 ? errno : writeWhole(data, to: descriptor)
        // A network's or quota's refusal may come as late as this.
        if descriptor >= 0, close(descriptor) != 0, code == 0 { code = errno }
        guard code == 0 else {
            throw Failure.failed(
                "the file could not be written: \(String(cString: strerror(code)))", at: .file(path),
                advice: "check the folder's permissions and free space")
        }
    }
}

/// Checks before any work that an output can be written where the user asked.
///
/// - Parameters:
///   - path: the output.
///   - inputs: files that are read for it; nil is ignored.
/// - Throws: `Failure` (`.failed`) when the folder is missing, is not a folder, or is not writable; `.wrongUsage` when something other than a file
///   stands there (a folder, a device), which would be replaced, or one of the inputs.
public func requireWritablePlace(of path: String, apartFrom inputs: [String?] = []) throws {
    try requireWritableFolder(of: followingLink(path))
    guard let there = fileStatus(path) else { return }
    guard there.st_mode & S_IFMT == S_IFREG else {
        throw Failure.wrongUsage(
            there.st_mode & S_IFMT == S_IFDIR ? "the output is a folder" : "the output is not a file but a device or a pipe", at: .file(path),
            advice: "name a file: outputs are written beside their place and put there when whole")
    }
    for case let input? in inputs {
        guard let other = fileStatus(input), isSame(other, there) else { continue }
        throw Failure.wrongUsage("the output would replace the input '\(input)'", at: .file(path), advice: "choose another output path")
    }
}

private func requireWritableFolder(of path: String) throws {
    let folder = URL(fileURLWithPath: path).deletingLastPathComponent().path
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder) else {
        throw Failure.failed(
            "the output's folder '\(folder)' does not exist", at: .file(path), advice: "make the folder or choose another output path")
    }
    guard isFolder.boolValue else {
        throw Failure.failed("'\(folder)' is a file, not a folder", at: .file(path), advice: "choose another output path")
    }
    guard access(folder, W_OK) == 0 else {
        throw Failure.failed(
            "the output's folder '\(folder)' is not writable", at: .file(path),
            advice: "choose another output path or change the folder's permissions")
    }
}
