import Foundation

/// A drawing: on a page, or in a file of its own.
struct Figure: Sendable {
    var title: String
    /// What is drawn, for those who cannot see it and for the caption.
    var description: String
    /// Pixels of the drawing's own coordinates.
    var width: Double
    var height: Double
    var content: [Markup]
    /// How the script treats it: `lines` or `timeline`; nil: tooltips alone.
    var kind: String?
    /// Whether the description stands below it on a page.
    var hasCaption = true

    /// As a part of a page, with its caption and a title for screen readers.
    ///
    /// - Parameter number: of the figure on the page: identifiers are made of it.
    func onPage(_ number: Int) -> Markup {
        let id = "figure-\(number)"
        let svg = element(
            attributes: [
                "role": "img", "aria-labelledby": id, "data-kind": kind,
                "style": "max-width:\(Shown.place(width * 1.25))px;min-width:\(Shown.place(min(width * 0.8, 620)))px",
            ], id: id)
        let tools = kind == "timeline" ? [Self.tools(of: title)] : []
        // In a narrow window a drawing is wider than its place: the keyboard scrolls what it can reach.
        return .tag("figure", ["tabindex": "0", "aria-labelledby": id], tools + [svg] + (hasCaption ? [.tag("figcaption", text: description)] : []))
    }

    private static func tools(of title: String) -> Markup {
        let buttons = [
            ("in", "+", "zoom in"), ("out", "−", "zoom out"), ("left", "←", "earlier"), ("right", "→", "later"),
            ("whole", "whole", "whole recording"),
        ]
        return .tag(
            "div", ["class": "tools", "role": "group", "aria-label": title],
            buttons.map { .tag("button", ["type": "button", "data-zoom": $0, "aria-label": $2], text: $1) })
    }

    /// As an SVG file, which follows the reader's light or dark theme.
    var file: String {
        let background = Markup.tag("rect", ["class": "back", "width": "100%", "height": "100%"])
        let whole = Figure(
            title: title, description: description, width: width, height: height, content: [.style(.figure), background] + content)
        return whole.element(
            attributes: ["xmlns": "http://www.w3.org/2000/svg", "width": Shown.place(width), "height": Shown.place(height), "role": "img"],
            id: nil
        ).source + "\n"
    }

    private func element(attributes: Markup.Attributes, id: String?) -> Markup {
        .tag(
            "svg", Markup.Attributes(dictionaryLiteral: ("viewBox", "0 0 \(Shown.place(width)) \(Shown.place(height))")) + attributes,
            [.tag("title", ["id": id], text: title), .tag("desc", text: description)] + content)
    }
}

/// Shapes and words that figures are made of.
enum Draw {
    /// Where a text begins, ends or has its middle.
    enum Anchor: String { case start, middle, end }

    static func text(_ text: String, x: Double, y: Double, _ anchor: Anchor = .start, style: String? = nil) -> Markup {
        .tag(
            "text", ["x": Shown.place(x), "y": Shown.place(y), "text-anchor": anchor == .start ? nil : anchor.rawValue, "class": style],
            text: text)
    }

    /// A text that is shortened to a width; its whole is its tooltip.
    static func name(
        _ name: String, x: Double, y: Double, width: Double, _ anchor: Anchor = .start, style: String? = nil, size: Double = 12
    ) -> Markup {
        let whole = Shown.name(name), short = Shown.shortened(whole, to: width, size: size)
        guard short != whole else { return text(whole, x: x, y: y, anchor, style: style) }
        return .tag(
            "text", ["x": Shown.place(x), "y": Shown.place(y), "text-anchor": anchor == .start ? nil : anchor.rawValue, "class": style],
            [.text(short), .tag("title", text: whole)])
    }

    static func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, style: String) -> Markup {
        .tag("line", ["class": style, "x1": Shown.place(x1), "y1": Shown.place(y1), "x2": Shown.place(x2), "y2": Shown.place(y2)])
    }

    static func box(_ x: Double, _ y: Double, _ width: Double, _ height: Double, style: String, tip: String? = nil, opacity: Double? = nil) -> Markup
    {
        let attributes: Markup.Attributes = [
            "class": style, "x": Shown.place(x), "y": Shown.place(y), "width": Shown.place(max(0, width)),
            "height": Shown.place(max(0, height)), "fill-opacity": opacity.map { Shown.place($0) },
        ]
        return .tag("rect", attributes, tip.map { [.tag("title", text: $0)] } ?? [])
    }

    /// The class of the colour of a series.
    static func color(_ index: Int) -> String { "s\(index % Palette.seriesCount + 1)" }
    /// The class of the dashes of a series: lines of equal colour differ by them.
    static func dash(_ index: Int) -> String { index < Palette.seriesCount ? "" : " dash\((index / Palette.seriesCount - 1) % 3 + 1)" }
}

/// The names of colours, in rows.
struct Legend {
    struct Entry {
        var name: String
        /// Classes of its mark.
        var style: String
        var isLine = false
    }

    static let rowHeight = 18.0
    private(set) var rows = 0
    private(set) var content: [Markup] = []

    /// - Parameters:
    ///   - entries: in their order.
    ///   - x: the left end; `top`: the upper end.
    ///   - width: of all rows.
    init(_ entries: [Entry], x left: Double, top: Double, width: Double) {
        guard !entries.isEmpty else { return }
        var x = left
        rows = 1
        for entry in entries {
            let name = Shown.shortened(Shown.name(entry.name), to: min(220, width - 30))
            let needed = 28 + Shown.width(of: name) + 10
            if x > left, x + needed > left + width {
                x = left
                rows += 1
            }
            let y = top + Double(rows - 1) * Self.rowHeight
            content.append(
                entry.isLine
                    ? Draw.line(x, y + 9, x + 20, y + 9, style: "line " + entry.style) : Draw.box(x + 4, y + 4, 12, 10, style: entry.style))
            content.append(Draw.name(entry.name, x: x + 25, y: y + 13, width: min(220, width - 30)))
            x += needed
        }
    }

    var height: Double { Double(rows) * Self.rowHeight }
}

/// Round numbers along an axis.
enum Ticks {
    /// From the greatest not above `low` to the least not below `high`, in steps of 1, 2 or 5 times a power of ten.
    static func round(_ low: Double, _ high: Double, about count: Int) -> [Double] {
        guard low.isFinite, high.isFinite, high > low, count > 0 else { return [low.isFinite ? low : 0] }
        let raw = (high - low) / Double(count), power = pow(10, log10(raw).rounded(.down))
        let step = [1.0, 2, 5, 10].map { $0 * power }.first { $0 >= raw * 0.999 } ?? raw
        guard step > 0, step.isFinite else { return [low, high] }
        let first = (low / step + 1e-9).rounded(.down), last = (high / step - 1e-9).rounded(.up)
        guard last - first < 100 else { return [low, high] }
        return (0...Int(last - first)).map { (first + Double($0)) * step }
    }
}
