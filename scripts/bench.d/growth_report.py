"""What scripts/bench --growth found, as tables and as a chart."""

import chart
import report
from machines import title

HEADS = {
    "processors": ("processors", "a guest that halts at once, with so many processors, of which it starts only the first"),
    "memory": ("memory, MiB", "the same with so much memory, of which it uses little"),
    "partitions": ("partitions", "so many guests of 16 MiB in one process, which all halt"),
    "children": ("children", "a guest that has made so many partitions, of one processor each"),
    "ports": ("ports", "a guest with so many message ports"),
}
PARTS = ("linux", *HEADS)  # the first does not grow, but is taken apart


def points_of(said, growth):
    """{(machine, what): {x: figure}}"""
    found = {}
    for point in said:
        if point.get("growth") == growth:
            for what, value in point["values"].items():
                found.setdefault((point["machine"], what), {})[point["x"]] = value
    return found


def table(said, growth):
    columns = points_of(said, growth)
    several = len({machine for machine, _ in columns}) > 1
    head = [HEADS[growth][0], *(f"{chart.machine_title(machine)}, {what}" if several else what for machine, what in columns)]
    xs = sorted({x for figures in columns.values() for x in figures})
    return [head] + [[report.number(x), *(report.number(figures.get(x)) for figures in columns.values())] for x in xs]


def as_text(said):
    return "\n\n".join(f"{HEADS[growth][1]}\n{report.text_table(table(said, growth), words=0)}" for growth in HEADS
                       if points_of(said, growth)) + (
        f"\n\n{report.text_table(category_table(said), words=1)}" if len(category_table(said)) > 1 else "")


def as_markdown(said):
    parts = [f"**{HEADS[growth][1][0].upper()}{HEADS[growth][1][1:]}**\n\n{report.markdown_table(table(said, growth), words=0)}"
             for growth in HEADS if points_of(said, growth)]
    return "\n\n".join([*parts, "**What the memory of one Linux guest's VMM consists of**\n\n"
                        + report.markdown_table(category_table(said), words=1)])


def category_table(said):
    """Resident and private KiB of a VMM with one guest, by what they are."""
    found = {result["machine"]: result["categories"] for result in said if "categories" in result}
    names = list(dict.fromkeys(name for categories in found.values() for name in categories))
    head = ["KiB of one guest with 256 MiB"]
    for machine in found:
        head += [f"{chart.machine_title(machine)}, resident", "private"]
    body = [[name, *(report.number(size) for categories in found.values() for size in categories.get(name, (None, None)))]
            for name in names]
    return [head, *body]


def as_chart(said):
    panels = []
    for growth, (x_name, _) in HEADS.items():
        by_figure = {}
        for (machine, what), figures in points_of(said, growth).items():
            by_figure.setdefault(what, {})[machine] = figures
        panels += [(f"{x_name.split(',')[0]}: {what}", lines) for what, lines in by_figure.items()]
    return chart.panels(panels)
