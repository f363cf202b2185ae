"""Inside the lab: when a guest first runs, by the kernel's own tracepoint for entering one."""

import os
import re
import signal
import tempfile
import time

from runner import LIMIT, Failed, spawn

TRACING = "/sys/kernel/tracing"


def tell(name, value):
    with open(f"{TRACING}/{name}", "w") as file:
        file.write(value)


def first_entry(command):
    """Nanoseconds from the start of a VMM until its guest's first instruction, to the microsecond. The VMM is killed then."""
    tell("trace_clock", "mono")
    tell("options/overwrite", "0")  # the first entry is the one to keep
    tell("trace", "")
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
    if not entry:
        raise Failed(f"'{' '.join(command)}' did not enter a guest, as far as the kernel's trace says")
    return int(entry[1]) * 1_000_000_000 + int(entry[2]) * 1_000 - begin
