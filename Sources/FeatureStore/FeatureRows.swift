import Diagnostics
import Foundation

/// Some rows of one video, [rows.count, columns] row-major, as they are stored: half as many bytes to read where that is float16, and widened when
/// they are put where they are wanted.
public final class FeatureRows: @unchecked Sendable {
    /// The video's position in the store.
    public let video: Int
    /// Rows of the video, from 0.
    public let rows: Range<Int>
    public let columns: Int
    private let storage: FeatureStorage
    private let memory: UnsafeMutableRawPointer
    private let owner: RowMemory?

    /// Rows to be filled by `fill`, which is given memory of `rows.count * columns` stored values.
    ///
    /// - Parameter owner: who lends the memory and gets it back.
    package init(
        video: Int, rows: Range<Int>, columns: Int, storage: FeatureStorage, from owner: RowMemory? = nil,
        fill: (UnsafeMutableRawPointer) throws -> Void
    ) throws {
        self.video = video
        self.rows = rows
        self.columns = columns
        self.storage = storage
        self.owner = owner
        memory = try owner?.take() ?? RowMemory.new(rows.count * columns * storage.bytesPerValue)
        try fill(memory)
    }

    deinit {
        if let owner { owner.giveBack(memory) } else { memory.deallocate() }
    }

    /// Writes the rows as float32 to `target`, which holds `rows.count * columns` values.
    public func copy(to target: UnsafeMutablePointer<Float>) {
        let count = rows.count * columns
        switch storage {
        case .float32: target.update(from: memory.assumingMemoryBound(to: Float.self), count: count)
        case .float16: HalfPrecision.widen(memory.assumingMemoryBound(to: UInt16.self), into: target, count: count)
        }
    }
}

/// Memory of rows that are gone, for those that come: memory that the system newly gives is filled with zeros, page by page, which takes longer than
/// reading rows that it holds. Safe to use from several threads.
package final class RowMemory: @unchecked Sendable {
    private let lock = NSLock()
    /// Those handed back last at the end: they are likely in the processor's cache still.
    private var free: [UnsafeMutableRawPointer] = []
    private let bytes: Int
    private let most: Int

    /// - Parameters:
    ///   - bytes: of every piece, what the longest rows need; the system backs the pages that are written to.
    ///   - most: pieces that are kept.
    package init(bytes: Int, most: Int) {
        self.bytes = bytes
        self.most = most
    }

    deinit { free.forEach { $0.deallocate() } }

    /// Pieces that are not in use.
    package var keptCount: Int { lock.withLock { free.count } }

    /// - Throws: `Failure` when the system has no memory for the longest rows.
    package func take() throws -> UnsafeMutableRawPointer { try lock.withLock { free.popLast() } ?? Self.new(bytes) }

    package func giveBack(_ piece: UnsafeMutableRawPointer) {
        let isKept = lock.withLock {
            if free.count < most { free.append(piece) }
            return free.last == piece
        }
        if !isKept { piece.deallocate() }
    }

    /// Memory that begins on a page.
    static func new(_ bytes: Int) throws -> UnsafeMutableRawPointer {
        UnsafeMutableRawPointer(try CheckedMemory.allocate(UInt8.self, count: bytes, alignment: 4096, for: "features that are read ahead"))
    }
}
