import Foundation
import RunRecords
import XCTest

/// `report` and `plot` as a user starts them.
final class ReportCommandTests: CommandTestCase {
    override func setUpWithError() throws {
        try super.setUpWithError()
        try makeRun(shards: 1, training: "iterations: 8, warmup_iterations: 2, log_every: 2")
        let ended = try kairos("train", folder + "/run.yaml", "--output", folder + "/r")
        XCTAssertEqual(ended.code, 0, ended.errors)
    }

    func testReport() throws {
        // What the run has left is what it was evaluated on.
        let truth = try RunFolder(folder + "/r").readTruth()
        XCTAssertEqual(truth.videos.count, 12)
        XCTAssertEqual(truth.subsets.map(\.rawValue).sorted(), ["Test", "Validation"])
        let made = try object(try kairos("report", folder + "/r", "--output", folder + "/page.html", "--json"))
        XCTAssertEqual(made.keys.sorted(), ["path"])
        XCTAssertEqual(made["path"] as? String, folder + "/page.html")
        let page = String(decoding: try file("page.html"), as: UTF8.self)
        XCTAssertTrue(page.hasPrefix("<!DOCTYPE html>\n<html lang=\"en\">"))
        XCTAssertTrue(page.contains(">Error analysis</h2>"))
        // The same bytes again, in the run's folder, which can still be read.
        let again = try kairos("report", folder + "/r")
        XCTAssertEqual(again.output, "report  \(folder)/r/report.html\n")
        XCTAssertEqual(again.errors, "")
        XCTAssertEqual(try file("r/report.html"), try file("page.html"))
        XCTAssertEqual(try kairos("inspect", folder + "/r").code, 0)
    }

    func testPlot() throws {
        for figure in ["loss", "timeline", "sensitivity"] {
            let made = try object(try kairos("plot", folder + "/r", "--figure", figure, "--output", folder + "/f.svg", "--json"))
            XCTAssertEqual(made["path"] as? String, folder + "/f.svg")
            XCTAssertTrue(String(decoding: try file("f.svg"), as: UTF8.self).hasPrefix("<svg "))
        }
    }

    func testRefusals() throws {
        let wrong = try kairos("plot", folder + "/r", "--figure", "los", "--output", folder + "/f.svg")
        XCTAssertEqual(wrong.code, 2)
        XCTAssertTrue(wrong.errors.hasPrefix("error: the figure 'los' is unknown; did you mean 'loss'?\n  where: key '--figure'\n"), wrong.errors)
        let option = try kairos("plot", folder + "/r", "--figure", "loss", "--class", "a", "--output", folder + "/f.svg")
        XCTAssertEqual(
            option.errors,
            "error: --class is for the figure precision-recall\n  where: key '--class'\n  do: leave it out, or give --figure precision-recall\n")
        let own = try kairos("report", folder + "/r", "--output", folder + "/r/log.jsonl")
        XCTAssertEqual(own.code, 2)
        XCTAssertEqual(
            own.errors, "error: the output would replace a file of the run\n  where: file 'FOLDER/r/log.jsonl'\n  do: choose another --output\n")
        let none = try kairos("report", folder + "/none", "--output", folder + "/n.html")
        XCTAssertEqual(none.code, 3)
        XCTAssertEqual(
            none.errors,
            "error: the run's configuration cannot be read\n  where: file 'FOLDER/none/config.yaml'\n  do: give the folder of a run\n")
        try write("{\"results\": {\"a\": [{\"label\": 3}]}}", "r/predictions.json")
        let damaged = try kairos("report", folder + "/r", "--output", folder + "/n.html")
        XCTAssertEqual(damaged.code, 3)
        XCTAssertTrue(damaged.errors.hasPrefix("error: 'label' of a detection is a number (3), not a string\n"), damaged.errors)
        for name in ["f.svg", "n.html"] { XCTAssertFalse(FileManager.default.fileExists(atPath: folder + "/" + name), name) }
    }
}
