/// The style of pages, or of figures that stand alone.
struct StyleSheet: Sendable {
    let text: String

    private init(text: String) { self.text = text }

    /// Of a figure in a file of its own.
    static let figure = StyleSheet(text: variables + figureRules)
    /// Of a page with figures.
    static let page = StyleSheet(text: variables + figureRules + pageRules + printRules)

    private static func declarations(_ value: (Palette.Color) -> String) -> String {
        Palette.colors.map { "--\($0.name):\(value($0))" }.joined(separator: ";")
    }

    private static var variables: String {
        """

        :root{color-scheme:light dark;\(declarations(\.light))}
        @media (prefers-color-scheme:dark){:root{\(declarations(\.dark))}}
        @media print{:root{color-scheme:light;\(declarations(\.light))}}

        """
    }

    private static var figureRules: String {
        let series = (1...Palette.seriesCount).map { ".s\($0){--c:var(--s\($0))}" }.joined()
        return series + """
            .quietly{--c:var(--muted)}
            svg text{font:12px system-ui,"Segoe UI",Helvetica,Arial,sans-serif;fill:var(--ink)}
            svg .title{font-weight:600;font-size:14px}
            svg .tick{fill:var(--quiet);font-size:11px}
            svg .ink{font-size:11px}
            svg .back{fill:var(--page)}
            svg .band{fill:var(--panel)}
            svg .grid{stroke:var(--rule);stroke-width:1}
            svg .axis{stroke:var(--quiet);stroke-width:1}
            svg .line{fill:none;stroke:var(--c);stroke-width:1.8;stroke-linejoin:round}
            svg .dash1{stroke-dasharray:6 3}
            svg .dash2{stroke-dasharray:2 3}
            svg .dash3{stroke-dasharray:9 3 2 3}
            svg .dot{fill:var(--c)}
            svg .bar{fill:var(--c);stroke:var(--page);stroke-width:.5}
            svg .hollow{fill:var(--page);stroke:var(--c);stroke-width:1.6}
            svg .reference{stroke:var(--ink);stroke-width:1.2;stroke-dasharray:4 3}
            svg .cell{fill:var(--heat)}
            svg .action{fill:none;stroke:var(--ink);stroke-width:1.6}
            svg .frame{fill:none;stroke:var(--rule)}
            svg .timed .hollow,svg .timed .bar{vector-effect:non-scaling-stroke}

            """
    }

    private static let pageRules = """
        *{box-sizing:border-box}
        body{margin:0;background:var(--page);color:var(--ink);font:15px/1.5 system-ui,"Segoe UI",Helvetica,Arial,sans-serif}
        header,main,footer{max-width:76rem;margin:0 auto;padding:0 1.25rem}
        header{padding-top:1.5rem}
        h1{font-size:1.7rem;line-height:1.2;margin:0 0 .5rem}
        h2{font-size:1.3rem;margin:2.2rem 0 .6rem;padding-top:.8rem;border-top:1px solid var(--rule)}
        h3{font-size:1.05rem;margin:1.2rem 0 .4rem}
        h1,h2,h3,p,li,figcaption,summary,caption,tbody th,.words td,.words th{overflow-wrap:anywhere}
        p,ul{margin:.4rem 0;max-width:60rem}
        a{color:var(--link)}
        nav ul{display:flex;flex-wrap:wrap;gap:.2rem 1.1rem;list-style:none;padding:0;margin:.8rem 0}
        .quiet{color:var(--quiet)}
        .better{color:var(--better)}
        .worse{color:var(--worse)}
        .grid{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,33rem),1fr));gap:1rem;align-items:start}
        .grid>section{min-width:0}
        figure{margin:.5rem 0;padding:.7rem;background:var(--page);border:1px solid var(--rule);border-radius:8px;overflow-x:auto;min-width:0}
        figure svg{display:block;width:100%;height:auto}
        figcaption{color:var(--quiet);font-size:.87rem;margin-top:.4rem}
        .scroll{overflow-x:auto;max-width:100%}
        table{border-collapse:collapse;font-variant-numeric:tabular-nums;font-size:.9rem;margin:.5rem 0}
        caption{text-align:left;color:var(--quiet);padding:.2rem 0}
        th,td{padding:.25rem .6rem;border-bottom:1px solid var(--rule);text-align:right;vertical-align:top}
        th:first-child,td:first-child,.words td,.words th{text-align:left}
        thead th{background:var(--panel)}
        tbody th{font-weight:400;min-width:7rem;max-width:24rem}
        .words td,.words thead th{min-width:7rem}
        details{margin:.5rem 0}
        summary{cursor:pointer;color:var(--link)}
        pre{background:var(--panel);border:1px solid var(--rule);border-radius:8px;padding:.8rem;overflow-x:auto;font-size:.85rem}
        .tools{display:none;gap:.4rem;margin-bottom:.3rem}
        .scripted .tools{display:flex}
        button{font:inherit;font-size:.85rem;color:var(--ink);background:var(--panel);border:1px solid var(--muted);border-radius:6px;padding:.1rem .6rem}
        :focus-visible{outline:2px solid var(--link);outline-offset:2px}
        #tip{position:fixed;z-index:9;pointer-events:none;max-width:24rem;background:var(--ink);color:var(--page);font-size:.82rem;line-height:1.35;
        padding:.3rem .55rem;border-radius:6px;white-space:pre-line;overflow-wrap:anywhere}
        #tip[hidden]{display:none}
        .timed{cursor:grab;touch-action:pan-y}
        footer{padding-top:1rem;padding-bottom:2rem;color:var(--quiet);font-size:.87rem}

        """

    private static let printRules = """
        @media print{
        nav,.tools,#tip{display:none}
        .scripted .tools{display:none}
        body{font-size:10pt}
        h2,h3{break-after:avoid}
        figure,tr{break-inside:avoid}
        figure,.scroll,pre{overflow:visible}
        figure svg{min-width:0!important}
        pre{white-space:pre-wrap;overflow-wrap:anywhere}
        details::details-content{content-visibility:visible;block-size:auto}
        .grid{grid-template-columns:1fr 1fr;gap:.5rem}
        }

        """
}
