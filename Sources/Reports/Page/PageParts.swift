/// A table with its caption; the first cell of a row is its head.
struct Table {
    var caption: String
    var head: [String]
    var rows: [[Markup]]
    /// Words are set to the left, numbers to the right.
    var hasWords = false

    var markup: Markup {
        let heads = head.map { Markup.tag("th", ["scope": "col"], text: $0) }
        let body = rows.map { row in
            Markup.tag("tr", [], row.enumerated().map { $0 == 0 ? .tag("th", ["scope": "row"], [$1]) : .tag("td", [], [$1]) })
        }
        let table = Markup.tag(
            "table", ["class": hasWords ? "words" : nil],
            [.tag("caption", text: caption), .tag("thead", [], [.tag("tr", [], heads)]), .tag("tbody", [], body)])
        return .tag("div", ["class": "scroll", "tabindex": "0", "role": "region", "aria-label": caption], [table])
    }
}

/// A part of a page with a heading.
struct PageSection {
    /// For links to it.
    var id: StaticString
    var title: String
    var content: [Markup]
}

/// Numbers the figures of a page.
struct FigureNumbers {
    private var last = 0

    mutating func place(_ figure: Figure) -> Markup {
        last += 1
        return figure.onPage(last)
    }
}

extension Markup {
    static func paragraph(_ text: String, style: String? = nil) -> Markup { .tag("p", ["class": style], text: text) }
    static func heading(_ text: String) -> Markup { .tag("h3", text: text) }

    /// Side by side where there is room.
    static func grid(_ parts: [Markup]) -> Markup { .tag("div", ["class": "grid"], parts) }

    /// A value with its difference from another one.
    static func value(_ fraction: Double?, comparedWith base: Double?) -> Markup {
        guard let fraction, let base else { return .text(Shown.percent(fraction)) }
        let difference = fraction - base, shown = Shown.difference(difference)
        let style = shown == "0.0" ? "quiet" : difference > 0 ? "better" : "worse"
        return .all([.text("\(Shown.percent(fraction)) "), .tag("span", ["class": style], text: "(\(shown))")])
    }
}
