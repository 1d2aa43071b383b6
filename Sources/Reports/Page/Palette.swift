import Foundation

/// The colours of pages and figures, for light and dark themes.
package enum Palette {
    /// What a colour is for decides the contrast that it needs with the backgrounds (WCAG 2.2: text 4.5 to 1, graphics 3 to 1).
    package enum Use: Sendable { case background, text, graphic, decoration }

    package struct Color: Sendable {
        package var name: String
        package var light: String
        package var dark: String
        package var use: Use
    }

    package static let colors: [Color] = [
        Color(name: "page", light: "#ffffff", dark: "#0f1419", use: .background),
        Color(name: "panel", light: "#f6f8fa", dark: "#171d24", use: .background),
        Color(name: "ink", light: "#1a2129", dark: "#e6edf3", use: .text),
        Color(name: "quiet", light: "#4f5b67", dark: "#a9b4c0", use: .text),
        Color(name: "link", light: "#0b57b0", dark: "#7ab7ff", use: .text),
        Color(name: "better", light: "#116329", dark: "#56d364", use: .text),
        Color(name: "worse", light: "#a40e26", dark: "#ff8f87", use: .text),
        Color(name: "rule", light: "#d0d7de", dark: "#303942", use: .decoration),
        Color(name: "muted", light: "#7b8794", dark: "#7d8b99", use: .graphic),
        Color(name: "heat", light: "#1d4ed8", dark: "#2456c9", use: .decoration),
        Color(name: "s1", light: "#1d4ed8", dark: "#7aa2ff", use: .graphic),
        Color(name: "s2", light: "#c2410c", dark: "#ff9a5c", use: .graphic),
        Color(name: "s3", light: "#047857", dark: "#34d399", use: .graphic),
        Color(name: "s4", light: "#a21caf", dark: "#e879f9", use: .graphic),
        Color(name: "s5", light: "#0e7490", dark: "#22d3ee", use: .graphic),
        Color(name: "s6", light: "#be123c", dark: "#fb7185", use: .graphic),
        Color(name: "s7", light: "#4d7c0f", dark: "#a3e635", use: .graphic),
        Color(name: "s8", light: "#6d28d9", dark: "#b794f6", use: .graphic),
    ]

    /// Colours of series, told apart by dashes beyond these.
    static let seriesCount = 8
    /// The most that a cell of a heat map is filled, so that the ink over it stays readable.
    package static let greatestHeat = 0.55

    /// Contrast of two colours `#rrggbb` as WCAG 2.2 defines it: 1 to 21.
    package static func contrast(_ one: String, _ other: String) -> Double {
        let lights = [luminance(components(one)), luminance(components(other))].sorted()
        return (lights[1] + 0.05) / (lights[0] + 0.05)
    }

    /// `top` at an opacity over `bottom`, as `#rrggbb`.
    package static func mixed(_ top: String, _ opacity: Double, over bottom: String) -> String {
        let parts = zip(components(top), components(bottom)).map { UInt8((255 * ($0 * opacity + $1 * (1 - opacity))).rounded()) }
        return "#" + parts.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    /// Red, green and blue in [0, 1].
    private static func components(_ color: String) -> [Double] {
        let value = UInt32(color.dropFirst(), radix: 16) ?? 0
        return [16, 8, 0].map { Double(value >> $0 & 255) / 255 }
    }

    private static func luminance(_ components: [Double]) -> Double {
        let linear = components.map { $0 <= 0.04045 ? $0 / 12.92 : pow(($0 + 0.055) / 1.055, 2.4) }
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    }

}
