"""Charts as SVG, readable on light and on dark ground."""

import math
from html import escape

from machines import title

STYLE = """<style>
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.small { font-size: 11px; fill: #59636e }
.grid { stroke: #d1d9e0; stroke-width: 1 }
.one { stroke: #59636e; stroke-width: 1 }
.join { stroke: #d1d9e0; stroke-width: 3 }
.s0 { fill: #0969da; stroke: #0969da } .s1 { fill: #bc4c00; stroke: #bc4c00 }
.s2 { fill: #8250df; stroke: #8250df } .s3 { fill: #1a7f37; stroke: #1a7f37 }
.floor { fill: #818b98; stroke: #818b98 }
polyline.line { fill: none; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc } .small { fill: #9198a1 } .grid, .join { stroke: #3d444d } .one { stroke: #9198a1 }
.s0 { fill: #4493f8; stroke: #4493f8 } .s1 { fill: #db6d28; stroke: #db6d28 }
.s2 { fill: #ab7df8; stroke: #ab7df8 } .s3 { fill: #3fb950; stroke: #3fb950 }
}
</style>"""

WIDTH = 860
MACHINES = {"porthole": "Porthole", "floor": "floor"}
LABELS = 210  # of it, for names
ROW = 20
TOP = 52
RIGHT = 30


def machine_title(name):
    return MACHINES.get(name) or title(name)


def document(height, parts, width=WIDTH):
    return "\n".join([f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
                      f'height="{height}" role="img">', STYLE, *parts, "</svg>", ""])


def text(x, y, words, anchor="start", kind=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{kind and f" class={chr(34)}{kind}{chr(34)}"}>{escape(words)}</text>'


def line(x1, y1, x2, y2, kind):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def mark(x, y, kind, what):
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" class="{kind}"><title>{escape(what)}</title></circle>'


def legend(x, y, entries):
    parts = []
    for kind, name in entries:
        parts += [mark(x, y - 4, kind, name), text(x + 10, y, name)]
        x += 30 + 7 * len(name)
    return parts


def ratios(objects):
    """Of each benchmark, the peers and the floor as multiples of Porthole, on a logarithmic scale."""
    peers = list(dict.fromkeys(name for o in objects for name in o["peers"]))
    rows = [(o["name"], compared) for o in objects if o["porthole"] and (compared := {
        **{name: value / o["porthole"] for name, value in o["peers"].items() if value},
        **({"floor": o["floor"] / o["porthole"]} if o["floor"] else {})})]
    values = [ratio for _, compared in rows for ratio in compared.values()] + [1]
    low = math.floor(math.log2(min(values)))
    high = math.ceil(math.log2(max(values)))

    def place(ratio):
        return LABELS + (math.log2(ratio) - low) / max(high - low, 1) * (WIDTH - LABELS - RIGHT)

    bottom = TOP + ROW * len(rows)
    entries = [("s0", "Porthole = 1"), *((f"s{1 + i}", title(name)) for i, name in enumerate(peers)),
               ("floor", "floor: the bare exits")]
    parts = legend(LABELS, 18, entries)
    for power in range(low, high + 1):
        x = place(2.0 ** power)
        parts += [line(x, TOP - 8, x, bottom, "one" if power == 0 else "grid"),
                  text(x, TOP - 12, f"{2.0 ** power:g}×", "middle", "small")]
    for index, (name, compared) in enumerate(rows):
        y = TOP + ROW * index + ROW / 2
        places = [place(ratio) for ratio in compared.values()] + [place(1)]
        parts += [text(LABELS - 12, y + 4, name, "end"), line(min(places), y, max(places), y, "join")]
        for other, ratio in compared.items():
            kind = "floor" if other == "floor" else f"s{1 + peers.index(other)}"
            parts.append(mark(place(ratio), y, kind, f"{name}: {machine_title(other)} {ratio:.2f} of Porthole"))
        parts.append(mark(place(1), y, "s0", f"{name}: Porthole"))
    return document(bottom + 14, parts)


PANEL = 205  # the width of a small chart, and what a line of them takes
PANEL_HEIGHT = 160
PLOT = (38, 30, 195, 128)  # left, top, right, bottom in it
SHORT = ((10 ** 9, "G"), (10 ** 6, "M"), (10 ** 3, "k"), (1, ""))


def short(value):
    for unit, letter in SHORT:
        if value >= unit:
            return f"{value / unit:.3g}{letter}"
    return f"{value:g}"


def panel(left, top, name, lines, machines):
    """One small chart: {machine: {x: figure}}, both axes logarithmic."""
    xs = sorted({x for figures in lines.values() for x in figures})
    values = [max(figure, 1) for figures in lines.values() for figure in figures.values()]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    high = max(high, low + 1)
    x0, y0, x1, y1 = PLOT

    def place(x, figure):
        across = (math.log(x) - math.log(xs[0])) / (math.log(xs[-1]) - math.log(xs[0]) or 1)
        return (left + x0 + across * (x1 - x0), top + y1 - (math.log10(max(figure, 1)) - low) / (high - low) * (y1 - y0))

    parts = [text(left + 4, top + 18, name, kind="small")]
    for power in range(low, high + 1):
        _, y = place(xs[0], 10 ** power)
        parts += [line(left + x0, y, left + x1, y, "grid"), text(left + x0 - 4, y + 4, short(10 ** power), "end", "small")]
    for x, anchor in (xs[0], "start"), (xs[-1], "end"):
        parts.append(text(place(x, 1)[0], top + y1 + 15, short(x), anchor, "small"))
    for machine, figures in lines.items():
        kind = f"s{machines.index(machine)}"
        places = [place(x, figure) for x, figure in sorted(figures.items())]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path}" class="line {kind}"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" class="{kind}"><title>{escape(machine_title(machine))} {at:,}: '
                  f'{figure:,}</title></circle>' for (x, y), (at, figure) in zip(places, sorted(figures.items()))]
    return parts


def panels(named_lines):
    """Many small charts, four in a line: [(name, {machine: {x: figure}})]."""
    machines = list(dict.fromkeys(machine for _, lines in named_lines for machine in lines))
    parts = legend(16, 20, [(f"s{index}", machine_title(machine)) for index, machine in enumerate(machines)])
    across = WIDTH // PANEL
    for index, (name, lines) in enumerate(named_lines):
        parts += panel(index % across * PANEL + 10, 32 + index // across * PANEL_HEIGHT, name, lines, machines)
    return document(40 + -(-len(named_lines) // across) * PANEL_HEIGHT, parts)


def write(path, svg):
    with open(path, "w", encoding="utf-8") as file:
        file.write(svg)
