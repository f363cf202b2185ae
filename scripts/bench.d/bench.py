"""Measures Porthole and, in the same run, its peers: in the deterministic lab, so that the figures do not depend on what
else this machine does (docs/benchmarks.md). Prints a table. A run of everything also writes it to docs/benchmarks.md,
and the two that matter most to README.md.
"""

import argparse
import json
import os
import shutil
import sys
import textwrap

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.dont_write_bytecode = True

from catalogue import (BENCHMARKS, DISK, LAUNCH, LOGIN_MEMORY, MICRO, NETWORK, PROCESSORS, START, named,  # noqa: E402
                       of_guest_program, of_kind)
from lab_run import Failed, checked_build, collect, need, note, plan_of, run_lab, versions  # noqa: E402
from machines import PEERS  # noqa: E402
import baseline  # noqa: E402
import chart  # noqa: E402
import compare  # noqa: E402
import growth_report  # noqa: E402
import report  # noqa: E402

DOCUMENT = f"{PROJECT}/docs/benchmarks.md"
FIRST_PAGE = f"{PROJECT}/README.md"
CHART = f"{PROJECT}/docs/benchmarks.svg"
GROWTH_CHART = f"{PROJECT}/docs/growth.svg"
LINE = 118  # of a document
QEMU = "qemu-system-x86_64"
JAILED = (MICRO, PROCESSORS, START, DISK, NETWORK, LOGIN_MEMORY)  # kinds of what the jail may slow down, or make larger


def peer_path(text):
    name, _, path = text.partition("=")
    if name not in PEERS or not path:
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=PATH with one of: {', '.join(PEERS)}")
    if not (os.path.isfile(path) and os.access(path, os.X_OK)):
        raise argparse.ArgumentTypeError(f"'{path}' is not a program")
    return name, os.path.realpath(path)


def parse():
    parser = argparse.ArgumentParser(
        prog="scripts/bench", usage="scripts/bench [OPTION...]", allow_abbrev=False,
        description="Measures Porthole and QEMU in the deterministic lab. Prints a table, and writes it to "
                    "docs/benchmarks.md when everything was measured.",
        epilog="Benchmarks: " + ", ".join(benchmark.name for benchmark in BENCHMARKS))
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--only", metavar="NAME,...", help="measures only these")
    which.add_argument("--micro", action="store_true", help="measures only what the test guest measures of itself")
    which.add_argument("--growth", metavar="WHAT,...", nargs="?", const=",".join(growth_report.PARTS),
                       help="measures instead how figures grow, and what memory is used for: "
                            f"{', '.join(growth_report.PARTS)} (all)")
    which.add_argument("--jail", action="store_true", help="measures instead what the jail costs, beside a run without")
    which.add_argument("--wall-clock", metavar="ROUNDS", nargs="?", type=int, const=5,
                       help="measures times instead, in the parallel lab, the machines in turns (%(const)s rounds)")
    which.add_argument("--contention", metavar="ROUNDS", nargs="?", type=int, const=5,
                       help="measures instead, in the parallel lab too, what a guest's processors cost each other (%(const)s rounds)")
    parser.add_argument("--peer", metavar="NAME=PATH", type=peer_path, action="append", default=[],
                        help=f"measures this program too, or instead of the installed one: {', '.join(PEERS)}")
    parser.add_argument("--no-peers", action="store_true", help="measures Porthole and the bare exits alone")
    parser.add_argument("--json", metavar="FILE", help="writes an array of objects with name, unit, porthole, peers, floor")
    parser.add_argument("--compare", metavar="BASE.json", help="says what is better or worse than in that file by more than 1 %%")
    parser.add_argument("--check-baseline", action="store_true",
                        help="says, for each, whether it is at most 3 %% worse than the committed baseline; status 1 if not")
    parser.add_argument("--write-baseline", action="store_true", help="makes these figures the baseline")
    parser.add_argument("--runs", metavar="N", type=int, default=3, help="how often Linux is launched (%(default)s)")
    parser.add_argument("--build", metavar="DIR",
                        help="measures the programs in this folder as they are (default: build/release, brought up to date)")
    options = parser.parse_args()
    if not 1 <= options.runs <= 99:
        parser.error("--runs needs a number from 1 to 99")
    if options.growth and not set(options.growth.split(",")) <= set(growth_report.PARTS):
        parser.error(f"--growth knows: {', '.join(growth_report.PARTS)}")
    for name, rounds in ("--wall-clock", options.wall_clock), ("--contention", options.contention):
        if rounds is not None and not 1 <= rounds <= 99:
            parser.error(f"{name} needs a number from 1 to 99")
    if (options.check_baseline or options.write_baseline) and not options.micro:
        parser.error("the baseline is one of --micro")
    try:
        options.benchmarks = (named(options.only.split(",")) if options.only else
                              of_kind(*JAILED) if options.jail else
                              of_guest_program() if options.micro else BENCHMARKS)
        options.base = compare.read(options.compare) if options.compare else None
    except (OSError, ValueError) as error:
        parser.error(str(error))
    return options


def peers_of(options, build):
    if options.no_peers:
        return {}
    if options.jail:
        return {"unconfined": f"{build}/porthole"}
    peers = dict(options.peer)
    if "qemu" not in peers:
        need(QEMU)
        peers["qemu"] = shutil.which(QEMU)
    return {name: peers[name] for name in PEERS if name in peers}


def write_json(path, objects):
    with open(path, "w", encoding="utf-8") as file:
        json.dump(objects, file, indent=2)
        file.write("\n")


def benchmarks(options, build, peers):
    plan = plan_of(build, {benchmark.kind for benchmark in options.benchmarks}, peers,
                   names=[benchmark.name for benchmark in options.benchmarks], runs=options.runs)
    results = collect(run_lab(plan))
    objects = report.as_objects(options.benchmarks, results, list(peers))
    spreads = list(report.spreads(options.benchmarks, results))
    if options.json:
        write_json(options.json, objects)
    print(report.as_text(objects))
    for sentence in spreads:
        print(sentence.replace("`", ""))
    if options.base:
        print("\n".join(compare.sentences(options.base, objects)))
    if options.benchmarks == BENCHMARKS and not options.no_peers:
        chart.write(CHART, chart.ratios(objects))
        update_document("results", report.as_markdown(objects), CHART, [*spreads, versions(build, peers)])
        report.update(FIRST_PAGE, "figures", report.as_highlights(objects))
    if options.jail and not options.no_peers:
        sentences = [report.filters(results), *spreads, versions(build, {})]
        update_document("jail", report.as_markdown(objects, floors=False), None, sentences)
    steady = {benchmark.name for benchmark in options.benchmarks if benchmark.steady}
    multiples = (baseline.multiples([o for o in objects if o["name"] in steady], results.median(baseline.UNIT, "bare"))
                 if options.micro else {})
    if options.write_baseline:
        baseline.write(multiples)
        note(f"wrote {os.path.relpath(baseline.PATH)}; say in the commit why")
    return baseline.check(baseline.read(), multiples) if options.check_baseline else 0


def update_document(part, table, picture, sentences):
    shown = [f"![the same as a chart]({os.path.basename(picture)})"] if picture else []
    wrapped = [textwrap.fill(sentence, LINE, break_on_hyphens=False) for sentence in sentences]
    report.update(DOCUMENT, part, "\n\n".join([table, *shown, *wrapped]))
    note(f"wrote {os.path.relpath(DOCUMENT)}{f' and {os.path.relpath(picture)}' if picture else ''}")


def growth(options, build, peers):
    """How figures grow with what a VMM is given."""
    said = list(run_lab(plan_of(build, {LAUNCH}, peers, growth=options.growth.split(","))))
    if options.json:
        write_json(options.json, said)
    print(growth_report.as_text(said))
    if set(options.growth.split(",")) == set(growth_report.PARTS) and not options.no_peers:
        chart.write(GROWTH_CHART, growth_report.as_chart(said))
        update_document("growth", growth_report.as_markdown(said), GROWTH_CHART, [versions(build, peers)])
    return 0


def wall_clock(options, build, peers):
    """Times, in the parallel lab."""
    results = collect(run_lab(plan_of(build, {LAUNCH}, peers, wall_clock=options.wall_clock), options=("--parallel",)))
    names = [benchmark.name for benchmark in of_kind(MICRO, PROCESSORS, LAUNCH)]
    if options.json:
        write_json(options.json, [{"name": name, "unit": "ns", "values": {
            machine: results.values.get((name, machine), []) for machine in ("porthole", *peers)}} for name in names])
    table = report.wall_clock_rows(names, results, peers)
    print(report.text_table(table, words=1))
    if not options.no_peers:
        update_document("wall clock", report.markdown_table(table, words=1), None, [versions(build, peers)])
    return 0


def contention(options, build, peers):
    """Times, in the parallel lab, of one, two, four and eight processors."""
    processors = min(8, max(2, os.cpu_count() or 2))
    said = list(run_lab(plan_of(build, {LAUNCH}, peers, contention=options.contention), options=("--parallel", "--cpus", str(processors))))
    if options.json:
        write_json(options.json, said)
    table = report.contention_rows(said)
    print(report.text_table(table))
    if not options.no_peers:
        sentence = f"The lab had {processors} processors. {versions(build, peers)}"
        update_document("contention", report.markdown_table(table), None, [sentence])
    return 0


def main():
    options = parse()
    need("ip", "cpio", "ldd", "mount")
    build = checked_build(options.build)
    run = growth if options.growth else wall_clock if options.wall_clock else contention if options.contention else benchmarks
    return run(options, build, peers_of(options, build))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except (Failed, OSError, ValueError) as error:
        note(error)
        sys.exit(2)
