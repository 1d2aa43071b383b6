import Reports
import XCTest

final class MarkupTests: XCTestCase {
    func testTextAndAttributesAreEscaped() {
        let name = "<script>alert(\"a\" & 'b')</script>"
        let escaped = "&lt;script&gt;alert(&quot;a&quot; &amp; &#39;b&#39;)&lt;/script&gt;"
        XCTAssertEqual(Markup.text(name).source, escaped)
        XCTAssertEqual(Markup.tag("p", ["class": name, "id": nil], text: name).source, "<p class=\"\(escaped)\">\(escaped)</p>")
        XCTAssertEqual(Markup.tag("rect", ["x": "1"]).source, "<rect x=\"1\"/>")
        XCTAssertEqual(Markup.tag("p").source, "<p></p>")
    }

    /// Characters that XML does not know, and those that turn the direction of what follows.
    func testUnfitCharactersAreReplaced() {
        XCTAssertEqual(Markup.text("a\u{0}b\u{1B}c\u{202E}d\u{FFFF}e\u{7F}\n\t").source, "a\u{FFFD}b\u{FFFD}c\u{FFFD}d\u{FFFD}e\u{FFFD}\n\t")
        XCTAssertEqual(Markup.text("動作 é 🏃").source, "動作 é 🏃")
    }

    func testNames() {
        XCTAssertEqual(["", " ", "\t ", "a"].map(Shown.name), ["(empty name)", "(name of 1 space)", "(name of 2 spaces)", "a"])
        let long = String(repeating: "abcdefghij", count: 1000), short = Shown.shortened(long, to: 100)
        XCTAssertTrue(short.hasPrefix("abc") && short.contains("…"), short)
        XCTAssertLessThanOrEqual(Shown.width(of: short), 100)
        XCTAssertEqual(Shown.shortened("plain", to: 100), "plain")
        XCTAssertEqual(Shown.runNames(["runs/a", "b/"]), ["a", "b"])
        XCTAssertEqual(Shown.runNames(["x/a/run", "x/b/run"]), ["a/run", "b/run"])
        XCTAssertEqual(Shown.runNames(["/"]), ["/"])
    }

    func testNumbers() {
        let values: [Double] = [0, 1, -0.25, 1234.5, 0.000012, 12.345, 2_500_000, .nan, .infinity]
        XCTAssertEqual(values.map(Shown.number), ["0", "1", "−0.25", "1234", "1.2e−5", "12.35", "2.5e6", "NaN", "∞"])
        XCTAssertEqual([5.26, 600, 9000, -1].map(Shown.duration), ["5.3 s", "10 min", "2.5 h", "–"])
    }

    /// WCAG 2.2: text 4.5 to 1, graphics 3 to 1, on every background and in both themes; a filled cell of a heat map under its text too.
    func testContrast() {
        XCTAssertEqual(Palette.contrast("#000000", "#ffffff"), 21, accuracy: 1e-9)
        XCTAssertEqual(Palette.contrast("#777777", "#ffffff"), 4.478, accuracy: 1e-3)
        for theme in [\Palette.Color.light, \.dark] {
            let backgrounds = Palette.colors.filter { $0.use == .background }.map { $0[keyPath: theme] }
            XCTAssertEqual(backgrounds.count, 2)
            for color in Palette.colors where color.use == .text || color.use == .graphic {
                for background in backgrounds {
                    let contrast = Palette.contrast(color[keyPath: theme], background)
                    XCTAssertGreaterThanOrEqual(contrast, color.use == .text ? 4.5 : 3, "\(color.name) \(color[keyPath: theme]) on \(background)")
                }
            }
            func color(_ name: String) -> String { Palette.colors.first { $0.name == name }?[keyPath: theme] ?? "" }
            let cell = Palette.mixed(color("heat"), Palette.greatestHeat, over: color("page"))
            XCTAssertGreaterThanOrEqual(Palette.contrast(color("ink"), cell), 4.5, cell)
        }
    }
}
