"""What the micro-benchmarks may cost: multiples of the bare exit of the same run, so that another kernel in the lab, which
makes every exit cheaper or dearer, leaves them where they are.
"""

import json
import os

PATH = os.path.join(os.path.dirname(os.path.realpath(__file__)), "baseline.json")
UNIT = "bare_out"  # as vmm/bench calls it
TOLERANCE = 0.03
WHOLE_INSTRUCTIONS = 2  # by which a figure may be worse in any case: the smallest ones consist of a few


def multiples(objects, bare_exit):
    return {o["name"]: o["porthole"] / bare_exit for o in objects if o["porthole"] is not None} | {UNIT: bare_exit}


def read(path=PATH):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def write(found, path=PATH):
    with open(path, "w", encoding="utf-8") as file:
        json.dump({name: round(value, 5) for name, value in found.items() if name != UNIT}, file, indent=2)
        file.write("\n")


def verdicts(allowed, found):
    """For each benchmark, in either, None if it is in order, or a complaint."""
    slack = WHOLE_INSTRUCTIONS / found[UNIT]
    for name in allowed.keys() | (found.keys() - {UNIT}):
        if name not in found:
            yield name, "was not measured"
        elif name not in allowed:
            yield name, "has no baseline; scripts/bench --micro --no-peers --write-baseline makes one"
        elif found[name] > allowed[name] * (1 + TOLERANCE) + slack:
            yield name, (f"{found[name]:.4f} of a bare exit, {found[name] / allowed[name] - 1:+.1%} from the baseline's "
                         f"{allowed[name]:.4f}")
        else:
            yield name, None


def check(allowed, found):
    """Prints a line for each and how many there are of which kind; returns the status of the program."""
    passed = failed = 0
    for name, complaint in sorted(verdicts(allowed, found)):
        if complaint:
            print(f"not ok bench.{name}: {complaint}")
            failed += 1
        else:
            print(f"ok bench.{name}")
            passed += 1
    print(f"{passed} passed, {failed} failed, 0 skipped")
    return 1 if failed else 0
