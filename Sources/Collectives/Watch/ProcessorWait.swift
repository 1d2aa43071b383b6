import Foundation

/// How long this process has waited for a processor core that other programs used: such a rank is slow, but not stuck.
struct ProcessorWait {
    /// Nanoseconds that each thread has spent ready to run, by its number.
    private var before: [Int: Int] = [:]
    private(set) var seconds = 0.0

    /// Adds what came since the last look: that of the thread that waited longest. Where the system keeps no count, nothing.
    mutating func look() {
        var now: [Int: Int] = [:], longest = 0
        for name in (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task")) ?? [] {
            // Nanoseconds running, nanoseconds ready, times run.
            guard let thread = Int(name), let data = FileManager.default.contents(atPath: "/proc/self/task/\(name)/schedstat") else { continue }
            let fields = String(decoding: data, as: UTF8.self).split(whereSeparator: \.isWhitespace)
            guard fields.count == 3, let ready = Int(fields[1]) else { continue }
            now[thread] = ready
            if let last = before[thread] { longest = max(longest, ready - last) }
        }
        before = now
        seconds += Double(longest) * 1e-9
    }
}
