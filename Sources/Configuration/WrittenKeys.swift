/// Keys that were set, not left at their defaults: no part of what a configuration says, so all are equal.
package struct WrittenKeys: Equatable, Sendable {
    private let names: Set<String>
    package init(_ names: Set<String> = []) { self.names = names }
    package func contains(_ key: String) -> Bool { names.contains(key) }
    package static func == (a: WrittenKeys, b: WrittenKeys) -> Bool { true }
}
