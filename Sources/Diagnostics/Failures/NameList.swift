import Foundation

/// Names given with an option that may be repeated: each value is one name, several joined by commas, or `@FILE`, a file with one name per line.
///
/// A value that is a known name as it stands is that name, whatever commas or `@` it holds.
public enum NameList {
    /// What `--help` says of such an option.
    public static let help = "Several: separated by commas, or @FILE with one name per line. May be repeated."

    /// The names in the order given.
    ///
    /// - Parameters:
    ///   - values: what the option was given, one text each time it stands.
    ///   - option: the option's name, for messages.
    ///   - isKnown: whether a text is a name.
    /// - Throws: `Failure` (`.wrongUsage`) for an empty name, (`.badInput`) for a file that cannot be read.
    public static func names(_ values: [String], option: String, isKnown: (String) -> Bool = { _ in false }) throws -> [String] {
        try values.flatMap { value -> [String] in
            if isKnown(value) { return [value] }
            if value.hasPrefix("@") { return try lines(of: String(value.dropFirst()), option: option) }
            let names = value.split(separator: ",", omittingEmptySubsequences: false).map { $0.trimmingCharacters(in: .whitespaces) }
            guard !names.contains("") else {
                throw Failure.wrongUsage("\(option) '\(value)' holds an empty name", advice: "write \(option) A,B or \(option) @FILE")
            }
            return names
        }
    }

    private static func lines(of path: String, option: String) throws -> [String] {
        let data = try readInput(
            path, unreadable: .badInput("the file of names given with \(option) cannot be read", at: .file(path), advice: "check the path"))
        guard let text = String(data: data, encoding: .utf8) else {
            throw Failure.badInput(
                "the file of names given with \(option) is not UTF-8 text", at: .file(path), advice: "write one name per line, in UTF-8")
        }
        let names = text.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
        guard !names.isEmpty else {
            throw Failure.badInput("the file of names given with \(option) is empty", at: .file(path), advice: "write one name per line")
        }
        return names
    }

    /// The value that gives these names, for advice: joined by commas where they are few and hold none.
    public static func argument(_ names: [String]) -> String {
        names.count > 10 || names.contains { $0.contains(",") || $0.hasPrefix("@") } ? "@FILE (one name per line)" : names.joined(separator: ",")
    }
}
