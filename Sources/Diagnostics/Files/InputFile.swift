import Foundation

/// Refuses what is read differently from a file before it is opened: a pipe that nobody writes to would be waited on forever, a device has no end.
/// What does not exist or cannot be examined passes: the reader says so in its own words.
///
/// - Parameters:
///   - path: the file that is to be read.
///   - kind: of the failure.
/// - Throws: `Failure` that says what stands there.
public func requireRegularFile(_ path: String, _ kind: Failure.Kind = .badInput) throws {
    var status = stat()
    guard stat(path, &status) == 0 else { return }
    let found: String
    switch status.st_mode & S_IFMT {
    case S_IFREG: return
    case S_IFDIR: found = "a folder"
    case S_IFIFO: found = "a pipe"
    case S_IFSOCK: found = "a socket"
    default: found = "a device"
    }
    throw Failure(kind, "this is \(found), not a file", at: [.file(path)], advice: "give the path of a file")
}

/// The contents of an input file.
///
/// - Parameters:
///   - path: the file to read.
///   - most: bytes; a larger file is refused unread.
///   - unreadable: the failure for a file that is missing or may not be read.
/// - Throws: `Failure` (`.badInput`), also for what is not a file.
public func readInput(_ path: String, most: Int = 1 << 32, unreadable: @autoclosure () -> Failure) throws -> Data {
    try requireRegularFile(path)
    Activity.tick()
    guard let handle = FileHandle(forReadingAtPath: path) else { throw unreadable() }
    defer { try? handle.close() }
    let size = (try? handle.seekToEnd()).flatMap { Int(exactly: $0) } ?? 0
    guard size <= most else {
        throw Failure.badInput("the file has \(size) bytes, at most \(most) are read", at: .file(path), advice: "check the path")
    }
    guard (try? handle.seek(toOffset: 0)) != nil, let data = try? handle.readToEnd() ?? Data() else { throw unreadable() }
    return data
}
