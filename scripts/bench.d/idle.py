"""Inside the lab: guests that do nothing, many in one process."""

import glob
import time
from dataclasses import dataclass

from machines import IDLE_GUEST_MIB
from runner import beyond_ram, guest_ram, memory_by_category, running

SETTLE = 2  # seconds until what backs off has done so
IDLE = 10


@dataclass(frozen=True)
class Partitions:
    start: int     # nanoseconds from the start of the VMM until all halt
    resident: int  # KiB beyond the guests' RAM, all together
    private: int
    ran: int       # nanoseconds for which the process's threads ran in ten seconds after that
    switches: int  # how often one of them was given the processor meanwhile


def scheduled(pid, threads=("*",)):
    """How long these threads have run, by the scheduler's own account, and how often they began to; all unless told which."""
    total = switches = 0
    for path in (path for thread in threads for path in glob.glob(f"/proc/{pid}/task/{thread}/schedstat")):
        with open(path) as file:
            ran, _, slices = file.read().split()
        total += int(ran)
        switches += int(slices)
    return total, switches


def measure_partitions(machine, guest, count):
    with running(machine, machine.partitions_command(guest, count, "/tmp/idle.toml"), "| idle", times=count) as vmm:
        time.sleep(SETTLE)
        resident, private = beyond_ram(memory_by_category(vmm.pid, guest_ram(IDLE_GUEST_MIB)))
        ran, switches = scheduled(vmm.pid)
        time.sleep(IDLE)
        ran_later, switches_later = scheduled(vmm.pid)
    return Partitions(vmm.nanoseconds, resident, private, ran_later - ran, switches_later - switches)
