import Foundation
import Synchronization

/// Memory whose size comes from a configuration or from data. Swift's own allocation ends the program with a back trace when there is none; this one
/// is an error of the program.
public enum CheckedMemory {
    /// How often memory was asked of the system by this type so far, over all threads.
    public static var allocations: Int { counted.load(ordering: .relaxed) }
    private static let counted = Atomic<Int>(0)

    /// Undefined memory, to be given back with `deallocate()`.
    ///
    /// - Parameters:
    ///   - type: of the elements.
    ///   - count: elements; none is allowed.
    ///   - alignment: in bytes, a power of two.
    ///   - purpose: for the message: "features of 3 recordings".
    /// - Throws: `Failure` (`.failed`) when the system has not so much.
    public static func allocate<Element>(
        _ type: Element.Type, count: Int, alignment: Int = 64, for purpose: @autoclosure () -> String
    ) throws -> UnsafeMutablePointer<Element> {
        let (bytes, overflow) = max(count, 1).multipliedReportingOverflow(by: MemoryLayout<Element>.stride)
        var memory: UnsafeMutableRawPointer?
        counted.add(1, ordering: .relaxed)
        guard !overflow, count >= 0, posix_memalign(&memory, alignment, bytes) == 0, let memory else {
            throw failure(bytes: overflow ? Int.max : bytes, purpose())
        }
        return memory.bindMemory(to: Element.self, capacity: max(count, 1))
    }

    /// Like `allocate`, for where nothing can be thrown, deep in kernels: without memory the error is said and the process ends (`Failure.end`).
    public static func allocateOrEnd<Element>(
        _ type: Element.Type, count: Int, for purpose: @autoclosure () -> String
    )
        -> UnsafeMutablePointer<Element>
    {
        do {
            return try allocate(type, count: count, for: purpose())
        } catch {
            (error as? Failure ?? failure(bytes: count, purpose())).end()
        }
    }

    /// Like `allocateOrEnd`, zeroed: the system backs the pages when they are first written to.
    public static func zeroedOrEnd<Element>(
        _ type: Element.Type, count: Int, for purpose: @autoclosure () -> String
    )
        -> UnsafeMutablePointer<Element>
    {
        let (bytes, overflow) = max(count, 1).multipliedReportingOverflow(by: MemoryLayout<Element>.stride)
        counted.add(1, ordering: .relaxed)
        guard !overflow, count >= 0, let memory = calloc(1, bytes) else { failure(bytes: overflow ? Int.max : bytes, purpose()).end() }
        return memory.bindMemory(to: Element.self, capacity: max(count, 1))
    }

    /// "12.0 MiB", "3.2 GiB".
    public static func text(bytes: Int) -> String {
        let mebibytes = Double(bytes) / 1_048_576
        if bytes == Int.max { return "more than 8 EiB" }
        return mebibytes < 10_240 ? String(format: "%.1f MiB", mebibytes) : String(format: "%.1f GiB", mebibytes / 1024)
    }

    private static func failure(bytes: Int, _ purpose: String) -> Failure {
        Failure.failed(
            "there is no memory for \(purpose): the system refused \(text(bytes: bytes))",
            advice: "give the process more memory, start fewer ranks on this machine, or lower data.max_rows, data.batch_size or the model's sizes")
    }
}

extension Failure {
    /// Tells other ranks that this process has said an error and ends with an exit code.
    package static var willEnd: (@Sendable (Int32) -> Void)? {
        get { ending.withLock { $0 } }
        set { ending.withLock { $0 = newValue } }
    }
    private static let ending = Mutex<(@Sendable (Int32) -> Void)?>(nil)

    /// Says the error and ends this process at once with its exit code, from wherever it was found; several ranks end with it. For places that cannot
    /// throw.
    public func end() -> Never {
        StandardError.write(description + "\n")
        Self.willEnd?(exitCode)
        UnfinishedFile.removeAll()
        _exit(exitCode)
    }
}
