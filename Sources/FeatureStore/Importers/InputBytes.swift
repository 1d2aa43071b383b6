import Diagnostics
import Foundation

/// The bytes of an input, read at any place: a regular file, or memory (for tests and fuzzing).
///
/// Nothing is read beyond what is asked for, and what is asked for is compared with the size first.
package final class InputBytes {
    /// For messages; of bytes in memory any name.
    package let path: String
    package let count: Int
    private let descriptor: Int32
    private let memory: [UInt8]

    /// - Throws: `Failure.badInput` for what is missing, cannot be opened, or is no regular file. A pipe is refused, never waited for.
    package init(path: String) throws {
        self.path = path
        memory = []
        try requireRegularFile(path)
        descriptor = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
        var status = stat()
        guard descriptor >= 0, fstat(descriptor, &status) == 0 else {
            if descriptor >= 0 { close(descriptor) }
            throw Failure.badInput("the file does not exist or cannot be opened", at: .file(path), advice: "check the path and its permissions")
        }
        count = Int(status.st_size)
    }

    package init(_ bytes: [UInt8], path: String) {
        self.path = path
        memory = bytes
        count = bytes.count
        descriptor = -1
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// Reads `range` into `target`, which takes as many bytes.
    ///
    /// - Throws: `Failure.badInput` when the file does not hold them (any more) or the disk does not give them.
    package func read(_ range: Range<Int>, into target: UnsafeMutableRawPointer) throws {
        guard range.lowerBound >= 0, range.upperBound <= count else { throw changed() }
        Activity.tick()
        guard descriptor >= 0 else {
            memory.withUnsafeBytes { if let base = $0.baseAddress { target.copyMemory(from: base + range.lowerBound, byteCount: range.count) } }
            return
        }
        var done = 0
        while done < range.count {
            let found = pread(descriptor, target + done, range.count - done, off_t(range.lowerBound + done))
            if found < 0, errno == EINTR { continue }
            guard found >= 0 else {
                throw Failure.badInput(
                    "the file could not be read: \(String(cString: strerror(errno)))", at: .file(path), advice: "check the disk, then start again")
            }
            guard found > 0 else { throw changed() }
            done += found
        }
    }

    package func read(_ range: Range<Int>) throws -> [UInt8] {
        guard range.lowerBound >= 0, range.upperBound <= count else { throw changed() }
        return try [UInt8](unsafeUninitializedCapacity: range.count) { buffer, filled in
            if let base = buffer.baseAddress { try read(range, into: base) }
            filled = range.count
        }
    }

    private func changed() -> Failure {
        .badInput("the file changed while it was read", at: .file(path), advice: "start again when nothing writes to it")
    }
}

/// Memory for a number of bytes that the input names.
///
/// - Throws: `Failure.failed` when the system does not have it; `UnsafeMutableRawPointer.allocate` would end the program.
func withMemory<Value>(_ bytes: Int, for what: String, of path: String, _ body: (UnsafeMutableRawPointer) throws -> Value) throws -> Value {
    guard let memory = malloc(max(bytes, 1)) else {
        throw Failure.failed("\(bytes) bytes of memory for \(what) could not be had", at: .file(path), advice: "use a machine with more memory")
    }
    defer { free(memory) }
    return try body(memory)
}
