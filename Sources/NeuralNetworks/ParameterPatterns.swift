import Diagnostics
import Foundation

extension ParameterArena {
    /// The parameters whose names fit a pattern as in a shell (`fnmatch`): `*` any text, dots included, `?` one character, `[ab]` one of several.
    ///
    /// - Parameters:
    ///   - pattern: such as `backbone.*`.
    ///   - key: the configuration's key that names it, for errors.
    /// - Throws: `Failure` (`.wrongUsage`) with the nearest names when none fits.
    public func parameters(matching pattern: String, key: String) throws -> [Parameter] {
        let found = parameters.filter { fnmatch(pattern, $0.name, 0) == 0 }
        guard found.isEmpty else { return found }
        let near = nearest(to: pattern)
        let hint = near.isEmpty ? "" : "; did you mean \(alternatives(near))?"
        throw Failure.wrongUsage(
            "the pattern '\(pattern)' fits no parameter\(hint)", at: .key(key),
            advice: "correct or remove the pattern; the model's parts are \(parts.joined(separator: ", "))")
    }

    private func alternatives(_ names: [String]) -> String {
        let quoted = names.map { "'\($0)'" }
        return quoted.count < 2 ? quoted.joined() : quoted.dropLast().joined(separator: ", ") + " or " + quoted[quoted.count - 1]
    }

    /// What the names begin with, as patterns.
    private var parts: [String] {
        var seen: Set<String> = []
        return parameters.map { parameter in
            parameter.name.firstIndex(of: ".").map { parameter.name[..<$0] + ".*" } ?? parameter.name
        }.filter { seen.insert($0).inserted }
    }

    /// The three nearest of the names and of the patterns of their beginnings.
    private func nearest(to pattern: String) -> [String] {
        var candidates = parts, seen = Set(candidates)
        for parameter in parameters {
            let words = parameter.name.split(separator: ".")
            for count in stride(from: 2, to: words.count, by: 1) { candidates.append(words.prefix(count).joined(separator: ".") + ".*") }
            candidates.append(parameter.name)
        }
        seen = []
        let ranked = candidates.filter { seen.insert($0).inserted }.enumerated().compactMap { place, name -> (Int, Int, String)? in
            let distance = editDistance(pattern.lowercased(), name.lowercased())
            return distance <= max(2, max(pattern.count, name.count) / 3) ? (distance, place, name) : nil
        }
        return ranked.sorted { ($0.0, $0.1) < ($1.0, $1.1) }.prefix(3).map(\.2)
    }
}
