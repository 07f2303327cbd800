// The frame of every page: its style, in both colour schemes.

extension HTMLReport {
    /// A whole page.
    static func page(_ title: String, _ body: String) -> String {
        """
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>\(HTMLText.escaped(title))</title>
        <style>
        \(style)
        </style>
        </head>
        <body>
        <h1>\(HTMLText.escaped(title))</h1>
        \(body)</body>
        </html>

        """
    }

    private static let style = """
        :root { --page: #fff; --text: #1c2128; --soft: #59636e; --line: #d8dee4; --card: #f6f8fa;
          --s0: #0969da; --s1: #bc4c00; --s2: #1a7f37; --s3: #8250df; --s4: #9a6700; --good: #1a7f37; --bad: #cf222e }
        @media (prefers-color-scheme: dark) {
          :root { --page: #0d1117; --text: #e6edf3; --soft: #9198a1; --line: #30363d; --card: #161b22;
            --s0: #58a6ff; --s1: #f0883e; --s2: #3fb950; --s3: #bc8cff; --s4: #d29922; --good: #3fb950; --bad: #f85149 } }
        * { box-sizing: border-box }
        body { margin: 0 auto; max-width: 72rem; padding: 1rem; background: var(--page); color: var(--text);
          font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere }
        h1 { font-size: 1.4rem; line-height: 1.25; margin: 0 0 .75rem }
        h2 { font-size: 1.1rem; margin: 1.5rem 0 .5rem }
        b.good { color: var(--good) } b.bad { color: var(--bad) }
        dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(8rem, 1fr)); gap: .5rem; margin: 1rem 0 }
        dl div { background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: .5rem .75rem }
        dt { color: var(--soft); font-size: .85rem } dd { margin: 0; font-size: 1.15rem; font-variant-numeric: tabular-nums }
        .plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); gap: 1rem; margin: 1rem 0 }
        figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: .5rem }
        figcaption { font-weight: 600 } small { color: var(--soft); font-weight: 400 }
        svg { display: block; width: 100%; height: auto }
        svg text { font: 11px system-ui, sans-serif; fill: var(--soft); paint-order: stroke;
          stroke: var(--card); stroke-width: 3px }
        .grid { stroke: var(--line); stroke-width: 1 } .one { stroke: var(--soft); stroke-dasharray: 4 3 }
        polyline { fill: none } polyline, .s0, .s1, .s2, .s3, .s4 { stroke-width: 2; stroke-linejoin: round }
        polyline { stroke: var(--s4) }
        .s0 { stroke: var(--s0) } .s1 { stroke: var(--s1) } .s2 { stroke: var(--s2) } .s3 { stroke: var(--s3) }
        .s4 { stroke: var(--s4) }
        circle { fill: var(--s4) }
        .d0 { fill: var(--s0) } .d1 { fill: var(--s1) } .d2 { fill: var(--s2) } .d3 { fill: var(--s3) }
        .key { display: flex; flex-wrap: wrap; gap: .25rem 1rem; margin: .25rem 0 0; font-size: .85rem }
        .key span::before { content: ""; display: inline-block; width: .8em; height: .8em; margin-right: .35em;
          border-radius: 2px; background: var(--s4) }
        .key .k0::before { background: var(--s0) } .key .k1::before { background: var(--s1) }
        .key .k2::before { background: var(--s2) } .key .k3::before { background: var(--s3) }
        .table, pre { overflow-x: auto; max-width: 100% }
        table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9rem }
        th, td { padding: .25rem .6rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap }
        th { color: var(--soft); font-weight: 600 }
        pre { background: var(--card); border: 1px solid var(--line); border-radius: 6px; padding: .75rem; font-size: min(.8rem, 2.75vw);
          line-height: 1.45; white-space: pre-wrap }
        code { font-size: .9em }
        """
}
