import Diagnostics
import TemporalAnnotations

extension EvaluationResult {
    /// Reads metrics as a run writes them.
    ///
    /// - Parameters:
    ///   - path: the file `metrics.json`.
    ///   - advice: what to do when they cannot be read.
    /// - Throws: `Failure` (`.badInput`) naming the file, and the key or the line and column in which the fault stands.
    public init(readingJSON path: String, advice: String) throws {
        let root: JSONNode
        do {
            root = try JSONNode.read(path)
        } catch var failure as Failure {
            failure.advice = advice
            throw failure
        }
        func refusal(_ what: String, _ node: JSONNode) -> Failure { .badInput(what, at: .file(path), .line(node.line), advice: advice) }
        func member(_ name: String, of node: JSONNode, _ owner: String, _ expected: String, _ isRight: (JSONNode) -> Bool) throws -> JSONNode {
            if let fault = node.fault(of: name, owner: owner, expected: expected, isRight) { throw refusal(fault, node[name] ?? node) }
            return node[name] ?? node
        }
        func numbers(_ name: String, of node: JSONNode, _ owner: String) throws -> [Double] {
            let list = try member(name, of: node, owner, "a list of numbers") { $0.array != nil }.array ?? []
            return try list.map { entry in
                guard let number = entry.number else { throw refusal("'\(name)' of \(owner) holds \(entry.described), not a number", entry) }
                return number
            }
        }
        func lists(_ name: String) throws -> [String: [Double]] {
            let node = try member(name, of: root, "the file", "an object of lists") { $0.members != nil }
            let names = (node.members ?? []).map(\.name)
            return Dictionary(try names.map { ($0, try numbers($0, of: node, "'\(name)'")) }, uniquingKeysWith: { first, _ in first })
        }
        guard root.members != nil else { throw refusal("the metrics are \(root.described), not an object", root) }
        self.init(
            tiouThresholds: try numbers("tiou_thresholds", of: root, "the file"), mAP: try numbers("mAP", of: root, "the file"),
            averageMAP: try member("average_mAP", of: root, "the file", "a number") { $0.number != nil }.number ?? 0,
            apPerClass: try lists("ap_per_class"), recallAt: try lists("recall_at"), classSource: root["class_source"]?.string)
    }
}
