"""usage: scripts/folder-graph [--check | --write]

Prints which folders of hv, devices and vmm include which others of the same library: upper layers first, so that every
name on the right stands further down on the left. Status 1, with the includes at fault, when folders include each other
in a cycle or a library includes one above it. Tests, testing and fuzz folders are left out.

--check also fails when docs/architecture.md shows another graph; --write puts the graph there.
"""

import pathlib
import re
import sys

PROJECT = pathlib.Path(__file__).resolve().parents[2]
LIBRARIES = ("hv", "devices", "vmm")  # each may include those before it
PAGE = PROJECT / "docs/architecture.md"
BEGIN, END = "<!-- scripts/folder-graph --write -->\n", "<!-- end of the folder graph -->\n"
INCLUDE = re.compile(r'^#include "((?:hv|devices|vmm)/[^"]+)"', re.MULTILINE)


def sources(library):
    """The library's own sources, as paths below the project."""
    for path in sorted((PROJECT / library).rglob("*.[ch]pp")):
        name = path.relative_to(PROJECT)
        if not name.stem.endswith("_test") and not {"testing", "fuzz"} & set(name.parts):
            yield name


def folder_of(path):
    """The folder that counts for a file: the one below the library, and in devices/vmbus the one below that."""
    parts = path.parent.parts
    return "/".join(parts[:3] if parts[:2] == ("devices", "vmbus") else parts[:2])


def read_graph():
    """{folder: {folder it includes: [(file, included file)]}} within libraries, and the includes that lead upwards."""
    graph, upward = {}, []
    for rank, library in enumerate(LIBRARIES):
        for path in sources(library):
            edges = graph.setdefault(folder_of(path), {})
            for included in map(pathlib.PurePosixPath, INCLUDE.findall((PROJECT / path).read_text(encoding="utf-8"))):
                target = folder_of(included)
                if LIBRARIES.index(included.parts[0]) > rank:
                    upward.append((path, included))
                elif included.parts[0] == library and target != folder_of(path):
                    edges.setdefault(target, []).append((path, included))
    return graph, upward


def heights(graph):
    """How far each folder is above the lowest, and the folders that stand in or above a cycle."""
    height, left = {}, set(graph)
    while ready := [folder for folder in left if not set(graph[folder]) & left]:
        for folder in ready:
            height[folder] = 1 + max((height[below] for below in graph[folder] if below in height), default=-1)
        left -= set(ready)
    return height, left


def in_cycles(graph, left):
    """Of the folders that have no height, those that are part of a cycle."""
    def reaches(start):
        seen, pending = set(), [start]
        while pending:
            for below in graph.get(pending.pop(), {}):
                if below in left and below not in seen:
                    seen.add(below)
                    pending.append(below)
        return seen
    return {folder for folder in left if folder in reaches(folder)}


def drawing(graph, height):
    lines = []
    for library in reversed(LIBRARIES):
        own = [folder for folder in graph if folder.startswith(f"{library}/") or (folder == library and graph[folder])]
        lines += ["", library] if lines else [library]
        for folder in sorted(own, key=lambda one: (-height[one], one)):
            below = " ".join(sorted(target.removeprefix(f"{library}/") for target in graph[folder]))
            lines.append(f"  {folder.removeprefix(f'{library}/'):16} {below}".rstrip())
    return "".join(f"    {line}".rstrip() + "\n" for line in lines)


def page_with(graph):
    before, found, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not found or not ended:
        sys.exit(f"folder-graph: {PAGE.name} has no place for the graph, between {BEGIN.strip()} and {END.strip()}")
    return f"{before}{BEGIN}\n{graph}\n{END}{after}"


def main():
    option = sys.argv[1] if len(sys.argv) == 2 else None
    if len(sys.argv) > 2 or option not in (None, "--check", "--write"):
        sys.exit(__doc__.splitlines()[0])
    graph, upward = read_graph()
    height, left = heights(graph)
    faults = [f"{path} includes {included}, which is above it" for path, included in upward]
    cycle = in_cycles(graph, left)
    for folder in sorted(cycle):
        for target in sorted(set(graph[folder]) & cycle):
            path, included = graph[folder][target][0]
            faults.append(f"{folder} and {target} are in a cycle: {path} includes {included}")
    if faults:
        sys.exit("\n".join(faults))
    drawn = drawing(graph, height)
    if option == "--write":
        PAGE.write_text(page_with(drawn), encoding="utf-8")
    elif option == "--check" and page_with(drawn) != PAGE.read_text(encoding="utf-8"):
        sys.exit(f"{PAGE.relative_to(PROJECT)} shows another graph: run scripts/folder-graph --write")
    else:
        print(drawn, end="")


main()
