import DetectionAnalysis

/// The figures of DETAD (arXiv 1807.10706, Fig. 3 to 5).
extension RunFigures {
    static let errorStyles: [(name: String, style: String)] = DetectionError.allCases.map { error in
        let style =
            switch error {
            case .none: "s3"
            case .doubleDetection: "s5"
            case .wrongLabel: "s8"
            case .localization: "s2"
            case .confusion: "s6"
            case .background: "quietly"
            }
        return (error.words, style)
    }

    private var range: String {
        let thresholds = run.thresholds
        guard let first = thresholds.first, let last = thresholds.last else { return "" }
        return first == last ? "at tIoU \(Shown.number(first))" : "mean over tIoU \(Shown.number(first)) to \(Shown.number(last))"
    }

    var falsePositives: Figure? {
        guard let errors else { return nil }
        let bars = errors.profile.enumerated().map { number, shares in
            BarChart.Bar(
                name: "\(number + 1)G", parts: shares.isEmpty ? Self.errorStyles.map { _ in 0 } : shares.map { 100 * $0 })
        }
        return BarChart(
            title: "False-positive profile",
            description:
                "What is wrong with the best detections, \(range): G is the number of actions of a class; 1G are its best G detections, 2G the "
                + "next G, and so on.", yName: "share (%)", groups: [.init(name: "", bars: bars)], parts: Self.errorStyles, highest: 100
        ).figure
    }

    var errorImpact: Figure? {
        guard let errors else { return nil }
        let bars = errors.impact.map { error, gain in
            BarChart.Bar(
                name: error.short, parts: DetectionError.allCases.map { $0 == error ? 100 * gain : 0 }, label: Shown.difference(gain),
                tip: "without \(error.words): \(Shown.difference(gain)) points")
        }
        return BarChart(
            title: "What an error costs",
            description:
                "What the normalised mAP (\(Shown.percent(errors.normalizedMAP)) %, \(range)) gains when the detections with the error are left out.",
            yName: "gain (points)", groups: [.init(name: "", bars: bars)], parts: Self.errorStyles
        ).unnamed.figure
    }

    var sensitivity: Figure? {
        guard let errors else { return nil }
        return byCharacteristic(
            errors, title: "Sensitivity to the actions",
            description: "Normalised mAP, \(range), where only the actions of a bin are to be found. The dashed line is that of all actions.",
            yName: "normalised mAP (%)", reference: ("all actions: \(Shown.percent(errors.normalizedMAP)) %", 100 * errors.normalizedMAP)
        ) { $0.normalizedMAP }
    }

    var falseNegatives: Figure? {
        guard let errors else { return nil }
        return byCharacteristic(
            errors, title: "Missed actions",
            description: "The part of the actions of a bin that none of the best \(ErrorAnalysis.multiple)G detections claims, \(range).",
            yName: "missed (%)", reference: nil, highest: 100
        ) { $0.missed }
    }

    private func byCharacteristic(
        _ errors: ErrorAnalysis, title: String, description: String, yName: String, reference: (name: String, value: Double)?,
        highest: Double? = nil, _ value: (CharacteristicResult.Bin) -> Double?
    ) -> Figure {
        let count = errors.characteristics.count
        let groups = errors.characteristics.enumerated().map { number, result in
            BarChart.Group(
                name: result.characteristic.words,
                bars: result.bins.map { bin in
                    let own = value(bin)
                    return BarChart.Bar(
                        name: bin.name, parts: (0..<count).map { $0 == number ? 100 * (own ?? 0) : 0 }, label: own.map { Shown.percent($0) } ?? "–",
                        tip: "\(result.characteristic.words) \(bin.name): \(Shown.percent(own)) % of \(bin.instances) actions")
                })
        }
        return BarChart(
            title: title, description: description, yName: yName, groups: groups, parts: ["s1", "s5", "s8"].map { ("", $0) }, highest: highest,
            reference: reference,
            width: 920
        ).unnamed.figure
    }
}

extension BarChart {
    /// Without a legend of the parts: the bars' names say enough.
    var unnamed: BarChart {
        var chart = self
        chart.isLegendHidden = true
        return chart
    }
}
