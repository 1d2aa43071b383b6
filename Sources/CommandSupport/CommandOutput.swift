import ArgumentParser
import Diagnostics
import Foundation

/// `--json`: one JSON object on standard output in place of text for the user.
package struct OutputOptions: ParsableArguments {
    @Flag(help: "Print one JSON object on standard output instead of text for people.")
    package var json = false

    package init() {}

    /// Prints `object` as JSON when `--json` was given, `text` otherwise.
    ///
    /// - Throws: `Failure` (`.failed`) when standard output does not take it.
    package func report(_ object: some Encodable, text: @autoclosure () -> String) throws {
        if json {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            encoder.keyEncodingStrategy = .useDefaultKeys
            try StandardOutput.write(String(decoding: try encoder.encode(object), as: UTF8.self))
        } else {
            try StandardOutput.write(text())
        }
    }
}
