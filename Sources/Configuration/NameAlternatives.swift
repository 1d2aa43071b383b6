/// "a", "a or b", "a, b or c": names between which somebody may choose, for messages.
public func alternatives(_ names: [String]) -> String {
    guard let last = names.last, names.count > 1 else { return names.first ?? "" }
    return names.dropLast().joined(separator: ", ") + " or " + last
}
