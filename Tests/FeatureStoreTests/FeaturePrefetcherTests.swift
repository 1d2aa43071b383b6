import FeatureStore
import Foundation
import Synchronization
import TestSupport
import XCTest

final class FeaturePrefetcherTests: FolderTestCase {
    func testRowsComeInTheOrderOfRequests() throws {
        let source = CountingSource(rows: [50, 60, 70])
        try FeatureStoreWriter().write(source, to: path("a.h5"))
        for depth in [1, 2, 100] {
            let prefetcher = FeaturePrefetcher(store: try FeatureStore(path: path("a.h5")), depth: depth)
            let requests = (0..<40).map { (video: $0 % 3, rows: $0..<$0 + 5) }
            for request in requests { prefetcher.request(video: request.video, rows: request.rows) }
            for request in requests {
                let answer = try prefetcher.next()
                XCTAssertEqual(answer.video, request.video)
                XCTAssertEqual(answer.rows, request.rows)
                XCTAssertEqual(answer.columns, 3)
                let expected = request.rows.flatMap { row in (0..<3).map { source.value(request.video, row, $0) } }
                var values = [Float](repeating: 0, count: 15)
                answer.copy(to: &values)
                XCTAssertEqual(values, expected)
            }
            XCTAssertGreaterThanOrEqual(prefetcher.waitedSeconds, 0)
        }
    }

    func testAnErrorComesWithItsRequestAndNoOther() throws {
        try FeatureStoreWriter().write(CountingSource(rows: [5]), to: path("a.h5"))
        let prefetcher = FeaturePrefetcher(store: try FeatureStore(path: path("a.h5")), depth: 4)
        prefetcher.request(video: 0, rows: 0..<5)
        prefetcher.request(video: 0, rows: 3..<9)
        prefetcher.request(video: 0, rows: 4..<5)
        XCTAssertEqual(try prefetcher.next().rows, 0..<5)
        assertFailure(
            """
            error: rows 3..<9 of video number 0 were asked for, the store does not hold them
              where: file 'FOLDER/a.h5'
              do: report this as a fault of the program
            """, kind: .failed
        ) { try prefetcher.next() }
        XCTAssertEqual(try prefetcher.next().rows, 4..<5)
        assertFailure("error: no rows were requested\n  where: file 'FOLDER/a.h5'\n  do: report this as a fault of the program", kind: .failed) {
            try prefetcher.next()
        }
    }

    func testAPrefetcherThatIsGoneHasLetGoOfTheStore() throws {
        try FeatureStoreWriter().write(CountingSource(rows: [5, 4000, 9]), to: path("a.h5"))
        for _ in 0..<50 {
            weak var seen: FeatureStore?
            do {
                let store = try FeatureStore(path: path("a.h5"))
                seen = store
                let prefetcher = FeaturePrefetcher(store: store, depth: 8)
                for _ in 0..<8 { prefetcher.request(video: 1, rows: 0..<4000) }
            }
            XCTAssertNil(seen, "its thread still reads, and would while the program ends")
        }
    }

    func testDepthBoundsWhatWaitsInMemory() throws {
        try FeatureStoreWriter().write(CountingSource(rows: [5]), to: path("a.h5"))
        // All reads wait, so that the depth alone keeps the thread from reading on.
        let waits = Atomic<Int>(0)
        let prefetcher = FeaturePrefetcher(store: try FeatureStore(path: path("a.h5")), depth: 2) {
            waits.add(1, ordering: .sequentiallyConsistent).newValue
        }
        for _ in 0..<10 { prefetcher.request(video: 0, rows: 0..<5) }
        let deadline = Date().addingTimeInterval(60)
        while prefetcher.readyCount < 2, Date() < deadline { Thread.sleep(forTimeInterval: 0.001) }
        Thread.sleep(forTimeInterval: 0.05)
        XCTAssertEqual(prefetcher.readyCount, 2)
        for _ in 0..<10 {
            XCTAssertLessThanOrEqual(prefetcher.readyCount, 2)
            _ = try prefetcher.next()
        }
    }

    func testTheThreadRestsWhileNoReadWaits() throws {
        let source = CountingSource(rows: [50])
        try FeatureStoreWriter().write(source, to: path("a.h5"))
        let waits = Atomic<Int>(0), readsWait = Atomic<Bool>(false)
        // Called before and after each read.
        let prefetcher = FeaturePrefetcher(store: try FeatureStore(path: path("a.h5")), depth: 3) {
            readsWait.load(ordering: .sequentiallyConsistent) ? waits.add(1, ordering: .sequentiallyConsistent).newValue : 0
        }
        func request(_ count: Int) {
            for first in 0..<count { prefetcher.request(video: 0, rows: first..<first + 5) }
        }
        func take(_ rows: Range<Int>) throws {
            for first in rows {
                var values = [Float](repeating: 0, count: 15)
                try prefetcher.next().copy(to: &values)
                XCTAssertEqual(values, (first..<first + 5).flatMap { row in (0..<3).map { source.value(0, row, $0) } })
            }
        }
        func readyCount(becomes count: Int) -> Bool {
            let deadline = Date().addingTimeInterval(60)
            while prefetcher.readyCount != count, Date() < deadline { Thread.sleep(forTimeInterval: 0.001) }
            return prefetcher.readyCount == count
        }
        // Three reads that did not wait: the thread rests, whoever takes rows reads them. A read that was slow all the same wakes it: tried again.
        var hasRested = false
        for _ in 0..<20 where !hasRested {
            request(10)
            try take(0..<10)
            request(10)
            Thread.sleep(forTimeInterval: 0.02)
            hasRested = prefetcher.readyCount == 0
            try take(0..<10)
        }
        XCTAssertTrue(hasRested)
        // A read that waits: the thread reads ahead again.
        readsWait.store(true, ordering: .sequentiallyConsistent)
        request(10)
        try take(0..<1)
        XCTAssertTrue(readyCount(becomes: 3))
        try take(1..<10)
    }

    func testRowsAreReadIntoMemoryOfRowsThatAreGone() throws {
        try FeatureStoreWriter(storage: .float16).write(CountingSource(rows: [7, 3]), to: path("a.h5"))
        let memory = RowMemory(bytes: 7 * 3 * 2, most: 2)
        let store = try FeatureStore(path: path("a.h5"))
        func values(_ rows: FeatureRows) -> [Float] {
            var values = [Float](repeating: .nan, count: rows.rows.count * rows.columns)
            rows.copy(to: &values)
            return values
        }
        let first = try memory.take(), second = try memory.take(), third = try memory.take()
        XCTAssertEqual(Set([first, second, third]).count, 3)
        for piece in [first, second, third] { memory.giveBack(piece) }
        XCTAssertEqual(memory.keptCount, 2)
        let long = try store.read(0..<7, ofVideo: 0, into: memory)
        let expected = values(long)
        XCTAssertEqual(memory.keptCount, 1)
        for _ in 0..<3 {
            let short = try store.read(1..<3, ofVideo: 1, into: memory)
            XCTAssertEqual(memory.keptCount, 0)
            XCTAssertEqual(values(short), [101, 101.125, 101.25, 102, 102.125, 102.25])
        }
        XCTAssertEqual(memory.keptCount, 1)
        XCTAssertEqual(values(long), expected, "rows that are held lend their memory to no others")
        struct Unreadable: Error {}
        XCTAssertThrowsError(
            try FeatureRows(video: 0, rows: 0..<1, columns: 3, storage: .float16, from: memory) { _ in
                XCTAssertEqual(memory.keptCount, 0)
                throw Unreadable()
            })
        XCTAssertEqual(memory.keptCount, 1)
    }

    func testTheWindowBoundsWhatIsAnnounced() throws {
        // 12 bytes a row, 60 a request.
        try FeatureStoreWriter().write(CountingSource(rows: [5]), to: path("a.h5"))
        let store = try FeatureStore(path: path("a.h5"))
        XCTAssertEqual(store.storedBytes(rows: 5), 60)
        for window in [240, 200, 1, 0] {
            let prefetcher = FeaturePrefetcher(store: store, depth: 2, window: window)
            XCTAssertEqual(prefetcher.wantsRequests, window > 0)
            for _ in 0..<10 { prefetcher.request(video: 0, rows: 0..<5) }
            XCTAssertFalse(prefetcher.wantsRequests)
            let deadline = Date().addingTimeInterval(60)
            while prefetcher.readyCount < 2 || 2 * prefetcher.announcedBytes < window, Date() < deadline { Thread.sleep(forTimeInterval: 0.001) }
            Thread.sleep(forTimeInterval: 0.05)
            // Announced again when half of it is read; the request that fills the window is announced whole.
            XCTAssertGreaterThanOrEqual(2 * prefetcher.announcedBytes, window)
            XCTAssertLessThan(prefetcher.announcedBytes, window + (window > 0 ? 60 : 1))
            for _ in 0..<10 { _ = try prefetcher.next() }
            XCTAssertEqual(prefetcher.announcedBytes, 0)
        }
    }

    func testAnnouncedRowsComeIntoMemory() throws {
        // 4 MiB a video; what is announced is there a moment later without having been read, what is not is not.
        let rows = 350_000
        try FeatureStoreWriter().write(CountingSource(rows: [rows, rows, rows, rows]), to: path("a.h5"))
        let store = try FeatureStore(path: path("a.h5")), size = store.storedBytes(rows: rows)
        let descriptor = open(path("a.h5"), O_RDONLY)
        defer { close(descriptor) }
        var information = stat()
        XCTAssertEqual(fstat(descriptor, &information), 0)
        let length = Int(information.st_size), page = Int(sysconf(Int32(_SC_PAGESIZE)))
        let mapped = try XCTUnwrap(mmap(nil, length, PROT_READ, MAP_SHARED, descriptor, 0))
        defer { munmap(mapped, length) }
        func share(_ video: Int) -> Double {
            var pages = [UInt8](repeating: 0, count: (length + page - 1) / page)
            XCTAssertEqual(mincore(mapped, length, &pages), 0)
            // The matrix ends the file; its first and last pages are shared with others.
            let first = length - (4 - video) * size
            let part = pages[first / page + 1..<(first + size) / page - 1]
            return Double(part.reduce(0) { $0 + Int($1 & 1) }) / Double(part.count)
        }
        fsync(descriptor)
        XCTAssertEqual(posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED), 0)
        try XCTSkipIf(share(2) > 0, "the file system does not let go of files")
        store.announce([(2, 0..<rows), (9, 0..<1), (0, 0..<rows + 1)])
        let deadline = Date().addingTimeInterval(60)
        while share(2) < 1, Date() < deadline { Thread.sleep(forTimeInterval: 0.005) }
        XCTAssertEqual(share(2), 1)
        XCTAssertEqual(share(0), 0)
        // The last recording goes on where the third ends: that is left to the system.
        store.announce([(3, 0..<rows), (0, 0..<rows)], after: (2, 0..<rows))
        while share(0) < 1, Date() < deadline { Thread.sleep(forTimeInterval: 0.005) }
        XCTAssertEqual(share(0), 1)
        XCTAssertEqual(share(3), 0)
    }
}
