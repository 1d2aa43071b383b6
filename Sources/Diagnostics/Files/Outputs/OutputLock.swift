import Foundation
import Synchronization

/// The right of this process, alone among all that see the same disk, to write a file or into a folder, for as long as the object lives.
///
/// A lock is a file beside the output (`PATH.lock`) or in the folder (`FOLDER/run.lock`) that names its owner. It is written under a name of its own
/// and then linked to the lock's name, which fails where that is taken: so a lock is never seen half-written, on NFS too, and needs no `flock`. The
/// owner renews it every `renewal` seconds and removes it at every end but SIGKILL. Another process takes over a lock whose owner is gone: on the same
/// machine the process no longer runs; of the same Slurm job this is a later start; elsewhere the lock was not renewed for `patience` seconds, by the
/// clock of the file system. Before a finished file takes its place the owner looks whether the lock is still its own.
///
/// A process that asks again for what it holds gets it: one process is one owner.
public final class OutputLock: @unchecked Sendable {
    /// What is written.
    public enum Output: Equatable, Sendable {
        case file(String)
        /// A folder, made already, and the names in it that belong to the owner.
        case folder(String, names: [String])
    }

    /// Seconds between two renewals, and without one after which a lock whose owner cannot be asked counts as left behind.
    static let renewal = 20.0
    package static let patience = 300.0

    /// The file or folder, with the folder's real path.
    let place: String
    let isFolder: Bool
    /// In the names of unfinished files.
    let token: String
    /// nil on ranks whose rank 0 holds the lock.
    private let held: HeldLock?
    /// A line for the user about an owner that could not be asked and was taken for dead.
    public let warning: String?
    private let isReleased = Mutex(false)

    /// All that this process may write.
    private static let present = Mutex<[OutputLock.Weak]>([])
    private struct Weak { weak var lock: OutputLock? }

    /// - Throws: `Failure` (`.failed`) when another process holds the lock, naming it, or the lock cannot be written.
    public convenience init(_ output: Output) throws {
        let (place, isFolder) = Self.place(of: output)
        var names: [String] = []
        if case .folder(_, let own) = output { names = own }
        let lockPath = isFolder ? place + "/run.lock" : place + ".lock"
        let (held, warning) = try HeldLock.take(lockPath, names: names, for: output)
        self.init(place, isFolder, token: LockOwner.this.token, held: held, warning: warning)
        // Both look at the other's lock after they have made their own: at most both give way.
        try requireNoOverlap(names, output)
        sweep()
    }

    /// A lock that another rank of this job holds.
    ///
    /// - Parameter token: of the holder.
    package convenience init(heldElsewhere output: Output, token: String) {
        let (place, isFolder) = Self.place(of: output)
        self.init(place, isFolder, token: token, held: nil, warning: nil)
    }

    private init(_ place: String, _ isFolder: Bool, token: String, held: HeldLock?, warning: String?) {
        (self.place, self.isFolder, self.token, self.held, self.warning) = (place, isFolder, token, held, warning)
        Self.present.withLock {
            $0.removeAll { $0.lock == nil }
            $0.append(Weak(lock: self))
        }
    }

    deinit { release() }

    /// Releases the lock; harmless if it is released already.
    public func release() {
        let isFirst = isReleased.withLock { released in
            defer { released = true }
            return !released
        }
        if isFirst { held?.release() }
    }

    /// What happens every `renewal` seconds.
    package static func renew() { HeldLock.renewAll() }

    package static var ownToken: String { LockOwner.this.token }

    private static func place(of output: Output) -> (String, isFolder: Bool) {
        switch output {
        case .file(let path):
            let path = URL(fileURLWithPath: followingLink(path))
            return (realPath(path.deletingLastPathComponent().path) + "/" + path.lastPathComponent, false)
        case .folder(let path, _): return (realPath(path), true)
        }
    }

    private static func realPath(_ path: String) -> String {
        guard let real = realpath(path, nil) else { return URL(fileURLWithPath: path).standardizedFileURL.path }
        defer { free(real) }
        let text = String(cString: real)
        return text == "/" ? "" : text
    }

    /// The lock of this job under which `path` may be written; nil when there is none.
    package static func covering(_ path: String) -> OutputLock? {
        let (place, _) = Self.place(of: .file(path))
        return present.withLock {
            $0.lazy.compactMap(\.lock).first { lock in
                guard !lock.isReleased.withLock({ $0 }) else { return false }
                return lock.isFolder ? place.hasPrefix(lock.place + "/") : place == lock.place
            }
        }
    }

    /// Where `path` is written until it is whole: a name that no other writer has.
    package func part(of path: String) -> String { "\(path).\(token).part" }

    /// - Throws: `Failure` (`.failed`) when another process has taken the lock over.
    package func requireHeld() throws { try held?.requireHeld(output: isFolder ? "folder" : "file") }

    // MARK: What others have left, and what they write

    /// Removes what writers that are gone have left unfinished: of a file its own, of a folder all in it and in the folders given.
    public func sweep(_ folders: [String] = []) {
        let folder = isFolder ? place : URL(fileURLWithPath: place).deletingLastPathComponent().path
        let name = URL(fileURLWithPath: place).lastPathComponent
        for place in [folder] + folders {
            for entry in (try? FileManager.default.contentsOfDirectory(atPath: place)) ?? [] {
                guard let part = UnfinishedName(entry), part.token != token else { continue }
                if !isFolder, part.name != name, part.name != name + ".lock" { continue }
                if isFolder, let owner = HeldLock.owner(of: "\(place)/\(part.name).lock"), owner.token == part.token, owner.life() != .gone {
                    continue
                }
                unlink("\(place)/\(entry)")
            }
        }
    }

    /// Refuses to write what the owner of a folder writes, and a folder in which another process writes one of those names.
    private func requireNoOverlap(_ names: [String], _ output: Output) throws {
        if isFolder {
            for name in names { try HeldLock.requireFree("\(place)/\(name).lock", for: output) }
            return
        }
        // FOLDER/NAME and FOLDER/NAME/FILE.
        let parts = place.split(separator: "/", omittingEmptySubsequences: false)
        for depth in [1, 2] where parts.count > depth {
            let folder = parts.dropLast(depth).joined(separator: "/"), name = String(parts[parts.count - depth])
            try HeldLock.requireFree(folder + "/run.lock", writing: name, for: output)
        }
    }
}

/// "NAME.TOKEN.part", or "NAME.part" of a version of the program without tokens.
struct UnfinishedName {
    var name: String
    var token: String

    init?(_ entry: String) {
        guard entry.hasSuffix(".part") else { return nil }
        name = String(entry.dropLast(5))
        token = ""
        let tail = name.suffix(17)
        if tail.count == 17, tail.first == ".", tail.dropFirst().allSatisfy({ $0.isHexDigit && !$0.isUppercase }) {
            token = String(tail.dropFirst())
            name = String(name.dropLast(17))
        }
    }
}
