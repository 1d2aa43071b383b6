import Diagnostics
import Foundation
import Yams

/// Limits of a YAML document: far more than a configuration needs, small enough that parsing any document ends soon.
enum ConfigurationDocumentLimits {
    /// Of the text.
    static let bytes = 1 << 20
    /// `*name`, each of which stands for all that its anchor holds, other aliases included.
    static let aliases = 16
    static let depth = 32
    /// Counted where aliases are written out.
    static let values = 100_000
}

extension ConfigurationNode {
    /// The text of a configuration file.
    ///
    /// - Throws: `missing` when there is none; `Failure` for what is not a file, not UTF-8 or too large.
    package static func text(of path: String, missing: Failure) throws -> String {
        let bytes = try readInput(path, most: ConfigurationDocumentLimits.bytes, unreadable: missing)
        guard let text = String(data: bytes, encoding: .utf8) else {
            throw Failure.wrongUsage("the configuration file is not UTF-8 text", at: .file(path), advice: "give a YAML file")
        }
        return text
    }

    /// Yams writes every alias out, and compares keys with all that aliases in them stand for: ten lines of aliases of aliases would take years. So
    /// they are counted first.
    ///
    /// - Parameter places: of the text, for errors.
    static func compose(_ text: String, at places: [Failure.Place]) throws -> Node? {
        guard text.utf8.count <= ConfigurationDocumentLimits.bytes else {
            throw Failure(
                .wrongUsage, "the text has \(text.utf8.count) bytes, at most \(ConfigurationDocumentLimits.bytes) are read", at: places,
                advice: "check the path")
        }
        let aliases = countAliases(text)
        guard aliases <= ConfigurationDocumentLimits.aliases else {
            throw Failure(
                .wrongUsage, "\(aliases) aliases (*NAME) are used, at most \(ConfigurationDocumentLimits.aliases) are read", at: places,
                advice: "write the values out in each place")
        }
        return try Yams.compose(yaml: text)
    }

    /// What may be aliases: an asterisk where a value may begin. Comments on their own lines do not count.
    private static func countAliases(_ text: String) -> Int {
        var count = 0, before = UInt8(ascii: "\n"), isBlank = true, isComment = false, isPossible = false
        for byte in text.utf8 {
            if isPossible, byte > 0x20 { count += 1 }
            isPossible = byte == UInt8(ascii: "*") && !isComment && (before <= 0x20 || "[]{},:?-\"'".utf8.contains(before))
            switch byte {
            case 0x0a, 0x0d: (isBlank, isComment) = (true, false)
            case 0x20, 0x09: break
            default:
                if isBlank, byte == UInt8(ascii: "#") { isComment = true }
                isBlank = false
            }
            before = byte
        }
        return count
    }

    /// Counts values and levels while a document is converted.
    final class Measure {
        private var values = 0
        private let places: [Failure.Place]
        init(places: [Failure.Place]) { self.places = places }

        func enter(depth: Int) throws {
            guard depth <= ConfigurationDocumentLimits.depth else {
                throw Failure(
                    .wrongUsage, "values are nested more than \(ConfigurationDocumentLimits.depth) deep", at: places,
                    advice: "write sections such as 'data:' and 'training:' with their keys indented below them")
            }
            values += 1
            guard values <= ConfigurationDocumentLimits.values else {
                throw Failure(
                    .wrongUsage, "there are more than \(ConfigurationDocumentLimits.values) values", at: places, advice: "check the path")
            }
        }
    }
}
