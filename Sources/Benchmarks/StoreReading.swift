import Collectives
import Diagnostics
import FeatureStore
import Foundation
import HDF5

/// Reads of a feature store by all ranks together, against plain sequential reads of the same bytes.
package struct StoreReading {
    /// What is read, by all ranks together, each its part.
    package enum Way: String, CaseIterable {
        /// By one rank alone, while the others wait: the file's bytes from beginning to end, a mebibyte at a time, as `dd bs=1M` does.
        case dd = "dd, one process"
        /// The same by all ranks, each its part.
        case plain
        /// A recording at a time, into memory that holds the longest: what is left to a program that keeps what it reads, where that is more than the
        /// processor's cache holds.
        case plainWhole = "plain, whole recordings"
        /// A mebibyte at a time, recording after recording in random order: what the disk gives a program that does not say what it will read.
        case plainShuffled = "plain, any order"
        /// Recordings one after another, as training and detection read them: by the thread that reads ahead and announces what it will read.
        /// As they are stored: how they are put into a batch, float16 being widened, is not measured.
        case store
        /// Recordings in random order, as training reads them.
        case shuffled = "store, any order"
        /// The same from a copy in chunks.
        case chunked = "chunked copy", chunkedShuffled = "chunked copy, any order"

        package var isChunked: Bool { self == .chunked || self == .chunkedShuffled }
        var isShuffled: Bool { self == .plainShuffled || self == .shuffled || self == .chunkedShuffled }
        /// Plain reads in the same order.
        package var twin: Way { isShuffled ? .plainShuffled : .plain }
    }

    package let world: Communicator
    package let store: FeatureStore
    /// Rows that lie together in a chunk.
    package let chunkRows: Int
    /// The copy in chunks; nil: none is measured.
    package let copy: String?
    /// The store's matrix, and its copy's.
    private static let dataset = "features"
    private let matrix: HDF5Matrix

    package init(world: Communicator, store: FeatureStore, chunkRows: Int, copy: String?) throws {
        self.world = world
        self.store = store
        self.chunkRows = chunkRows
        self.copy = copy
        matrix = try HDF5Matrix(in: try HDF5File.open(store.path), Self.dataset)
        if let copy {
            let source = matrix
            try world.throwTogether {
                if world.isRoot { try Self.writeChunks(of: source, to: copy, chunkRows: chunkRows) }
            }
        }
    }

    private static func writeChunks(of matrix: HDF5Matrix, to path: String, chunkRows: Int) throws {
        let file = try HDF5File.create(path)
        let rows = max(1, min(matrix.rows, 64 << 20 / max(1, matrix.bytesPerRow)))
        try HDF5Matrix.create(
            in: file, Self.dataset, rows: matrix.rows, columns: matrix.columns, storage: matrix.storage,
            chunkRows: min(chunkRows, max(1, matrix.rows)))
        let target = try HDF5Matrix(in: file, Self.dataset, layout: .chunked)
        let buffer = UnsafeMutableRawPointer(
            try CheckedMemory.allocate(UInt8.self, count: rows * matrix.bytesPerRow, for: "\(rows) rows of the store"))
        defer { buffer.deallocate() }
        for first in stride(from: 0, to: matrix.rows, by: rows) {
            let range = first..<min(matrix.rows, first + rows)
            try matrix.readStored(range, into: buffer)
            try target.writeStored(range, buffer)
        }
        target.close()
        try file.finishWriting()
    }

    /// Bytes of the matrix.
    package var bytes: Int { matrix.rows * matrix.bytesPerRow }

    /// - Parameter isCold: the system forgets what it holds of the file first.
    /// - Returns: seconds of the slowest rank, and the part of the file that memory held just before.
    package func read(_ way: Way, isCold: Bool) throws -> (seconds: Double, cached: Double) {
        let path = way.isChunked ? copy ?? store.path : store.path
        let (opened, cached) = try world.throwTogether { () throws -> (FeatureStore, Double) in
            // Anew, since the library keeps chunks.
            let opened = try FeatureStore(store, matrixFrom: path, layout: way.isChunked ? .chunked : .contiguous)
            if isCold { try Self.forget(path) }
            return (opened, try Self.cachedPart(path))
        }
        try world.barrier()
        let began = StepReport.now()
        var seconds = 0.0
        try world.throwTogether {
            switch way {
            case .dd:
                guard world.isRoot else { return try sleepUntilRootIsDone() }
                defer { sayDone() }
                try readPlain(path, [0..<bytes])
            case .plain: try readPlain(path, [bytes * world.rank / world.size..<bytes * (world.rank + 1) / world.size])
            case .plainWhole, .plainShuffled:
                let ranges = order(isShuffled: way.isShuffled).map { index in
                    let first = store.videos[index].firstRow
                    return first * matrix.bytesPerRow..<(first + store.videos[index].rows) * matrix.bytesPerRow
                }
                try readPlain(path, ranges, block: way == .plainWhole ? store.longestStoredBytes : 1 << 20)
            default: try readRecordings(opened, order(isShuffled: way.isShuffled))
            }
            seconds = StepReport.now() - began
        }
        return (try world.allReduce(seconds, .max), cached)
    }

    /// Waits without taking a processor, which waiting for a message would.
    private func sleepUntilRootIsDone() throws {
        let word = UnsafeMutablePointer<UInt8>.allocate(capacity: 1)
        defer { word.deallocate() }
        let message = try world.startReceive(word, count: 1, from: 0)
        try Activity.during(.receive, 0) {
            while try !message.test() { usleep(500) }
        }
    }

    /// A failure shows at the next message that all ranks exchange.
    private func sayDone() {
        for rank in 1..<max(1, world.size) { try? world.send([UInt8(1)], count: 1, to: rank) }
    }

    /// Reads ranges of the matrix's bytes, one after another.
    private func readPlain(_ path: String, _ ranges: [Range<Int>], block: Int = 1 << 20) throws {
        let descriptor = open(path, O_RDONLY)
        guard descriptor >= 0 else { throw Self.failure(path) }
        defer { close(descriptor) }
        let first = matrix.fileOffset ?? 0
        let buffer = UnsafeMutableRawPointer.allocate(byteCount: block, alignment: 4096)
        defer { buffer.deallocate() }
        for range in ranges {
            var place = range.lowerBound
            while place < range.upperBound {
                let count = pread(descriptor, buffer, min(block, range.upperBound - place), off_t(first + place))
                guard count > 0 else { throw Self.failure(path) }
                Activity.tick()
                place += count
            }
        }
    }

    /// Each rank a block of neighbouring recordings, as a shard would be.
    private func order(isShuffled: Bool) -> [Int] {
        var order = Array(store.videos.count * world.rank / world.size..<store.videos.count * (world.rank + 1) / world.size)
        if isShuffled {
            var generator = SplitMix(state: UInt64(world.rank + 1))
            order.shuffle(using: &generator)
        }
        return order
    }

    private func readRecordings(_ store: FeatureStore, _ order: [Int]) throws {
        // Two iterations of two recordings, as training does where the configuration says nothing else.
        let prefetcher = FeaturePrefetcher(store: store, depth: 4)
        for index in order { prefetcher.request(video: index, rows: 0..<store.videos[index].rows) }
        for _ in order { _ = try prefetcher.next() }
    }

    private struct SplitMix: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
    }

    // MARK: The system's memory of files

    private static func forget(_ path: String) throws {
        let descriptor = open(path, O_RDONLY)
        guard descriptor >= 0 else { throw failure(path) }
        defer { close(descriptor) }
        // Pages that wait to be written are not let go.
        _ = fsync(descriptor)
        _ = posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED)
    }

    /// The part of a file's pages that are in memory.
    private static func cachedPart(_ path: String) throws -> Double {
        let descriptor = open(path, O_RDONLY)
        guard descriptor >= 0 else { throw failure(path) }
        defer { close(descriptor) }
        var information = stat()
        guard fstat(descriptor, &information) == 0, information.st_size > 0 else { throw failure(path) }
        let length = Int(information.st_size), page = Int(sysconf(Int32(_SC_PAGESIZE)))
        guard let mapped = mmap(nil, length, PROT_READ, MAP_SHARED, descriptor, 0), mapped != MAP_FAILED else { throw failure(path) }
        defer { munmap(mapped, length) }
        var pages = [UInt8](repeating: 0, count: (length + page - 1) / page)
        guard mincore(mapped, length, &pages) == 0 else { return .nan }
        return Double(pages.reduce(0) { $0 + Int($1 & 1) }) / Double(pages.count)
    }

    private static func failure(_ path: String) -> Failure {
        Failure.failed("the file cannot be read: \(String(cString: strerror(errno)))", at: .file(path), advice: "check the path and its permissions")
    }
}
