import Dispatch
import Foundation

/// A lock file that this process owns. One object per file and process; counted.
final class HeldLock: @unchecked Sendable {
    let path: String
    private let owner: LockOwner
    private var unfinished: UnfinishedFile
    private var holders = 1

    private static let lock = NSRecursiveLock()
    // Safe: both are used with `lock` held, which a lock that is made anew takes twice.
    nonisolated(unsafe) private static var all: [String: HeldLock] = [:]
    nonisolated(unsafe) private static var timer: (any DispatchSourceTimer)?

    private init(_ path: String, _ owner: LockOwner) {
        (self.path, self.owner) = (path, owner)
        unfinished = UnfinishedFile(existing: path)
    }

    private var isOwn: Bool { LockFile(path)?.owner?.token == owner.token }

    // MARK: Taking

    /// - Returns: the lock; a warning when its owner could not be asked and was taken for dead.
    static func take(_ path: String, names: [String], for output: OutputLock.Output) throws -> (HeldLock, warning: String?) {
        try lock.withLock {
            if let own = all[path], (try? own.requireHeld(output: "file")) != nil {
                own.holders += 1
                return (own, nil)
            }
            let owner = LockOwner.beginning(names: names)
            var warning: String?
            // Each turn ends in a lock taken, a refusal, or a lock that has just gone.
            for _ in 0..<100 {
                if try make(path, owner, output) {
                    let own = HeldLock(path, owner)
                    all[path] = own
                    beginRenewing()
                    return (own, warning)
                }
                guard let found = standing(path) else {
                    try requireLockFile(path, output)
                    continue
                }
                switch found.verdict {
                case .refused: throw refusal(found, output)
                case .gone: break
                case .expired(let seconds):
                    warning =
                        "warning: took over '\(path)' from \(found.owner?.words ?? "an unknown process"), which has not renewed it "
                        + "for \(Int(seconds)) s"
                }
                remove(path, found)
            }
            throw Failure.failed(
                "the lock '\(path)' could not be taken: other processes make and remove it all the time", at: output.place,
                advice: "start again when the other jobs have ended")
        }
    }

    /// Makes the lock under another name and links it to its own.
    ///
    /// - Returns: false when there is one.
    private static func make(_ path: String, _ owner: LockOwner, _ output: OutputLock.Output) throws -> Bool {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let text = try encoder.encode(owner) + [UInt8(ascii: "\n")]
        let own = "\(path).\(owner.token).part"
        let unfinished = UnfinishedFile(own)
        defer {
            unlink(own)
            unfinished.forget()
        }
        try write(text, own, O_CREAT | O_WRONLY | O_TRUNC, output)
        if link(own, path) == 0 { return true }
        let code = errno
        // Over NFS the answer may be lost, and the link be there all the same.
        if LockFile(path)?.owner?.token == owner.token { return true }
        switch code {
        case EEXIST, ENOENT: return false
        default:
            // A file system without links: whoever makes the file owns it.
            do {
                try write(text, path, O_CREAT | O_WRONLY | O_EXCL, output)
                return true
            } catch {
                guard access(path, F_OK) != 0 else { return false }
                throw error
            }
        }
    }

    private static func write(_ text: Data, _ path: String, _ flags: Int32, _ output: OutputLock.Output) throws {
        func failure() -> Failure {
            Failure.failed(
                "the lock '\(path.hasSuffix(".part") ? UnfinishedName(path)?.name ?? path : path)' could not be written: "
                    + String(cString: strerror(errno)), at: output.place, advice: "check the folder's permissions and free space")
        }
        let descriptor = open(path, flags, 0o666)
        guard descriptor >= 0 else { throw failure() }
        let written = text.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
        guard written == text.count, fsync(descriptor) == 0 else {
            let found = failure()
            close(descriptor)
            unlink(path)
            throw found
        }
        guard close(descriptor) == 0 else { throw failure() }
    }

    // MARK: Judging

    /// Refuses what stands in the lock's place and can never be read as one.
    private static func requireLockFile(_ path: String, _ output: OutputLock.Output) throws {
        var status = stat()
        guard lstat(path, &status) == 0 else { return }
        let fault: String
        switch status.st_mode & S_IFMT {
        case S_IFREG:
            let descriptor = open(path, O_RDONLY | O_NONBLOCK)
            guard descriptor < 0, errno != ENOENT, errno != EINTR else {
                if descriptor >= 0 { close(descriptor) }
                return
            }
            fault = "cannot be read: " + String(cString: strerror(errno))
        case S_IFDIR: fault = "is a folder, not a file"
        case S_IFLNK: fault = "is a symbolic link that leads to no file"
        default: fault = "is not a file"
        }
        throw Failure.failed("the lock '\(path)' \(fault)", at: output.place, advice: "remove it when no other job writes there, then start again")
    }

    private enum Verdict { case refused, gone, expired(seconds: Double) }
    private struct Standing {
        var path: String
        var file: LockFile
        var owner: LockOwner? { file.owner }
        var verdict: Verdict
    }

    /// The lock that stands there, and what is to be done about it; nil when it has just gone.
    private static func standing(_ path: String) -> Standing? {
        // One that is being written without links is empty for a moment.
        var found = LockFile(path)
        for _ in 0..<50 {
            guard let file = found, file.owner == nil else { break }
            usleep(20_000)
            found = LockFile(path)
        }
        guard let file = found else { return nil }
        switch file.owner?.life() ?? .unknown {
        case .runs: return Standing(path: path, file: file, verdict: .refused)
        case .gone: return Standing(path: path, file: file, verdict: .gone)
        case .unknown:
            let age = clock(beside: path) - file.renewed
            return Standing(path: path, file: file, verdict: age > OutputLock.patience ? .expired(seconds: age) : .refused)
        }
    }

    /// The present time by the clock that gives the lock's file its time.
    private static func clock(beside path: String) -> Double {
        let probe = "\(path).\(LockOwner.this.token).part"
        defer { unlink(probe) }
        let descriptor = open(probe, O_CREAT | O_WRONLY | O_TRUNC, 0o666)
        var status = stat()
        guard descriptor >= 0 else { return Date().timeIntervalSince1970 }
        defer { close(descriptor) }
        var byte: UInt8 = 10
        guard Foundation.write(descriptor, &byte, 1) == 1, fsync(descriptor) == 0, fstat(descriptor, &status) == 0 else {
            return Date().timeIntervalSince1970
        }
        return LockFile.time(status)
    }

    private static func refusal(_ found: Standing, _ output: OutputLock.Output) -> Failure {
        let owner = found.owner.map(\.words) ?? "an unknown process"
        var advice = "wait until it ends, or choose another output"
        if found.owner?.life() != .runs {
            advice += "; where that process is known to be dead, wait \(Int(OutputLock.patience / 60)) minutes, or remove '\(found.path)'"
        }
        return Failure.failed("another job \(output.words): \(owner)", at: output.place, advice: advice)
    }

    /// Refuses when a lock is held by another process that may still run.
    ///
    /// - Parameter name: what is written in the folder of the lock; nil: what the lock itself stands for.
    static func requireFree(_ path: String, writing name: String? = nil, for output: OutputLock.Output) throws {
        guard let owner = owner(of: path), owner.token != LockOwner.this.token, name.map(owner.names.contains) ?? true else { return }
        guard let found = standing(path), case .refused = found.verdict else { return }
        throw refusal(found, output)
    }

    static func owner(of path: String) -> LockOwner? { LockFile(path)?.owner }

    /// Takes a lock whose owner is gone away, and no other that has come in its place.
    private static func remove(_ path: String, _ found: Standing) {
        guard let now = LockFile(path), now.text == found.file.text else { return }
        let aside = "\(path).\(LockOwner.this.token).part"
        guard rename(path, aside) == 0 else { return }
        defer { unlink(aside) }
        // Somebody else was faster: it was not the old one.
        if LockFile(aside)?.text != found.file.text { _ = link(aside, path) }
    }

    // MARK: Holding

    /// - Throws: `Failure` when another process has taken the lock over: this one was stopped for long, or somebody removed the lock.
    func requireHeld(output: String) throws {
        var found = LockFile(path)
        // While another process looks at a lock that it takes for left behind, the name is gone for a moment.
        for _ in 0..<10 where found == nil {
            usleep(10_000)
            found = LockFile(path)
        }
        guard let found else {
            // Removed by hand: nobody else has it.
            if (try? Self.make(path, owner, .file(path))) == true {
                Self.lock.withLock { remember() }
            }
            return
        }
        guard found.owner?.token != owner.token else { return }
        throw Failure.failed(
            "another job has taken over this \(output) in the meantime: \(found.owner?.words ?? "an unknown process")",
            at: .file(path), advice: "let that job go on; this one was stopped, or cut off from the disk, for too long")
    }

    private func remember() {
        unfinished.forget()
        unfinished = UnfinishedFile(existing: path)
    }

    func release() {
        Self.lock.withLock {
            holders -= 1
            guard holders == 0 else { return }
            if isOwn { unlink(path) }
            unfinished.forget()
            if Self.all[path] === self { Self.all[path] = nil }
        }
    }

    /// Tells those who cannot ask that this process still lives.
    static func renewAll() {
        for held in lock.withLock({ Array(all.values) }) where held.isOwn { utimensat(AT_FDCWD, held.path, nil, 0) }
    }

    /// Begins to renew all locks of this process now and then.
    private static func beginRenewing() {
        guard timer == nil else { return }
        let source = DispatchSource.makeTimerSource(queue: .global(qos: .utility))
        source.schedule(deadline: .now() + OutputLock.renewal, repeating: OutputLock.renewal, leeway: .seconds(2))
        source.setEventHandler { renewAll() }
        source.resume()
        timer = source
    }
}

/// A lock's file as it stands.
private struct LockFile {
    var text: Data
    /// nil when the file is not written yet, or is no lock.
    var owner: LockOwner?
    /// Seconds since 1970, by the clock of the file system.
    var renewed: Double

    init?(_ path: String) {
        // A pipe would be waited on for ever.
        let descriptor = open(path, O_RDONLY | O_NONBLOCK)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
        var bytes = [UInt8](repeating: 0, count: 16_384)
        let count = read(descriptor, &bytes, bytes.count)
        guard count >= 0 else { return nil }
        text = Data(bytes[..<count])
        owner = try? JSONDecoder().decode(LockOwner.self, from: text)
        renewed = Self.time(status)
    }

    static func time(_ status: stat) -> Double { Double(status.st_mtim.tv_sec) + 1e-9 * Double(status.st_mtim.tv_nsec) }
}

extension OutputLock.Output {
    var place: Failure.Place {
        switch self {
        case .file(let path), .folder(let path, _): .file(path)
        }
    }

    var words: String {
        switch self {
        case .file: "is writing this file"
        case .folder: "works in this folder"
        }
    }
}
