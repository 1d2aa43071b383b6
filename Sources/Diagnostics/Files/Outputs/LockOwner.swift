import Foundation

/// Who holds a lock, as the lock's file says it: enough for another process to tell whether the owner still runs.
package struct LockOwner: Codable, Equatable {
    package var host: String
    package var process: Int32
    /// Clock ticks from the host's boot to the start of the process: another process of the same number has another.
    package var start: UInt64
    /// The host's present boot, and the space that its process numbers belong to (a container has its own).
    package var boot: String
    package var processSpace: String
    /// UTC, for the user.
    package var since: String
    /// The batch system's number of the job, and how often it was put back in the queue.
    package var job: String?
    package var restarts: Int?
    /// Its own, in the names of the files that it has not finished.
    package var token: String
    /// What it writes, of the folder that it has locked.
    package var names: [String]

    package enum CodingKeys: String, CodingKey {
        case host, process, start, boot, since, job, restarts, token, names
        case processSpace = "process_space"
    }

    /// This process.
    package static let this: LockOwner = {
        var name = [CChar](repeating: 0, count: 256)
        _ = gethostname(&name, name.count - 1)
        let environment = ProcessInfo.processInfo.environment
        let job = environment["SLURM_JOB_ID"].map { (environment["SLURM_CLUSTER_NAME"].map { $0 + " " } ?? "") + $0 }
        return LockOwner(
            host: String(untilZero: name), process: getpid(), start: status(of: getpid())?.start ?? 0,
            boot: contents("/proc/sys/kernel/random/boot_id"),
            processSpace: (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/pid")) ?? "", since: now(), job: job,
            restarts: job == nil ? nil : Int(environment["SLURM_RESTART_COUNT"] ?? "0"),
            token: String(format: "%016llx", UInt64.random(in: .min ... .max)), names: [])
    }()

    /// This process as owner of something, from now on.
    static func beginning(names: [String]) -> LockOwner {
        var owner = this
        owner.since = now()
        owner.names = names
        return owner
    }

    private static func now() -> String {
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.timeZone = TimeZone(identifier: "UTC")
        formatter.dateFormat = "yyyy-MM-dd HH:mm:ss 'UTC'"
        return formatter.string(from: Date())
    }

    private static func contents(_ path: String) -> String {
        ((try? String(contentsOfFile: path, encoding: .utf8)) ?? "").filter { !$0.isWhitespace }
    }

    /// Fields 3 and 22 of /proc/PID/stat; nil where the process is not to be seen.
    package static func status(of process: Int32) -> (state: Substring, start: UInt64)? {
        guard let text = try? String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8), let name = text.lastIndex(of: ")") else { return nil }
        let fields = text[text.index(after: name)...].split(separator: " ")
        guard fields.count > 19, let start = UInt64(fields[19]) else { return nil }
        return (fields[0], start)
    }

    package enum Life { case runs, gone, unknown }

    /// Whether the owner still runs, as far as this process can tell without waiting.
    package func life(seenBy observer: LockOwner = .this) -> Life {
        if boot == observer.boot, processSpace == observer.processSpace, !boot.isEmpty {
            if kill(process, 0) != 0, errno == ESRCH { return .gone }
            // Another user's process may hide what it is.
            guard let status = Self.status(of: process) else { return .runs }
            return status.start == start && status.state != "Z" && status.state != "X" ? .runs : .gone
        }
        // A batch system puts a job back in the queue when nothing of it runs any more.
        if let job, job == observer.job, let before = restarts, let after = observer.restarts, before < after { return .gone }
        return .unknown
    }

    /// "process 29818 on host 'node7', since 2026-11-26 05:01:22 UTC".
    var words: String { "process \(process) on host '\(host)', since \(since)" + (job.map { ", job \($0)" } ?? "") }
}
