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
.line { fill: none; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
text { fill: #f0f6fc } .small { fill: #9198a1 } .grid, .join { stroke: #3d444d } .one { stroke: #9198a1 }
.s0 { fill: #4493f8; stroke: #4493f8 } .s1 { fill: #db6d28; stroke: #db6d28 }
.s2 { fill: #ab7df8; stroke: #ab7df8 } .s3 { fill: #3fb950; stroke: #3fb950 }
}
</style>"""

WIDTH = 860
LABELS = 210  # of it, for names
ROW = 20
TOP = 52
RIGHT = 30


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
            parts.append(mark(place(ratio), y, kind, f"{name}: {title(other)} {ratio:.2f} of Porthole"))
        parts.append(mark(place(1), y, "s0", f"{name}: Porthole"))
    return document(bottom + 14, parts)


def write(path, svg):
    with open(path, "w", encoding="utf-8") as file:
        file.write(svg)
