"""The results of scripts/bench as objects, as a table, and in docs/benchmarks.md."""

import statistics

from chart import machine_title
from machines import title


class Results:
    def __init__(self):
        self.values = {}  # (benchmark, machine): what each run gave; none where the machine cannot run it

    def add(self, name, machine, values):
        self.values.setdefault((name, machine), []).extend(values)

    def median(self, name, machine):
        values = self.values.get((name, machine))
        return round(statistics.median(values)) if values else None

    def spread(self, name, machine):
        """Of the runs, as a part of their median; None for fewer than two."""
        values = self.values[name, machine]
        return (max(values) - min(values)) / statistics.median(values) if len(values) > 1 else None

    def floor(self, benchmark):
        if not benchmark.exits:
            return None
        return sum(count * self.median(kind, "bare") for kind, count in benchmark.exits.items())


def as_objects(benchmarks, results, peers):
    return [{"name": benchmark.name, "unit": benchmark.unit,
             "porthole": results.median(benchmark.name, "porthole"),
             "peers": {peer: results.median(benchmark.name, peer) for peer in peers},
             "floor": results.floor(benchmark)} for benchmark in benchmarks]


def number(value):
    return "–" if value is None else f"{value:,}"


def ratio(value, base):
    return "–" if not value or not base else f"{value / base:.2f}"


def rows(objects):
    """The table, its head first."""
    peers = list(objects[0]["peers"])
    head = ["benchmark", "unit", "Porthole"]
    for peer in peers:
        head += [title(peer), f"of {title(peer)}"]
    table = [[*head, "floor", "of floor"]]
    for o in objects:
        row = [o["name"], o["unit"], number(o["porthole"])]
        for peer in peers:
            row += [number(o["peers"][peer]), ratio(o["porthole"], o["peers"][peer])]
        table.append([*row, number(o["floor"]), ratio(o["porthole"], o["floor"])])
    return table


def as_text(objects):
    return text_table(rows(objects))


def text_table(table, words=2):
    """The first columns, as many as `words`, hold words, the others numbers."""
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    lines = []
    for row in table:
        cells = [cell.ljust(width) if column < words else cell.rjust(width)
                 for column, (cell, width) in enumerate(zip(row, widths))]
        lines.append("  ".join(cells).rstrip())
    lines.insert(1, "-" * len(lines[0]))
    return "\n".join(lines)


def as_markdown(objects, floors=True):
    head, *body = (row if floors else row[:-2] for row in rows(objects))
    return markdown_table([head, *([f"`{row[0]}`", *row[1:]] for row in body)])


def filters(results):
    """What seccomp costs an exit, whatever is in its list."""
    none, cached, request, two = (results.median(name, "bare") for name in
                                  ("no_filter", "cached_filter", "request_filter", "two_request_filters"))
    return (f"An exit for which a VMM does nothing takes {number(none)} instructions, {number(cached - none)} more under a filter "
            f"that lets any ioctl(2) pass, so that the kernel answers from its cache, {number(request - none)} more under one "
            f"that looks at the request, and {number(two - none)} more under two of these.")


# The figures of the first page, and what they are in words.
HIGHLIGHTS = {"post_message_self": "post a message to oneself and receive it",
              "resident_overhead_serial": "memory beside the guest's RAM"}


def as_highlights(objects):
    """For README.md: without floors, and with the command for each."""
    head, *body = rows([o for o in objects if o["name"] in HIGHLIGHTS])
    return markdown_table([["", *head[1:-2], "measured by"],
                           *([HIGHLIGHTS[row[0]], *row[1:-2], f"`scripts/bench --only {row[0]}`"] for row in body)])


def markdown_table(table, words=2):
    head, *body = table
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * words + "---:|" * (len(head) - words)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in body])


def wall_clock_rows(names, results, peers):
    """Medians and, in parentheses, from the least to the most as a part of that."""
    def cell(name, machine):
        median = results.median(name, machine)
        return "–" if median is None else f"{median:,} ({results.spread(name, machine) or 0:.0%})"

    head = ["nanoseconds", "Porthole"]
    for peer in peers:
        head += [title(peer), f"of {title(peer)}"]
    table = [head]
    for name in names:
        row = [name, cell(name, "porthole")]
        for peer in peers:
            row += [cell(name, peer), ratio(results.median(name, "porthole"), results.median(name, peer))]
        table.append(row)
    return table


def contention_rows(said):
    """For each operation and machine, a column for each number of processors; cells as those of wall_clock_rows."""
    results = Results()
    for point in said:
        results.add((point["contention"], point["processors"]), point["machine"], [point["value"]])
    names = dict.fromkeys(point["contention"] for point in said)
    machines = dict.fromkeys(point["machine"] for point in said)
    counts = sorted({point["processors"] for point in said})

    def cell(name, count, machine):
        median = results.median((name, count), machine)
        return f"{median:,} ({results.spread((name, count), machine) or 0:.0%})"

    table = [["nanoseconds", "", *(f"{count} processors" if count > 1 else "1 processor" for count in counts)]]
    for name in names:
        table += [[name, machine_title(machine), *(cell(name, count, machine) for count in counts)]
                  for machine in machines if ((name, counts[0]), machine) in results.values]
    return table


def spreads(benchmarks, results):
    """One sentence on how far apart the runs of one build were, for each benchmark that ran more than once."""
    for benchmark in benchmarks:
        found = {machine: results.spread(name, machine) for name, machine in results.values if name == benchmark.name}
        parts = [f"{machine_title(machine)} {spread:.2%}"
                 for machine, spread in found.items() if spread is not None]
        if parts:
            count = len(results.values[benchmark.name, "porthole"])
            yield f"`{benchmark.name}` is the median of {count} runs; from the least to the most: {', '.join(parts)}."


def update(path, part, text):
    """Replaces what stands between the marks of that part in the file. Raises ValueError when they are not there."""
    begin_mark, end_mark = (f"<!-- {part}, written by scripts/bench: {end} -->" for end in ("begin", "end"))
    with open(path, encoding="utf-8") as file:
        document = file.read()
    head, begin, rest = document.partition(begin_mark)
    _, end, foot = rest.partition(end_mark)
    if not begin or not end:
        raise ValueError(f"{path} lacks the lines '{begin_mark}' and '{end_mark}'")
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{head}{begin_mark}\n\n{text}\n\n{end_mark}{foot}")
