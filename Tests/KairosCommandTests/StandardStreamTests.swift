import Foundation
import XCTest

/// Standard output and standard error that take nothing: a result that is lost is an error, a lost message is none.
final class StandardStreamTests: CommandTestCase {
    /// - Parameter redirections: for the shell, after the command.
    private func shell(_ redirections: String, _ arguments: [String]) throws -> Ended {
        try start(URL(fileURLWithPath: "/bin/bash"), ["-c", "\"$@\" \(redirections)", "bash", executable.path] + arguments)
    }

    private func message(_ reason: String) -> String {
        """
        error: standard output could not be written: \(reason)
          do: free space where it goes, or send it to another place

        """
    }

    /// Every command's report, help, version of options: there is one way out.
    func testOutputThatIsLostIsAnError() throws {
        let made = try kairos(
            "synthesize", "--output", folder + "/a.h5", "--videos", "3", "--dimension", "4", "--annotations-output", folder + "/a.json")
        XCTAssertEqual(made.code, 0, made.errors)
        let commands = [
            ["--help"], ["train", "--help"], ["--generate-completion-script", "bash"], ["inspect", folder + "/a.h5"],
            ["inspect", folder + "/a.h5", "--json"], ["synthesize", "--output", folder + "/b.h5", "--videos", "3", "--json"],
            ["benchmark", "suppression", "--candidates", "10", "--classes", "2", "--repetitions", "1"],
        ]
        for command in commands {
            for (redirection, reason) in [("> /dev/full", "No space left on device"), (">&-", "Bad file descriptor")] {
                let ended = try shell(redirection, command)
                XCTAssertEqual(ended.code, 1, "\(command)")
                XCTAssertEqual(ended.errors, message(reason), "\(command)")
                XCTAssertEqual(ended.output, "")
            }
        }
        // What was written is there, and whole: nothing of the report went into it.
        XCTAssertEqual(try kairos("inspect", folder + "/b.h5", "--verify").code, 0)
    }

    func testAReaderThatIsGoneEndsTheProgramQuietly() throws {
        let ended = try start(
            URL(fileURLWithPath: "/bin/bash"),
            [
                "-c", "(while [ ! -e \(folder)/closed ]; do sleep 0.01; done; \"$@\"; echo $? > \(folder)/code) | (exec 0<&-; : > \(folder)/closed)",
                "bash", executable.path, "--help",
            ])
        XCTAssertEqual(ended.errors, "")
        XCTAssertEqual(try String(decoding: file("code"), as: UTF8.self), "141\n")
    }

    func testMessagesThatAreLostChangeNothing() throws {
        try makeRun(shards: 2, training: "iterations: 4, warmup_iterations: 2")
        for (number, redirection) in ["2> /dev/full", "2>&-", "2> >(exec 0<&-)"].enumerated() {
            let trained = try shell(redirection, ["train", folder + "/run.yaml", "--output", "\(folder)/r\(number)"])
            XCTAssertEqual(trained.code, 0, redirection)
            XCTAssertTrue(trained.output.contains("step 4 of 4"), trained.output)
            XCTAssertEqual(try shell(redirection, ["inspect", folder + "/none.h5"]).code, 3)
        }
    }
}
