import Foundation

/// The processes of this job on this host, as the system lists them: for ranks that cannot be reached yet.
struct LocalRanks {
    struct Entry {
        var process: Int
        /// By a signal or a debugger.
        var isStopped: Bool
    }

    private(set) var entries: [Int: Entry] = [:]

    /// Empty where the launcher leaves no marks.
    init() {
        let environment = ProcessInfo.processInfo.environment
        let marks = ["PMIX_NAMESPACE", "SLURM_JOB_ID"].compactMap { name in environment[name].map { "\(name)=\($0)" } }
        guard let mark = marks.first, let name = Self.text("self/comm") else { return }
        for folder in (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? [] {
            guard let process = Int(folder), Self.text("\(folder)/comm") == name,
                let variables = Self.text("\(folder)/environ")?.split(separator: "\0"), variables.contains(Substring(mark)),
                let rank = ["OMPI_COMM_WORLD_RANK=", "PMIX_RANK=", "SLURM_PROCID="].lazy.compactMap({ prefix in
                    variables.first { $0.hasPrefix(prefix) }.flatMap { Int($0.dropFirst(prefix.count)) }
                }).first
            else { continue }
            // PID (NAME) STATE ...
            let state = Self.text("\(folder)/stat")?.split(separator: ")").last?.first { $0 != " " }
            entries[rank] = Entry(process: process, isStopped: state == "T" || state == "t")
        }
    }

    /// " (process 4711 on host 'node7', stopped)"; "" for a rank that is not on this host.
    func words(_ rank: Int, host: String) -> String {
        entries[rank].map { " (process \($0.process) on host '\(host)'\($0.isStopped ? ", stopped" : ""))" } ?? ""
    }

    /// The ranks that are stopped, but for this process.
    var stopped: [Int] { entries.filter { $1.isStopped }.keys.sorted() }

    private static func text(_ path: String) -> String? {
        FileManager.default.contents(atPath: "/proc/" + path).map { String(decoding: $0, as: UTF8.self) }
    }
}
