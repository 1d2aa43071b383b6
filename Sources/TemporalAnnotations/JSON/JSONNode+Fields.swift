import Diagnostics

/// What messages say of members that are missing or of another type.
extension JSONNode {
    /// What a value is, for messages: `a number (3)`, `a string ("3")`, `a list`.
    package var described: String {
        switch value {
        case .number(let number): "a number (\(text(number)))"
        case .string(let string): string.isEmpty ? "an empty string" : "a string (\"\(string.count > 40 ? string.prefix(40) + "..." : string)\")"
        case .bool(let bool): "\(bool)"
        case .null, .array, .object: kind
        }
    }

    /// The line on which a member stands, or this object when it is missing.
    package func line(of name: String) -> JSONLine { self[name]?.line ?? line }

    /// What is wrong with a member that should be there and of some type; nil when it is.
    ///
    /// - Parameters:
    ///   - owner: what has the member: `the video`, `an annotation`.
    ///   - expected: `a string`, `a number`, `a list`.
    package func fault(of name: String, owner: String, expected: String, _ isRight: (JSONNode) -> Bool) -> String? {
        guard let node = self[name] else {
            return "\(owner) has no '\(name)'" + (nameMeant(for: name).map { "; is '\($0)' meant?" } ?? "")
        }
        if isRight(node) { return nil }
        return node.string == "" ? "'\(name)' of \(owner) is empty" : "'\(name)' of \(owner) is \(node.described), not \(expected)"
    }

    /// The member of this object that seems to be meant for a missing one: another spelling, or another usual word for it.
    package func nameMeant(for name: String) -> String? {
        let strangers = (members ?? []).map(\.name).filter { !Self.formNames.contains($0) }
        let wanted = foldedName(name), words = Set(Self.otherWords[name] ?? [])
        if let same = strangers.first(where: { foldedName($0) == wanted }) { return same }
        if let word = strangers.first(where: { words.contains(foldedName($0)) }) { return word }
        if let slip = strangers.first(where: { editDistance(foldedName($0), wanted) <= (wanted.count > 6 ? 2 : 1) }) { return slip }
        // Such as 'duration_second'; numbers of frames are something else.
        return strangers.first { foldedName($0).contains(wanted) && !foldedName($0).contains("frame") }
            ?? strangers.first { foldedName($0).contains(wanted) }
    }

    /// Members that the forms have.
    private static let formNames: Set = [
        "subset", "duration", "fps", "annotations", "label", "label_id", "segment", "score", "url", "resolution", "labels",
    ]

    /// Other words for them, folded.
    private static let otherWords = [
        "subset": ["split", "set", "partition", "phase", "mode"],
        "duration": ["length", "seconds", "videoduration", "videolength"],
        "annotations": ["actions", "segments", "instances", "events", "annos", "anno", "anns", "groundtruth", "gt", "timestamps", "proposals"],
        "label": ["class", "category", "name", "action", "activity", "classname", "actionlabel", "labelname"],
        "label_id": ["classid", "categoryid", "clsid", "classidx", "labelidx", "labelindex", "classindex", "actionid"],
        "segment": ["timestamps", "timestamp", "interval", "time", "times", "bounds", "range", "boundary", "span"],
        "score": ["confidence", "conf", "prob", "probability"],
    ]
}

/// A name without what people write one way or another: case, spaces, underscores, hyphens.
public func foldedName(_ name: String) -> String { name.lowercased().filter { !$0.isWhitespace && $0 != "_" && $0 != "-" } }

/// "'a', 'b', 'c', 'd', 'e' and 3 more".
package func listed(_ names: some Collection<String>, most: Int = 5) -> String {
    names.prefix(most).map { "'\($0)'" }.joined(separator: ", ") + (names.count > most ? " and \(names.count - most) more" : "")
}

/// "1 video", "3 videos"; "2 classes" with the plural `many`.
package func counted(_ count: Int, _ noun: String, _ many: String? = nil) -> String { "\(count) \(count == 1 ? noun : many ?? noun + "s")" }
