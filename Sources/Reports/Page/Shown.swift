import Foundation

/// Names and numbers as a page shows them.
package enum Shown {
    /// A name from the data; one without a visible character is said to be so.
    package static func name(_ name: String) -> String {
        if name.isEmpty { return "(empty name)" }
        return name.allSatisfy(\.isWhitespace) ? "(name of \(name.count) space\(name.count == 1 ? "" : "s"))" : name
    }

    /// The beginning and the end of a text that is wider than `width` at 12 pixels.
    package static func shortened(_ text: String, to width: Double, size: Double = 12) -> String {
        guard self.width(of: text, size: size) > width else { return text }
        // A grapheme may hold any number of marks, none of which is drawn.
        let characters = text.prefix(400).map { String($0.unicodeScalars.prefix(4).map(Character.init)) }
        var kept = min(characters.count, 200)
        while kept > 1 {
            let head = (kept + 1) / 2, tail = kept - head
            let ending = text.count > 400 ? [] : Array(characters.suffix(tail))
            let short = (characters.prefix(head) + ["…"] + ending).joined()
            if self.width(of: short, size: size) <= width { return short }
            kept -= 1
        }
        return "…"
    }

    /// A little more than the pixels that a text takes in the widest of the fonts asked for.
    package static func width(of text: String, size: Double = 12) -> Double {
        text.unicodeScalars.prefix(2000).reduce(0.0) { width, scalar in
            guard scalar.isASCII else { return width + (scalar.value < 0x1100 || (0x2000...0x22FF).contains(scalar.value) ? 0.85 : 1.1) * size }
            return width + (narrow.contains(scalar) ? 0.42 : wide.contains(scalar) ? 1.0 : 0.66) * size
        }
    }

    private static let narrow = Set("ijlrtfI .,:;'|!()[]-/".unicodeScalars)
    private static let wide = Set("mwMW@%".unicodeScalars)

    /// A number with up to four digits that count.
    package static func number(_ value: Double) -> String {
        guard value.isFinite else { return value.isNaN ? "NaN" : value < 0 ? "−∞" : "∞" }
        if value == 0 { return "0" }
        let size = abs(value)
        let text: String
        if size >= 1e6 || size < 1e-3 {
            // 1.2e-5 rather than 1.20e-05.
            let parts = String(format: "%.2e", value).split(separator: "e")
            let mantissa = Double(parts[0]).map { String(format: "%g", $0) } ?? String(parts[0])
            text = mantissa + "e" + (parts.count > 1 ? "\(Int(parts[1]) ?? 0)" : "0")
        } else if value == value.rounded() {
            text = String(format: "%.0f", value)
        } else {
            let places = size >= 1000 ? 0 : size >= 100 ? 1 : size >= 10 ? 2 : size >= 1 ? 3 : 4
            var digits = String(format: "%.\(places)f", value)
            if digits.contains(".") {
                while digits.hasSuffix("0") { digits.removeLast() }
                if digits.hasSuffix(".") { digits.removeLast() }
            }
            text = digits
        }
        return text.replacingOccurrences(of: "-", with: "−")
    }

    /// A fraction in per cent, with `places` behind the point.
    static func percent(_ fraction: Double?, places: Int = 1) -> String {
        guard let fraction, fraction.isFinite else { return "–" }
        return String(format: "%.\(places)f", 100 * fraction).replacingOccurrences(of: "-", with: "−")
    }

    /// A difference of fractions in per cent, with its sign.
    static func difference(_ fraction: Double) -> String {
        let text = percent(abs(fraction))
        return text == "0.0" ? "0.0" : (fraction < 0 ? "−" : "+") + text
    }

    /// Seconds as people say them.
    package static func duration(_ seconds: Double) -> String {
        guard seconds.isFinite, seconds >= 0 else { return "–" }
        if seconds < 120 { return "\(number((seconds * 10).rounded() / 10)) s" }
        if seconds < 7200 { return "\(number((seconds / 6).rounded() / 10)) min" }
        return "\(number((seconds / 360).rounded() / 10)) h"
    }

    /// A coordinate of a drawing.
    static func place(_ value: Double) -> String {
        guard value.isFinite else { return "0" }
        let hundredths = (value * 100).rounded()
        guard abs(hundredths) < 1e15 else { return "0" }
        let whole = Int(hundredths)
        if whole % 100 == 0 { return "\(whole / 100)" }
        return String(format: whole % 10 == 0 ? "%.1f" : "%.2f", Double(whole) / 100)
    }

    /// The last part of each path, or as many as tell the paths apart.
    package static func runNames(_ paths: [String]) -> [String] {
        let parts = paths.map { $0.split(separator: "/").map(String.init).filter { $0 != "." } }
        func names(_ count: Int) -> [String] {
            zip(parts, paths).map { part, path in part.isEmpty ? (path.isEmpty ? "." : path) : part.suffix(count).joined(separator: "/") }
        }
        for count in 1...max(1, parts.map(\.count).max() ?? 1) {
            let candidates = names(count)
            if Set(candidates).count == paths.count { return candidates }
        }
        return names(parts.map(\.count).max() ?? 1)
    }
}
