import Foundation

/// The bounds on the memory that this process may still allocate: the machine, its control groups (v1 and v2, the process's own and all above it),
/// and the limits of the process.
public struct AvailableMemory: Codable, Equatable, Sendable {
    /// One bound.
    public struct Bound: Codable, Equatable, Sendable {
        /// For messages: "free on the machine", "memory.max of the control group '/job_7'".
        public var name: String
        /// Equal for processes that share the bound; nil: this process's own.
        public var scope: String?
        /// Bytes that are left below it.
        public var bytes: Int
        /// Whether it counts addresses, whether or not there is memory behind them.
        public var countsAddresses: Bool

        /// `bytes` are those left below the bound; `scope` nil for a bound of this process alone.
        public init(name: String, scope: String?, bytes: Int, countsAddresses: Bool = false) {
            self.name = name
            self.scope = scope
            self.bytes = bytes
            self.countsAddresses = countsAddresses
        }
    }

    public var bounds: [Bound]

    /// Bounds that are known already; the other initialiser asks the system.
    public init(bounds: [Bound]) { self.bounds = bounds }

    /// - Parameters:
    ///   - machine: names the machine among those of a run.
    ///   - root: holds `proc` and the mounts of control groups; another one in tests.
    ///   - limits: RLIMIT_AS and RLIMIT_DATA in bytes, nil for none; the process's own otherwise.
    public init(machine: String, root: String = "", limits: (addresses: Int?, data: Int?)? = nil) {
        bounds = []
        if let free = Self.freeOnMachine(root) { bounds.append(Bound(name: "free on the machine", scope: "machine \(machine)", bytes: free)) }
        bounds += Self.controlGroups(root, machine: machine)
        let limits = limits ?? (Self.limit(RLIMIT_AS), Self.limit(RLIMIT_DATA))
        let pages = Self.read(root + "/proc/self/statm").split(separator: " ").compactMap { Int($0) }, page = Int(sysconf(Int32(_SC_PAGESIZE)))
        if let most = limits.addresses, pages.count > 5 {
            bounds.append(
                Bound(name: "left of the limit of addresses (ulimit -v)", scope: nil, bytes: max(0, most - pages[0] * page), countsAddresses: true))
        }
        if let most = limits.data, pages.count > 5 {
            bounds.append(
                Bound(name: "left of the limit of data (ulimit -d)", scope: nil, bytes: max(0, most - pages[5] * page), countsAddresses: true))
        }
    }

    private static func limit(_ resource: __rlimit_resource) -> Int? {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(resource.rawValue), &limit) == 0, limit.rlim_cur < UInt64(Int.max) else { return nil }
        return Int(limit.rlim_cur)
    }

    private static func read(_ path: String) -> String {
        // Files of the kernel say that they are empty.
        guard let file = FileManager.default.contents(atPath: path) else { return "" }
        return String(decoding: file, as: UTF8.self)
    }

    private static func freeOnMachine(_ root: String) -> Int? {
        var found: [String: Int] = [:]
        for line in read(root + "/proc/meminfo").split(separator: "\n") {
            let words = line.split(whereSeparator: { $0 == " " || $0 == ":" })
            if words.count > 1, let value = Int(words[1]) { found[String(words[0])] = value }
        }
        return (found["MemAvailable"] ?? found["MemFree"]).map { $0.multipliedReportingOverflow(by: 1024).partialValue }
    }

    // MARK: Control groups

    private struct Mount {
        var root: String
        var point: String
    }

    private static func controlGroups(_ root: String, machine: String) -> [Bound] {
        var unified: Mount?, memory: Mount?
        for line in read(root + "/proc/self/mountinfo").split(separator: "\n") {
            // 36 35 98:0 ROOT POINT OPTIONS ... - TYPE SOURCE SUPEROPTIONS
            let words = line.split(separator: " ").map(String.init)
            guard let dash = words.firstIndex(of: "-"), words.count > dash + 3, words.count > 4 else { continue }
            if words[dash + 1] == "cgroup2", unified == nil { unified = Mount(root: words[3], point: words[4]) }
            guard words[dash + 1] == "cgroup", words[dash + 3].split(separator: ",").contains("memory") else { continue }
            memory = Mount(root: words[3], point: words[4])
        }
        // Containers of one machine may all call their group '/'.
        let space = (try? FileManager.default.destinationOfSymbolicLink(atPath: root + "/proc/self/ns/cgroup")) ?? ""
        var bounds: [Bound] = []
        for line in read(root + "/proc/self/cgroup").split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
            guard parts.count == 3 else { continue }
            if parts[0] == "0", parts[1].isEmpty, let unified {
                bounds += groups(
                    parts[2], unified, root, limit: "memory.max", usage: "memory.current", reclaimable: "inactive_file",
                    scope: "\(machine) \(space) 2")
            } else if parts[1].split(separator: ",").contains("memory"), let memory {
                bounds += groups(
                    parts[2], memory, root, limit: "memory.limit_in_bytes", usage: "memory.usage_in_bytes", reclaimable: "total_inactive_file",
                    scope: "\(machine) \(space) 1")
            }
        }
        return bounds
    }

    /// The group and all above it that have a limit. Pages of files that the kernel would let go are not counted as used.
    private static func groups(
        _ path: String, _ mount: Mount, _ root: String, limit: String, usage: String, reclaimable: String, scope: String
    ) -> [Bound] {
        var relative = path
        if mount.root != "/", relative == mount.root || relative.hasPrefix(mount.root + "/") { relative.removeFirst(mount.root.count) }
        var names = relative.split(separator: "/").map(String.init)
        // A path from outside this container leads nowhere here: what is mounted is the group itself.
        if names.contains("..") || !FileManager.default.fileExists(atPath: root + mount.point + "/" + names.joined(separator: "/")) { names = [] }
        var bounds: [Bound] = []
        while true {
            let name = "/" + names.joined(separator: "/"), folder = root + mount.point + (names.isEmpty ? "" : name)
            func number(_ file: String) -> Int? { Int(read("\(folder)/\(file)").trimmingCharacters(in: .whitespacesAndNewlines)) }
            // v1 says "no limit" as a number near 2^63.
            if let most = number(limit), most < 1 << 60 {
                let used = number(usage) ?? 0
                let files =
                    read("\(folder)/memory.stat").split(separator: "\n").first { $0.hasPrefix(reclaimable + " ") }
                    .flatMap { Int($0.dropFirst(reclaimable.count + 1)) } ?? 0
                let left = max(0, most - max(0, used - files))
                bounds.append(Bound(name: "left of \(limit) of the control group '\(name)'", scope: "\(scope) \(name)", bytes: left))
            }
            if names.isEmpty { return bounds }
            names.removeLast()
        }
    }
}
