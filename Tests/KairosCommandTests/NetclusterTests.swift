import Foundation
import XCTest

/// Jobs across hosts: `launch/netcluster` makes them as network namespaces, which needs root.
final class NetclusterTests: FaultTestCase {
    private var script: String { root.appendingPathComponent("launch/netcluster").path }

    /// With TMPDIR in the test's folder, to see what is left there.
    private func netcluster(_ options: [String], _ command: [String]) throws -> Ended {
        try start(URL(fileURLWithPath: "/usr/bin/env"), ["TMPDIR=" + folder, script] + options + command)
    }

    private func requireNamespaces() throws {
        try XCTSkipUnless(geteuid() == 0, "network namespaces need root")
        for tool in ["ip", "tc", "nsenter", "unshare", "setpriv"] {
            let isThere = ["/usr/sbin/", "/sbin/", "/usr/bin/", "/bin/"].contains { FileManager.default.isExecutableFile(atPath: $0 + tool) }
            try XCTSkipUnless(isThere, "'\(tool)' is missing")
        }
        // Two hosts and a link of a limited rate, or a reason why not.
        let made = try netcluster(["--hosts", "2"], ["true"])
        try XCTSkipUnless(made.code == 0, "no cluster can be made here: \(made.errors)")
    }

    private func train(_ run: String, _ more: [String] = []) -> [String] {
        [executable.path, "train", folder + "/run.yaml", "--output", folder + "/" + run, "--set", "method.name=apl", "--json"]
            + ["training.iterations=5", "apl.pretraining_iterations=2", "apl.round_iterations=2"].flatMap { ["--set", $0] } + more
    }

    private func requireNothingIsLeft(line: UInt = #line) throws {
        let left = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasPrefix("kairos-netcluster") }
        XCTAssertEqual(left, [], line: line)
        // The processes that keep the namespaces know their file's name.
        let holders = try FileManager.default.contentsOfDirectory(atPath: "/proc").filter { Int($0) != nil }.filter {
            let environment = FileManager.default.contents(atPath: "/proc/\($0)/environ") ?? Data()
            let command = (try? String(contentsOfFile: "/proc/\($0)/comm", encoding: .utf8)) ?? ""
            return command == "sleep\n" && String(decoding: environment, as: UTF8.self).contains("TMPDIR=\(folder)\0")
        }
        XCTAssertEqual(holders, [], line: line)
    }

    /// Two levels of sums over TCP and shared memory end in the bits of one rank alone.
    func testTwoHostsOfTwoRanks() throws {
        try requireNamespaces()
        let ended = try netcluster(["--hosts", "2", "--ranks", "2", "--rate", "1gbit"], train("n", ["--timeline"]))
        let report = try object(ended)
        let alone = try object(try mpirun(1, Array(train("a").dropFirst())))
        XCTAssertEqual(report["digest"] as? String, alone["digest"] as? String)
        XCTAssertTrue(ended.errors.contains("4 ranks on 2 hosts, 1 thread each"), ended.errors)
        XCTAssertEqual((report["timeline"] as? [Any])?.count, 4)
        let trace = String(decoding: try file("n/timeline/rank-3.json"), as: UTF8.self)
        for name in ["pieces within the host", "pieces between hosts", "results between hosts", "results within the host", "rank 3 on host2"] {
            XCTAssertTrue(trace.contains(name), name)
        }
        try requireNothingIsLeft()
    }

    /// All ranks are watched, however few connections the system keeps waiting.
    func testMoreRanksThanTheSystemKeepsWaiting() throws {
        try requireNamespaces()
        let few = "PATH=$PATH:/usr/sbin:/sbin; ip link set lo up && echo 1 > /proc/sys/net/core/somaxconn || exit 99; exec \"$@\""
        let launcher = root.appendingPathComponent("launch/mpirun").path
        let ended = try start(
            URL(fileURLWithPath: "/usr/bin/env"), ["unshare", "--net", "bash", "-c", few, "few", launcher, "4"] + train("w", ["--stop-after", "1"]))
        try XCTSkipIf(ended.code == 99, "the length of the queue cannot be set here")
        XCTAssertEqual(ended.code, 0, ended.errors)
        XCTAssertFalse(ended.errors.contains("cannot reach"), ended.errors)
    }

    /// Stopped on two hosts with gradients in bfloat16, gone on with on one.
    func testOnFewerHosts() throws {
        try requireNamespaces()
        let rounded = ["--set", "training.gradient_precision=bfloat16"]
        _ = try object(try netcluster(["--hosts", "4"], train("f", rounded + ["--stop-after", "8"])))
        let resumed = try object(try mpirun(2, Array(train("f", rounded + ["--resume"]).dropFirst())))
        let alone = try object(try mpirun(1, Array(train("a", rounded).dropFirst())))
        XCTAssertEqual(resumed["digest"] as? String, alone["digest"] as? String)
        try requireNothingIsLeft()
    }

    /// `launch/cluster` looks at every host before it starts anything.
    func testClusterLooksAtItsHosts() throws {
        try requireNamespaces()
        let cluster = root.appendingPathComponent("launch/cluster").path
        func run(_ hosts: String, _ more: String = "") throws -> Ended {
            try netcluster(
                ["--hosts", "2", "--on-first"], ["bash", "-c", "\(hosts); '\(cluster)' --hostfile '\(folder)/hosts' --no-pinning \(more)"])
        }
        let copy = "cp \"$NETCLUSTER_HOSTFILE\" '\(folder)/hosts'"
        let greeting = try run(copy, "bash -c hostname")
        XCTAssertEqual(greeting.output.split(separator: "\n").sorted(), ["host1", "host2"], greeting.errors)
        let unknown = try run("echo 'node9 slots=1 # elsewhere' > '\(folder)/hosts'", "true")
        XCTAssertEqual(unknown.code, 1)
        XCTAssertEqual(
            unknown.errors,
            """
            error: host 'node9' does not answer: no host node9
              do: let ssh reach it without a password (ssh-copy-id node9), or take it out of 'FOLDER/hosts'

            """)
        let small = try run("sed 's/slots=1/slots=999/' \"$NETCLUSTER_HOSTFILE\" > '\(folder)/hosts'", "true")
        XCTAssertEqual(small.code, 1)
        let words = "error: host '10.77.0.1' has \(ProcessInfo.processInfo.activeProcessorCount) cores, 999 ranks of 1 threads need 999\n"
        XCTAssertTrue(small.errors.hasPrefix(words), small.errors)
        try requireNothingIsLeft()
    }

    func testMessages() throws {
        for (arguments, expected) in [
            (["--hosts", "5", "true"], "error: '5' hosts cannot be made\n  do: give --hosts 2, 3 or 4\n"),
            (["--rate", "fast", "true"], "error: 'fast' is no rate\n  do: give --rate like 1gbit, 100mbit or none\n"),
            (["--ranks", "0", "true"], "error: '0' ranks per host cannot be started\n  do: give --ranks from 1 to 99\n"),
            (["--delay", "1h", "true"], "error: '1h' is no delay\n  do: give --delay like 100us or 1ms\n"),
            (
                [],
                "error: no command was given\n  do: write, for example, launch/netcluster --hosts 2 .build/release/kairos train configs/demo.yaml "
                    + "--output runs/demo\n"
            ),
        ] {
            let ended = try netcluster(arguments, [])
            XCTAssertEqual(ended.code, 2, "\(arguments)")
            XCTAssertEqual(ended.errors, expected)
        }
        let cluster = try start(root.appendingPathComponent("launch/cluster"), ["true"])
        XCTAssertEqual(cluster.errors, "error: no hosts were named\n  do: write launch/cluster --hostfile FILE PROGRAM ARGUMENTS...\n")
        XCTAssertEqual(cluster.code, 2)
    }

    func testWithoutRoot() throws {
        try XCTSkipUnless(geteuid() == 0, "gives up root")
        for tool in ["ip", "tc"] { try XCTSkipUnless(FileManager.default.isExecutableFile(atPath: "/usr/sbin/" + tool), "'\(tool)' is missing") }
        // Where another user can read it.
        let copy = "/tmp/kairos-netcluster-test-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: copy) }
        try FileManager.default.copyItem(atPath: script, toPath: copy)
        let ended = try start(
            URL(fileURLWithPath: "/usr/bin/setpriv"), ["--reuid", "65534", "--regid", "65534", "--clear-groups", "bash", copy, "true"])
        XCTAssertEqual(ended.code, 1)
        XCTAssertEqual(
            ended.errors,
            "error: network namespaces need root\n  do: start it with sudo, or in a container with CAP_SYS_ADMIN and CAP_NET_ADMIN\n")
    }
}
