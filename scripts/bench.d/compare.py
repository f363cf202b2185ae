"""Two results of scripts/bench --json, side by side."""

import json

LIMIT = 0.01  # two runs of one build differ by less


def read(path):
    with open(path, encoding="utf-8") as file:
        objects = json.load(file)
    if not isinstance(objects, list) or not all(isinstance(o, dict) and {"name", "porthole"} <= o.keys() for o in objects):
        raise ValueError(f"'{path}' is not what scripts/bench --json writes")
    return objects


def sentences(base, objects):
    """What is better or worse than before, and by how much; what only one of the two has."""
    before = {o["name"]: o["porthole"] for o in base}
    now = {o["name"]: o["porthole"] for o in objects}
    found = {"worse": [], "better": []}
    for name in before.keys() & now.keys():
        if before[name] and now[name]:
            change = now[name] / before[name] - 1
            if abs(change) > LIMIT:
                found["worse" if change > 0 else "better"].append((change, name))
    for word, changes in found.items():
        for change, name in sorted(changes, key=lambda item: -abs(item[0])):
            yield f"{word}: {name} {change:+.1%} ({before[name]:,} to {now[name]:,})"
    for name in sorted(now.keys() - before.keys()):
        yield f"new: {name}"
    if not any(found.values()):
        yield f"no change of more than {LIMIT:.0%}"
