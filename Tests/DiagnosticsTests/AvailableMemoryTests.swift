import Diagnostics
import Foundation
import XCTest

/// What bounds memory, read from trees of files as the kernel writes them.
final class AvailableMemoryTests: XCTestCase {
    private var root = ""

    override func setUpWithError() throws {
        root = NSTemporaryDirectory() + "kairos-memory-\(UUID().uuidString)"
        try write("proc/meminfo", "MemTotal:       16000000 kB\nMemFree:         1000000 kB\nMemAvailable:    2000000 kB\n")
        try write("proc/self/statm", "1000 500 100 10 0 700 0\n")
    }
    override func tearDown() { try? FileManager.default.removeItem(atPath: root) }

    private func write(_ name: String, _ text: String) throws {
        let path = root + "/" + name
        try FileManager.default.createDirectory(atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
        try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    }

    private func bounds(_ limits: (addresses: Int?, data: Int?) = (nil, nil)) -> [String] {
        AvailableMemory(machine: "m", root: root, limits: limits).bounds.map { "\($0.bytes) \($0.name), scope \($0.scope ?? "none")" }
    }

    private let machine = "2048000000 free on the machine, scope machine m"

    func testMachineAndLimits() throws {
        XCTAssertEqual(bounds(), [machine])
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        XCTAssertEqual(
            bounds((1 << 30, 1 << 29)),
            [
                machine, "\((1 << 30) - 1000 * page) left of the limit of addresses (ulimit -v), scope none",
                "\((1 << 29) - 700 * page) left of the limit of data (ulimit -d), scope none",
            ])
        XCTAssertEqual(bounds((4096, nil))[1], "0 left of the limit of addresses (ulimit -v), scope none")
        // An old kernel, or none at all.
        try write("proc/meminfo", "MemFree: 1000 kB\n")
        XCTAssertEqual(bounds(), ["1024000 free on the machine, scope machine m"])
        try FileManager.default.removeItem(atPath: root + "/proc")
        XCTAssertEqual(bounds(), [])
    }

    func testNestedControlGroups() throws {
        try write("proc/self/mountinfo", "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n")
        try write("proc/self/cgroup", "0::/job_7/step_0\n")
        let group = "sys/fs/cgroup/job_7"
        try write(group + "/memory.max", "3000000\n")
        try write(group + "/memory.current", "2500000\n")
        try write(group + "/memory.stat", "anon 100\ninactive_file 500000\nactive_file 7\n")
        try write(group + "/step_0/memory.max", "max\n")
        XCTAssertEqual(bounds(), [machine, "1000000 left of memory.max of the control group '/job_7', scope m  2 /job_7"])
        try write(group + "/step_0/memory.max", "800\n")
        try write(group + "/step_0/memory.current", "900\n")
        XCTAssertEqual(bounds()[1], "0 left of memory.max of the control group '/job_7/step_0', scope m  2 /job_7/step_0")
        XCTAssertEqual(bounds().count, 3)
    }

    /// A container: its own group is mounted, the path is that of the host.
    func testAControlGroupOfAContainer() throws {
        try write("proc/self/mountinfo", "30 24 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n")
        try write("proc/self/cgroup", "0::/../../docker/abc\n")
        try write("sys/fs/cgroup/memory.max", "5000\n")
        try write("sys/fs/cgroup/memory.current", "1000\n")
        XCTAssertEqual(bounds()[1], "4000 left of memory.max of the control group '/', scope m  2 /")
        try write("proc/self/cgroup", "0::/docker/abc\n")
        XCTAssertEqual(bounds()[1], "4000 left of memory.max of the control group '/', scope m  2 /")
    }

    func testControlGroupsOfTheFirstVersion() throws {
        try write(
            "proc/self/mountinfo",
            "33 30 0:29 /docker/abc /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
                + "34 30 0:30 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n")
        try write("proc/self/cgroup", "4:memory:/docker/abc/inner\n3:cpu,cpuacct:/docker/abc\n0::/docker/abc\n")
        try write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")
        try write("sys/fs/cgroup/memory/inner/memory.limit_in_bytes", "7000\n")
        try write("sys/fs/cgroup/memory/inner/memory.usage_in_bytes", "3000\n")
        try write("sys/fs/cgroup/memory/inner/memory.stat", "cache 9\ntotal_inactive_file 1000\n")
        XCTAssertEqual(bounds(), [machine, "5000 left of memory.limit_in_bytes of the control group '/inner', scope m  1 /inner"])
    }

    func testAnAllocationThatTheSystemRefusesIsAnError() throws {
        XCTAssertThrowsError(try CheckedMemory.allocate(Double.self, count: 1 << 58, for: "the test")) {
            XCTAssertEqual(
                "\($0)",
                """
                error: there is no memory for the test: the system refused 2147483648.0 GiB
                  do: give the process more memory, start fewer ranks on this machine, or lower data.max_rows, data.batch_size or the model's sizes
                """)
        }
        for count in [Int.max, -1] {
            XCTAssertThrowsError(try CheckedMemory.allocate(Double.self, count: count, for: "the test")) { XCTAssertTrue($0 is Failure) }
        }
        let some = try CheckedMemory.allocate(Int32.self, count: 3, alignment: 4096, for: "the test")
        XCTAssertEqual(Int(bitPattern: some) % 4096, 0)
        some.deallocate()
        XCTAssertEqual(
            ["\(CheckedMemory.text(bytes: 1 << 20))", CheckedMemory.text(bytes: 20 << 30), CheckedMemory.text(bytes: .max)],
            ["1.0 MiB", "20.0 GiB", "more than 8 EiB"])
    }
}
