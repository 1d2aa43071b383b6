import NeuralNetworks
import XCTest

private final class Named: Module {
    let names: [String]
    private let parameters: [Parameter]
    init(_ names: [String]) {
        self.names = names
        parameters = names.map { _ in Parameter(.vector, count: 2, isDecayed: false, initialization: .constant(0)) }
    }
    func visitParameters(_ visitor: ParameterVisitor) { for (name, parameter) in zip(names, parameters) { visitor.visit(name, parameter) } }
}

/// Which parameters a pattern of a configuration means.
final class ParameterPatternTests: XCTestCase {
    private let arena = ParameterArena(
        Named(["backbone.stem.0.weight", "backbone.stem.1.bias", "neck.0.weight", "cls_head.head.weight", "cls_head.head.bias", "scale"]))

    private func fits(_ pattern: String) throws -> [Int] {
        let all = arena.parameters.map(\.name)
        return try arena.parameters(matching: pattern, key: "training.frozen").compactMap { all.firstIndex(of: $0.name) }
    }

    func testPatterns() throws {
        XCTAssertEqual(try fits("backbone.*"), [0, 1])
        XCTAssertEqual(try fits("*"), [0, 1, 2, 3, 4, 5])
        XCTAssertEqual(try fits("*.bias"), [1, 4])
        XCTAssertEqual(try fits("backbone.stem.?.weight"), [0])
        XCTAssertEqual(try fits("*.[12].*"), [1])
        XCTAssertEqual(try fits("scale"), [5])
        // A name is meant whole.
        XCTAssertThrowsError(try fits("head"))
        XCTAssertThrowsError(try fits(""))
    }

    func testPatternsThatFitNothing() {
        func refused(_ pattern: String, _ expected: String, line: UInt = #line) {
            XCTAssertThrowsError(try fits(pattern), line: line) { XCTAssertEqual("\($0)", expected, line: line) }
        }
        refused(
            "backbon.*",
            """
            error: the pattern 'backbon.*' fits no parameter; did you mean 'backbone.*'?
              where: key 'training.frozen'
              do: correct or remove the pattern; the model's parts are backbone.*, neck.*, cls_head.*, scale
            """)
        refused(
            "cls_head.head.weigh",
            """
            error: the pattern 'cls_head.head.weigh' fits no parameter; did you mean 'cls_head.head.weight', 'cls_head.head.bias' or 'cls_head.head.*'?
              where: key 'training.frozen'
              do: correct or remove the pattern; the model's parts are backbone.*, neck.*, cls_head.*, scale
            """)
        refused(
            "generator-of-proposals",
            """
            error: the pattern 'generator-of-proposals' fits no parameter
              where: key 'training.frozen'
              do: correct or remove the pattern; the model's parts are backbone.*, neck.*, cls_head.*, scale
            """)
    }
}
