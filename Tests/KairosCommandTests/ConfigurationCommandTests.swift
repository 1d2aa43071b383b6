import Foundation
import XCTest

final class ConfigurationCommandTests: CommandTestCase {
    /// A printed configuration trains, once the store and the length are set.
    func testPrintsAConfigurationThatTrains() throws {
        let printed = try kairos("configuration", "--detector", "tridet", "--method", "supervised")
        XCTAssertEqual(printed.code, 0, printed.errors)
        XCTAssertTrue(
            printed.output.contains("\n  # the detector; keys that another detector alone has are refused (actionformer, tridet"), printed.output)
        XCTAssertTrue(printed.output.contains("\n  name: tridet\n"), printed.output)
        XCTAssertFalse(printed.output.contains("\nfustal:\n"))
        try printed.output.write(toFile: folder + "/printed.yaml", atomically: true, encoding: .utf8)
        try makeStore(videos: 8)
        let trained = try kairos(
            "train", folder + "/printed.yaml", "--output", folder + "/run", "--set", "data.store=\(folder)/store.h5", "--set",
            "training.iterations=1", "--set",
            "model.embd_dim=16", "--set", "model.fpn_dim=16", "--set", "model.head_dim=8", "--set", "model.sgp_mlp_dim=16", "--set",
            "data.evaluation_subset=null", "--set", "training.threads=1")
        XCTAssertEqual(trained.code, 0, trained.errors)
    }

    func testListsTheKeysAsJSON() throws {
        func keys(_ options: [String]) throws -> [[String: Any]] {
            let found = try start(executable, ["configuration", "--json"] + options)
            XCTAssertEqual(found.code, 0, found.errors)
            let object = try XCTUnwrap(JSONSerialization.jsonObject(with: Data(found.output.utf8)) as? [String: Any])
            return try XCTUnwrap(object["keys"] as? [[String: Any]])
        }
        let all = try keys([]), one = try keys(["--detector", "actionformer", "--method", "fustal"])
        let names = all.compactMap { $0["key"] as? String }
        XCTAssertEqual(names.count, all.count)
        for name in ["data.store", "model.n_head", "model.num_bins", "apl.rounds", "icd.eap", "fustal.filter"] {
            XCTAssertTrue(names.contains(name), name)
        }
        let few = one.compactMap { $0["key"] as? String }
        XCTAssertTrue(few.contains("model.n_head") && few.contains("fustal.filter"))
        XCTAssertFalse(few.contains("model.num_bins") || few.contains("apl.rounds"))
        for key in all {
            XCTAssertTrue(Set(key.keys).isSuperset(of: ["key", "type", "default", "values", "unit", "meaning"]), "\(key)")
            XCTAssertFalse((key["meaning"] as? String ?? "").isEmpty, "\(key)")
        }
        let schedule = try XCTUnwrap(all.first { $0["key"] as? String == "training.schedule" })
        XCTAssertEqual(schedule["type"] as? String, "choice")
        XCTAssertEqual(schedule["default"] as? String, "cosine")
        XCTAssertEqual(schedule["choices"] as? [String], ["cosine", "multistep", "constant"])
        let rows = try XCTUnwrap(all.first { $0["key"] as? String == "data.max_rows" })
        XCTAssertEqual(rows["type"] as? String, "integer or null")
        XCTAssertTrue(rows["default"] is NSNull)
        XCTAssertEqual(rows["unit"] as? String, "rows")
        XCTAssertEqual(rows["values"] as? String, "from 1 to 2^30")
    }

    func testPrintsTheTablesOfTheDocument() throws {
        let printed = try kairos("configuration", "--markdown")
        XCTAssertEqual(printed.code, 0, printed.errors)
        let text = try String(contentsOf: root.appendingPathComponent("docs/configuration.md"), encoding: .utf8)
        let tables = printed.output.components(separatedBy: "<!-- end of keys -->").map { $0.trimmingCharacters(in: .newlines) }.filter {
            !$0.isEmpty
        }
        XCTAssertGreaterThan(tables.count, 8)
        for table in tables { XCTAssertTrue(text.contains(table + "\n\n<!-- end of keys -->\n"), table) }
        // Written anew it stays what it is.
        try text.write(toFile: folder + "/c.md", atomically: true, encoding: .utf8)
        let renewed = try kairos("configuration", "--renew", folder + "/c.md")
        XCTAssertEqual(renewed.code, 0, renewed.errors)
        XCTAssertEqual(try String(contentsOfFile: folder + "/c.md", encoding: .utf8), text)
    }

    func testRefusals() throws {
        let unknown = try kairos("configuration", "--detector", "tridett")
        XCTAssertEqual(unknown.code, 2)
        XCTAssertTrue(
            unknown.errors.hasPrefix(
                "error: 'tridett' is unknown; did you mean 'tridet'?\n  where: key '--detector'\n  do: give one of actionformer, tridet"),
            unknown.errors)
        let both = try kairos("configuration", "--markdown", "--method", "apl")
        XCTAssertEqual(both.code, 2)
        XCTAssertEqual(
            both.errors,
            "error: --markdown and --renew stand for all detectors and methods\n  where: key '--markdown'\n"
                + "  do: leave out --detector, --method and --json, and one of the two\n")
    }
}
