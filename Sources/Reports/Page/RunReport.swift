import RunRecords

/// What was learnt in one or several runs: one HTML page that needs nothing else.
///
/// Names from the data are text on it, whatever they hold (`Markup`). It is read without a script and without a network, on paper too.
public struct RunReport: Sendable {
    /// Bounds of what a page shows; it says where it leaves something out.
    public struct Limits: Sendable {
        /// Recordings drawn of each run and kind.
        public var recordings = 8
        /// Runs that have figures of their own; others are in tables and curves alone.
        public var detailedRuns = 6
        /// Classes with a curve of their own.
        public var classes = 12

        /// The usual bounds.
        public init() {}
    }

    let comparison: RunComparison
    let limits: Limits
    /// Of the runs that have figures of their own, in their order.
    let figures: [RunFigures]

    /// - Parameters:
    ///   - runs: at least one; the first is the one that others are compared with.
    ///   - limits: of what is shown.
    public init(_ runs: [ReportedRun], limits: Limits = Limits()) {
        comparison = RunComparison(runs)
        self.limits = limits
        figures = runs.prefix(limits.detailedRuns).map { RunFigures($0) }
    }

    /// The page.
    public func html() -> String {
        var numbers = FigureNumbers()
        let sections = [
            summary(), configurationSection(), trainingSection(&numbers), stagesSection(), precisionSection(&numbers), proposalSection(&numbers),
            confusionSection(&numbers),
            errorSection(&numbers), recordingsSection(&numbers), labelsSection(&numbers), timeSection(&numbers),
        ].compactMap { $0 }
        let title = "Kairos: \(comparison.names.count == 1 ? Shown.name(comparison.names[0]) : "\(comparison.names.count) runs")"
        let links = sections.map { Markup.tag("li", [], [.tag("a", ["href": "#\($0.id)"], text: $0.title)]) }
        let header = Markup.tag(
            "header", [], [.tag("h1", text: title), .tag("nav", ["aria-label": "Contents"], [.tag("ul", [], links)])])
        let main = Markup.tag(
            "main", [],
            sections.map { section in
                .tag(
                    "section", ["id": "\(section.id)", "aria-labelledby": "\(section.id)-title"],
                    [.tag("h2", ["id": "\(section.id)-title"], text: section.title)] + section.content)
            })
        let footer = Markup.tag(
            "footer", [],
            [
                .paragraph(
                    "Made by kairos report. Curves keep at most \(LineChart.mostPoints) points each: the lowest and the highest of every stretch. "
                        + "In timelines, zoom with the buttons, or with the wheel and Ctrl or Shift; drag to move.")
            ])
        return Markup.tag(
            "html", ["lang": "en"],
            [
                .tag(
                    "head", [],
                    [
                        .tag("meta", ["charset": "utf-8"]),
                        .tag("meta", ["http-equiv": "Content-Security-Policy", "content": PageScript.policy]),
                        .tag("meta", ["name": "viewport", "content": "width=device-width, initial-scale=1"]), .tag("title", text: title),
                        .style(.page),
                    ]), .tag("body", [], [header, main, footer, .script(PageScript.source)]),
            ]
        ).document
    }

    /// A part for each run with figures of its own, side by side; nil where none has any.
    func perRun(_ make: (RunFigures) -> [Markup]) -> Markup? {
        let parts = figures.enumerated().compactMap { number, own -> Markup? in
            let content = make(own)
            guard !content.isEmpty else { return nil }
            let name = Shown.name(comparison.names[number])
            return figures.count > 1 ? .tag("section", ["aria-label": name], [.heading(name)] + content) : .all(content)
        }
        guard !parts.isEmpty else { return nil }
        return figures.count > 1 ? .grid(parts) : .all(parts)
    }

    /// Says that runs are left out of a section.
    var leftOut: [Markup] {
        let count = comparison.runs.count - figures.count
        return count > 0
            ? [.paragraph("Figures of the first \(figures.count) runs; \(count) more are in the tables and curves above.", style: "quiet")] : []
    }
}
