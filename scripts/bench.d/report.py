"""The results of scripts/bench as objects, as a table, and in docs/benchmarks.md."""

import statistics

BEGIN = "<!-- written by scripts/bench: begin -->"
END = "<!-- written by scripts/bench: end -->"


class Results:
    def __init__(self):
        self.values = {}  # (benchmark, machine): what each run gave; none where the machine cannot run it

    def add(self, name, machine, values):
        self.values[name, machine] = values

    def median(self, name, machine):
        values = self.values[name, machine]
        return round(statistics.median(values)) if values else None

    def spread(self, name, machine):
        """Of the runs, as a part of their median; None for fewer than two."""
        values = self.values[name, machine]
        return (max(values) - min(values)) / statistics.median(values) if len(values) > 1 else None

    def floor(self, benchmark):
        if not benchmark.exits:
            return None
        return sum(count * self.median(kind, "bare") for kind, count in benchmark.exits.items())


def as_objects(benchmarks, results):
    return [{"name": benchmark.name, "unit": benchmark.unit,
             "porthole": results.median(benchmark.name, "porthole"),
             "peers": {"qemu": results.median(benchmark.name, "qemu")},
             "floor": results.floor(benchmark)} for benchmark in benchmarks]


def number(value):
    return "–" if value is None else f"{value:,}"


def ratio(value, base):
    return "–" if not value or not base else f"{value / base:.2f}"


def rows(objects):
    head = ("benchmark", "unit", "Porthole", "QEMU", "of QEMU", "floor", "of floor")
    return [head] + [(o["name"], o["unit"], number(o["porthole"]), number(o["peers"]["qemu"]),
                      ratio(o["porthole"], o["peers"]["qemu"]), number(o["floor"]), ratio(o["porthole"], o["floor"]))
                     for o in objects]


def as_text(objects):
    table = rows(objects)
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    lines = []
    for row in table:
        words = [cell.ljust(width) if column < 2 else cell.rjust(width)
                 for column, (cell, width) in enumerate(zip(row, widths))]
        lines.append("  ".join(words).rstrip())
    lines.insert(1, "-" * len(lines[0]))
    return "\n".join(lines)


def as_markdown(objects):
    head, *body = rows(objects)
    lines = ["| " + " | ".join(head) + " |", "|---|---|" + "---:|" * (len(head) - 2)]
    return "\n".join(lines + ["| `" + row[0] + "` | " + " | ".join(row[1:]) + " |" for row in body])


def spreads(benchmarks, results):
    """One sentence on how far apart the runs of one build were, for each benchmark that ran more than once."""
    names = {"porthole": "Porthole", "qemu": "QEMU"}
    for benchmark in benchmarks:
        found = {machine: results.spread(benchmark.name, machine) for machine in names}
        if all(spread is not None for spread in found.values()):
            count = len(results.values[benchmark.name, "porthole"])
            parts = ", ".join(f"{names[machine]} {spread:.2%}" for machine, spread in found.items())
            yield f"`{benchmark.name}` is the median of {count} runs; from the least to the most: {parts}."


def update(path, text):
    """Replaces what stands between the marks in that file. Raises ValueError when they are not there."""
    with open(path, encoding="utf-8") as file:
        document = file.read()
    head, begin, rest = document.partition(BEGIN)
    _, end, foot = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} lacks the lines '{BEGIN}' and '{END}'")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{head}{BEGIN}\n\n{text}\n\n{END}{foot}")
