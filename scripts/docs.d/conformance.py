"""Writes the tables of docs/conformance.md from what the conformance suite printed under Porthole and under QEMU in the
last `scripts/test lab` (or `scripts/test`), which runs it under both.
"""

import os
import re
import sys

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
LOGS = f"{PROJECT}/build/test-logs/lab"
RUNS = {"Porthole": "conformance", "QEMU": "conformance-qemu"}
DIFFERENCES = f"{PROJECT}/guest-tests/qemu-differences.txt"
DOCUMENT = f"{PROJECT}/docs/conformance.md"
BEGIN = "<!-- written by scripts/conformance: begin -->"
END = "<!-- written by scripts/conformance: end -->"
SECTION = re.compile(r"# section (.*): (\d+) passed, (\d+) failed, (\d+) skipped")
FAILED = re.compile(r"not ok \d+ - (\S+) \[(.*?)\]")
CLOSING = re.compile(r"(\d+) passed, (\d+) failed, (\d+) skipped")


class Failed(Exception):
    """What the user is told before status 2."""


class Run:
    """What one hypervisor made of the suite."""

    def __init__(self, path):
        self.sections = {}  # name: (passed, failed, skipped)
        self.failed = {}    # test: section
        self.sums = None
        try:
            with open(path, errors="replace") as log:
                for line in log:
                    self.read(line.strip())
        except FileNotFoundError:
            raise Failed(f"no {os.path.relpath(path)}: run scripts/test lab first") from None
        if self.sums is None:
            raise Failed(f"{os.path.relpath(path)} has no closing line: the suite did not come to its end")

    def read(self, line):
        if match := SECTION.fullmatch(line):
            self.sections[match[1]] = tuple(int(n) for n in match.groups()[1:])
        elif match := FAILED.match(line):
            self.failed[match[1]] = match[2]
        elif match := CLOSING.fullmatch(line):
            self.sums = tuple(int(n) for n in match.groups())


def counts(found):
    return " | ".join(str(n) if n else "" for n in found)


def by_section(runs):
    names = list(runs)
    lines = ["| section | " + " | | | ".join(names) + " | | |", "|---|" + "---:|" * (3 * len(names)),
             "| | " + " | ".join(["passed | failed | skipped"] * len(names)) + " |"]
    every = sorted({section for run in runs.values() for section in run.sections}, key=section_order)
    for section in every:
        lines.append(f"| {section} | " + " | ".join(counts(run.sections.get(section, (0, 0, 0))) for run in runs.values()) + " |")
    lines.append("| **all** | " + " | ".join(counts(run.sums) for run in runs.values()) + " |")
    return "\n".join(lines)


def section_order(name):
    return [int(part) if part.isdigit() else 0 for part in re.split(r"[ .]", name)], name


def differences(run):
    with open(DIFFERENCES, encoding="utf-8") as file:
        why = dict(line.strip().split(": ", 1) for line in file if not line.startswith("#"))
    if missing := run.failed.keys() - why.keys():
        raise Failed(f"{os.path.relpath(DIFFERENCES)} does not explain {min(missing)}")
    lines = ["| test | section | QEMU |", "|---|---|---|"]
    return "\n".join(lines + [f"| `{test}` | {section} | {why[test]} |" for test, section in run.failed.items()])


def main():
    if len(sys.argv) > 1:
        raise Failed("usage: scripts/conformance")
    runs = {name: Run(f"{LOGS}/{log}.log") for name, log in RUNS.items()}
    text = "\n\n".join(["### By section", by_section(runs), "### Where QEMU differs", differences(runs["QEMU"])])
    with open(DOCUMENT, encoding="utf-8") as file:
        head, begin, rest = file.read().partition(BEGIN)
    _, end, foot = rest.partition(END)
    if not begin or not end:
        raise Failed(f"{os.path.relpath(DOCUMENT)} lacks the lines '{BEGIN}' and '{END}'")
    with open(DOCUMENT, "w", encoding="utf-8") as file:
        file.write(f"{head}{BEGIN}\n\n{text}\n\n{END}{foot}")
    print(f"wrote {os.path.relpath(DOCUMENT)}")


if __name__ == "__main__":
    try:
        main()
    except (Failed, OSError) as error:
        print(f"conformance: {error}", file=sys.stderr)
        sys.exit(2)
