/// A layer or a network of layers: something with parameters.
public protocol Module: AnyObject {
    /// Names every parameter once, in the order of their first use in the forward pass.
    func visitParameters(_ visitor: ParameterVisitor)
}

/// Collects parameters with their dotted names.
public final class ParameterVisitor {
    public private(set) var parameters: [(name: String, parameter: Parameter)] = []
    private var prefix: [String] = []

    /// Collects from the root: names have no prefix yet.
    public init() {}

    /// Is told of a parameter.
    public func visit(_ name: String, _ parameter: Parameter) {
        parameters.append(((prefix + [name]).joined(separator: "."), parameter))
    }

    /// Visits a part under its name.
    public func visit(_ name: String, _ module: any Module) {
        prefix.append(name)
        module.visitParameters(self)
        prefix.removeLast()
    }

    /// Visits modules of a list as NAME.0, NAME.1, ...
    public func visit(_ name: String, _ modules: [any Module]) {
        for (index, module) in modules.enumerated() { visit("\(name).\(index)", module) }
    }
}

extension Module {
    public var namedParameters: [(name: String, parameter: Parameter)] {
        let visitor = ParameterVisitor()
        visitor.visit(self)
        return visitor.parameters
    }
}

extension ParameterVisitor {
    func visit(_ module: any Module) { module.visitParameters(self) }
}
