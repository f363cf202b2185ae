"""Inside the lab: when a guest first runs, by the kernel's own tracepoint for entering one."""

import os
import re
import signal
import tempfile
import time

from runner import LIMIT, Failed, spawn

TRACING = "/sys/kernel/tracing"
IDLE = "instances/idle"  # a trace of its own, which nobody is woken up to read


def tell(name, value):
    with open(f"{TRACING}/{name}", "w") as file:
        file.write(value)


def idle_between(begin, end):
    """Nanoseconds in which the only processor had nothing to run. Who waits for RCU waits for a tick, up to 4 ms."""
    idle, since = 0, None
    with open(f"{TRACING}/{IDLE}/trace") as trace:
        for line in trace:
            found = re.search(r" (\d+)\.(\d{6}): sched_switch: .*prev_pid=(\d+) .*next_pid=(\d+)", line)
            if not found:
                continue
            now = int(found[1]) * 1_000_000_000 + int(found[2]) * 1_000
            if found[4] == "0":
                since = now
            elif found[3] == "0" and since is not None:
                idle += max(0, min(now, end) - max(since, begin))
                since = None
    return idle


def first_entry(command):
    """Instructions, in which idle time has none, from the start of a VMM until its guest's first one, to some thousands. The VMM is
    killed then."""
    os.makedirs(f"{TRACING}/{IDLE}", exist_ok=True)
    for trace in "", f"{IDLE}/":
        tell(f"{trace}trace_clock", "mono")
        tell(f"{trace}options/overwrite", "0")  # the first entry is the one to keep
        tell(f"{trace}trace", "")
    tell(f"{IDLE}/events/sched/sched_switch/filter", "prev_pid == 0 || next_pid == 0")
    tell(f"{IDLE}/events/sched/sched_switch/enable", "1")
    tell("events/kvm/kvm_entry/enable", "1")
    with tempfile.TemporaryFile() as output, open(f"{TRACING}/trace_pipe") as pipe:
        signal.alarm(LIMIT)
        begin = time.monotonic_ns()
        pid = spawn(command, output.fileno())
        try:
            entry = re.search(r" (\d+)\.(\d{6}): kvm_entry", pipe.readline())
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            signal.alarm(0)
            tell("events/kvm/kvm_entry/enable", "0")
            tell(f"{IDLE}/events/sched/sched_switch/enable", "0")
    if not entry:
        raise Failed(f"'{' '.join(command)}' did not enter a guest, as far as the kernel's trace says")
    end = int(entry[1]) * 1_000_000_000 + int(entry[2]) * 1_000
    return end - begin - idle_between(begin, end)
