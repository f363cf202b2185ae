"""Inside the lab: runs programs, and tells scripts/bench how it goes on. One JSON object a line: {"now": TEXT} says what is
done, {"error": TEXT} why it cannot go on; the others are results.
"""

import contextlib
import json
import os
import re
import signal
import time

LIMIT = 60  # seconds of the machine's time, for one program


class Failed(Exception):
    """Something did not run as it should; says what, with the end of its output."""


def say(**what):
    print(json.dumps(what), flush=True)


def out_of_time(*_):
    raise Failed(f"nothing happened for {LIMIT} seconds of the machine's time")


def tail(text):
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    return "".join(f"\n    {line}" for line in lines[-12:]) or " (no output)"


def spawn(command, stdout):
    null = os.open("/dev/null", os.O_RDONLY)
    actions = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, stdout, 1), (os.POSIX_SPAWN_DUP2, stdout, 2)]
    try:
        return os.posix_spawnp(command[0], command, os.environ, file_actions=actions)
    finally:
        os.close(null)


def run(command, expected_status):
    """Runs it to its end. Returns its output and how many nanoseconds of the machine's clock it took."""
    path = "/tmp/output"
    output = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    try:
        signal.alarm(LIMIT)
        begin = time.monotonic_ns()
        pid = spawn(command, output)
        _, status = os.waitpid(pid, 0)
        nanoseconds = time.monotonic_ns() - begin
        signal.alarm(0)
    finally:
        os.close(output)
    with open(path, errors="replace") as file:
        text = file.read()
    status = os.waitstatus_to_exitcode(status)
    if status != expected_status:
        raise Failed(f"'{' '.join(command)}' ended with status {status}, not {expected_status}:{tail(text)}")
    return text, nanoseconds


class Running:
    """A VMM's process, and how many nanoseconds after its start its guest had printed what was waited for."""

    def __init__(self, pid, nanoseconds, text):
        self.pid = pid
        self.nanoseconds = nanoseconds
        self.text = text

    def figures(self):
        return printed_figures(self.text)


@contextlib.contextmanager
def running(machine, command, ready, times=1):
    """A VMM whose guests have printed `ready` so many times. It is killed in the end."""
    reader, writer = os.pipe()
    begin = time.monotonic_ns()
    pid = spawn(command, writer)
    os.close(writer)
    text = ""
    try:
        signal.alarm(LIMIT)
        with os.fdopen(reader, errors="replace") as output:
            while text.count(ready) < times:
                line = output.readline()
                if not line:
                    raise Failed(f"the guest did not come to '{ready}' under {machine.name}:{tail(text)}")
                text += line
            nanoseconds = time.monotonic_ns() - begin
            signal.alarm(0)
            yield Running(pid, nanoseconds, text)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def printed_figures(text):
    return {name: int(value) for name, value in re.findall(r"^(?:\w+\| )?bench (\w+) (\d+)\s*$", text, re.MULTILINE)}


def guest_ram(mib):
    """Tells a mapping by its size: VMMs map a guest's memory as a whole, some with a little around it."""
    return lambda size: mib << 20 <= size <= (mib + 4) << 20


def private_of_children(pid):
    """KiB that only they have, each by itself: what they share with their parent counts there."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/children", encoding="utf-8") as children:
            for child in children.read().split():
                with open(f"/proc/{child}/smaps_rollup", encoding="utf-8") as rollup:
                    total += sum(int(size) for size in re.findall(r"^Private_\w+: +(\d+)", rollup.read(), re.MULTILINE))
    return total


def mappings(smaps):
    """What lines of /proc/PID/smaps say of each mapping: its size, where of which file it is from, its name, and its figures in KiB."""
    found = []
    for line in smaps:
        field = line.split()
        if match := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line):
            name = field[5] if len(field) > 5 else ""
            source = (field[3], field[4], field[2]) if name.startswith("/") else None
            found.append((int(match[2], 16) - int(match[1], 16), source, name, {}))
        elif found and len(field) == 3 and field[2] == "kB":
            found[-1][3][field[0]] = int(field[1])
    return found


def by_category(smaps, is_ram):
    """KiB in memory, resident and private, by what they are. The same part of a file counts once, however often it is mapped."""
    kinds = {}
    files = {}  # of such a part: how much is counted
    for size, source, name, kib in mappings(smaps):
        resident = kib["Rss:"]
        if source:
            of_file = resident - kib["Anonymous:"]
            resident -= min(of_file, files.get(source, 0))
            files[source] = max(of_file, files.get(source, 0))
        kind = category(name, is_ram(size))
        before = kinds.get(kind, (0, 0))
        kinds[kind] = before[0] + resident, before[1] + kib["Private_Clean:"] + kib["Private_Dirty:"]
    return kinds


def memory_by_category(pid, is_ram):
    """The same of a process, and what its children have by themselves."""
    with open(f"/proc/{pid}/smaps", encoding="utf-8") as smaps:
        kinds = by_category(smaps, is_ram)
    if in_helpers := private_of_children(pid):
        kinds["helper processes"] = in_helpers, in_helpers
    return kinds


def category(name, ram):
    if ram:
        return "guest RAM"
    if name == "[heap]":
        return "heap"
    if name == "[stack]":
        return "main stack"
    if name.startswith("anon_inode:"):
        return "KVM run pages and rings"
    if name.startswith("["):
        return "kernel's pages"
    if name.startswith("/"):
        return "libraries" if ".so" in name else "program" if "/dev/" not in name else "devices"
    return "anonymous: arenas, thread stacks, data"


def beyond_ram(categories):
    """Resident and private KiB of all but the guests' memory."""
    counted = [sizes for kind, sizes in categories.items() if kind != "guest RAM"]
    return sum(resident for resident, _ in counted), sum(private for _, private in counted)
