/// HTML or SVG that holds no text as it came: text and the values of attributes are escaped on their way in, and names of elements and attributes are
/// constants of the program. The result is well-formed XML too.
package struct Markup: Sendable {
    package private(set) var source: String

    /// Names and values in their order; those without a value are left out.
    package struct Attributes: Sendable, ExpressibleByDictionaryLiteral, ExpressibleByArrayLiteral {
        fileprivate var pairs: [(name: StaticString, value: String?)]

        package init(dictionaryLiteral elements: (StaticString, String?)...) { pairs = elements.map { ($0, $1) } }
        /// None.
        package init(arrayLiteral elements: Never...) { pairs = [] }

        static func + (a: Attributes, b: Attributes) -> Attributes {
            var sum = a
            sum.pairs += b.pairs
            return sum
        }
    }

    private init(source: String) { self.source = source }

    /// Nothing.
    static let empty = Markup(source: "")

    /// Text of any origin.
    package static func text(_ text: String) -> Markup { Markup(source: escaped(text)) }

    /// One after another.
    static func all(_ parts: [Markup]) -> Markup { Markup(source: parts.map(\.source).joined()) }

    /// An element.
    ///
    /// - Parameters:
    ///   - name: of the element.
    ///   - attributes: nil values are left out.
    ///   - children: in their order.
    package static func tag(_ name: StaticString, _ attributes: Attributes = [], _ children: [Markup] = []) -> Markup {
        var source = "<\(name)"
        for (attribute, value) in attributes.pairs {
            if let value { source += " \(attribute)=\"\(escaped(value))\"" }
        }
        // HTML knows no short form of elements that may have children.
        if children.isEmpty, isVoid(name) { return Markup(source: source + "/>") }
        source += ">"
        for child in children { source += child.source }
        return Markup(source: source + "</\(name)>")
    }

    /// An element that holds text alone.
    package static func tag(_ name: StaticString, _ attributes: Attributes = [], text: String) -> Markup {
        tag(name, attributes, [.text(text)])
    }

    /// The style sheet, which the program makes of constants.
    static func style(_ sheet: StyleSheet) -> Markup { Markup(source: "<style>\(sheet.text)</style>") }

    /// The script, a constant of the program.
    static func script(_ script: StaticString) -> Markup { Markup(source: "<script>\(script)</script>") }

    /// A whole page.
    var document: String { "<!DOCTYPE html>\n\(source)\n" }

    private static func isVoid(_ name: StaticString) -> Bool {
        ["meta", "br", "rect", "line", "path", "polyline", "circle", "use", "link"].contains("\(name)")
    }

    /// Characters that end text, and those that neither XML nor a reader can take: control characters, and marks that turn the direction of what
    /// follows them.
    private static func escaped(_ text: String) -> String {
        var result = ""
        result.reserveCapacity(text.utf8.count)
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "'": result += "&#39;"
            case "\n", "\t": result.unicodeScalars.append(scalar)
            default:
                let value = scalar.value
                let isUnfit =
                    value < 0x20 || (0x7F...0x9F).contains(value) || (0x202A...0x202E).contains(value) || (0x2066...0x2069).contains(value)
                    || (0xFDD0...0xFDEF).contains(value) || value & 0xFFFE == 0xFFFE
                result.unicodeScalars.append(isUnfit ? "\u{FFFD}" : scalar)
            }
        }
        return result
    }
}
