import Configuration

extension RunConfiguration {
    /// The full configuration as a file to begin with: every key, what it means above it.
    ///
    /// - Parameter allMethods: false: of the sections of methods those of the run's method alone.
    public func commentedYAML(allMethods: Bool = true) -> String {
        let foreign = allMethods ? [] : Set(registry.methods.filter { $0.name != methodName }.flatMap { $0.defaultLines.map { $0.path[0] } })
        var text = "", section = ""
        for key in descriptions where !foreign.contains(key.path[0]) {
            if key.path[0] != section {
                text += "\(section.isEmpty ? "" : "\n")\(key.path[0]):\n"
                section = key.path[0]
            }
            let values = [key.unit, key.values].compactMap { $0 }.joined(separator: ", ")
            let comment = Self.withoutLinks(key.meaning) + (values.isEmpty ? "" : " (\(values))")
            text += Self.wrapped(comment, width: 110).map { "  # \($0)\n" }.joined()
            text += "  \(key.path.dropFirst().joined(separator: ".")): \(key.defaultValue)\n"
        }
        return text
    }

    /// `[text](target)` becomes `text`.
    private static func withoutLinks(_ markdown: String) -> String {
        markdown.replacing(#/\[([^\]]*)\]\([^)]*\)/#) { String($0.1) }
    }

    private static func wrapped(_ text: String, width: Int) -> [String] {
        text.split(separator: " ").reduce(into: [String]()) { lines, word in
            if let last = lines.last, last.count + 1 + word.count <= width {
                lines[lines.count - 1] = last + " " + word
            } else {
                lines.append(String(word))
            }
        }
    }
}
