/// A table of counts, each cell the fuller the greater its share of its row.
struct HeatMap {
    var title: String
    var description: String
    var rowName: String
    var columnName: String
    var rows: [String]
    var columns: [String]
    var counts: [[Int]]

    var figure: Figure {
        let labelWidth = min(170, max(60, (rows + columns).map { Shown.width(of: Shown.name($0), size: 11) }.max() ?? 60)) + 10
        let width = 560.0
        let cell = min(64, max(16, (width - labelWidth - 24) / Double(max(columns.count, 1))))
        let left = labelWidth + 12, height = min(cell, 30)
        let drawnWidth = max(width, left + cell * Double(columns.count) + 16)
        let top = 52 + (cell >= 60 ? 18 : labelWidth)
        var content = [
            Draw.name(title, x: 12, y: 18, width: drawnWidth - 24, style: "title", size: 14),
            Draw.text("rows: \(rowName); columns: \(columnName)", x: 12, y: 38, style: "tick"),
        ]
        for (index, name) in columns.enumerated() {
            let x = left + cell * (Double(index) + 0.5)
            if cell >= 60 {
                content.append(Draw.name(name, x: x, y: top - 6, width: cell - 4, .middle, style: "tick", size: 11))
            } else {
                let short = Shown.shortened(Shown.name(name), to: labelWidth - 10, size: 11)
                let place = "rotate(-90 \(Shown.place(x + 4)) \(Shown.place(top - 6)))"
                content.append(
                    .tag(
                        "text", ["class": "tick", "x": Shown.place(x + 4), "y": Shown.place(top - 6), "transform": place],
                        [.text(short), .tag("title", text: Shown.name(name))]))
            }
        }
        for (row, name) in rows.enumerated() {
            let y = top + height * Double(row)
            content.append(Draw.name(name, x: left - 6, y: y + height / 2 + 4, width: labelWidth - 10, .end, style: "tick", size: 11))
            content += cells(row, x: left, y: y, cell: cell, height: height)
        }
        content.append(Draw.box(left, top, cell * Double(columns.count), height * Double(rows.count), style: "frame"))
        return Figure(
            title: title, description: description, width: drawnWidth, height: top + height * Double(rows.count) + 14, content: content)
    }

    private func cells(_ row: Int, x: Double, y: Double, cell: Double, height: Double) -> [Markup] {
        let total = counts[row].reduce(0, +)
        return counts[row].enumerated().flatMap { column, count -> [Markup] in
            guard count > 0 else { return [] }
            let share = Double(count) / Double(total), place = x + cell * Double(column)
            let tip = "\(Shown.name(rows[row])), \(Shown.name(columns[column])): \(count) (\(Shown.percent(share)) % of the row)"
            let box = Draw.box(place, y, cell, height, style: "cell", tip: tip, opacity: Palette.greatestHeat * share)
            guard Shown.width(of: "\(count)", size: 11) <= cell - 2 else { return [box] }
            return [box, Draw.text("\(count)", x: place + cell / 2, y: y + height / 2 + 4, .middle, style: "ink")]
        }
    }
}
