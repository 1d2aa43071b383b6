import Diagnostics
import Foundation

/// A value for a key of a configuration, and why.
public struct Proposal: Codable, Equatable, Sendable {
    /// "section.key".
    public var key: String
    /// YAML in flow style.
    public var value: String
    /// A phrase for the reader, without a line break.
    public var reason: String

    /// `key` is a full name, `value` YAML in flow style, `reason` one line.
    public init(_ key: String, _ value: String, _ reason: String) {
        self.key = key
        self.value = value
        self.reason = reason
    }

    /// A number.
    init(_ key: String, _ value: Int, _ reason: String) { self.init(key, "\(value)", reason) }

    /// What the user sets, "section.key=value".
    ///
    /// - Throws: `Failure` (`.wrongUsage`) for another form, for several lines, and for a key that an option of its own gives.
    public init(assignment: String) throws {
        let parts = assignment.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 2, parts[0].split(separator: ".", omittingEmptySubsequences: false).allSatisfy({ !$0.isEmpty }),
            parts[0].contains("."), !assignment.unicodeScalars.contains(where: Self.isUnprintable)
        else {
            throw Failure.wrongUsage(
                "'\(assignment)' does not set a key", at: .key("--set"),
                advice: "write --set SECTION.KEY=VALUE on one line, for example --set training.iterations=1000")
        }
        if let option = Self.optionOf[parts[0]] {
            throw Failure.wrongUsage("\(parts[0]) is given by \(option)", at: .key("--set \(parts[0])"), advice: "use \(option)")
        }
        self.init(parts[0], parts[1], "as asked")
    }

    private static let optionOf = [
        "data.store": "the argument STORE", "model.name": "--detector", "method.name": "--method", "data.training_subset": "--training-subset",
        "data.evaluation_subset": "--evaluation-subset", "data.labeled_fraction": "--labeled-fraction",
    ]

    /// A text in double quotes, which JSON and YAML share; what YAML does not print is escaped.
    static func quoted(_ text: String) -> String {
        let inside = text.unicodeScalars.map { scalar -> String in
            if scalar == "\"" || scalar == "\\" { return "\\\(scalar)" }
            return isUnprintable(scalar) ? String(format: "\\u%04x", scalar.value) : String(scalar)
        }
        return "\"" + inside.joined() + "\""
    }

    /// What ends a line of YAML, or may not stand in it; all of it has at most 16 bits.
    static func isUnprintable(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.generalCategory == .control || [0x2028, 0x2029, 0xFEFF].contains(scalar.value)
    }

    /// A name as one word of a shell.
    public static func shellWord(_ text: String) -> String { "'" + text.replacing("'", with: "'\\''") + "'" }

    /// A number of rows for a reason: whole where it is, otherwise with one decimal.
    static func rows(_ value: Double) -> String {
        // Lengths in seconds and rates make 40 rows 39.999999.
        abs(value - value.rounded()) < 0.05 && abs(value) < 1e15 ? String(format: "%.0f", value) : String(format: "%.1f", value)
    }
}
