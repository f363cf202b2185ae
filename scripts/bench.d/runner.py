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


def memory_by_category(pid, is_ram):
    """KiB of the process in memory, resident and private, by what they are."""
    kinds = {}
    kind = None
    with open(f"/proc/{pid}/smaps") as smaps:
        for line in smaps:
            field = line.split()
            if match := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line):
                size = int(match[2], 16) - int(match[1], 16)
                kind = category(field[5] if len(field) > 5 else "", is_ram(size))
            elif kind and field[0] in ("Rss:", "Private_Clean:", "Private_Dirty:"):
                resident, private = kinds.get(kind, (0, 0))
                amount = int(field[1])
                kinds[kind] = (resident + amount, private) if field[0] == "Rss:" else (resident, private + amount)
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
