"""Inside the lab: how what a VMM takes grows with what it is given. Prints one JSON object for each point:
{"growth": what grows, "x": how much, "machine", "values": {what was measured: figure}}.
"""

from idle import measure_partitions
from machines import LINUX_MIB, TEST_GUEST_MIB
from runner import beyond_ram, guest_ram, memory_by_category, printed_figures, run, running, say
from tracing import first_entry

READY = "init is running"
PROCESSORS = (1, 2, 4, 8)
MEMORY_MIB = (256, 1 << 10, 4 << 10, 16 << 10, 64 << 10)
PARTITIONS = (1, 2, 4, 8, 16, 32, 64)
CHILDREN = (1, 10, 25, 50, 100)
PORTS = (10, 100, 1_000, 10_000, 100_000, 1_000_000)

FIRST = "to the first instruction"
IDLE = "until all halt"
RESIDENT = "resident, KiB"
PRIVATE = "private, KiB"


def point(growth, machine, x, **values):
    say(growth=growth, machine=machine.name, x=x, values=values)


def sizes(vmm, is_ram):
    resident, private = beyond_ram(memory_by_category(vmm.pid, is_ram))
    return {RESIDENT: resident, PRIVATE: private}


def idle_guest(growth, machine, x, command, is_ram):
    """A guest that halts at once."""
    first = first_entry(command)
    with running(machine, command, "idle") as vmm:
        point(growth, machine, x, **{FIRST: first}, **sizes(vmm, is_ram))


def processors(machine, guest):
    for count in PROCESSORS:
        say(now=f"{count} processors under {machine.name}")
        idle_guest("processors", machine, count, machine.idle_command(guest, TEST_GUEST_MIB, count), guest_ram(TEST_GUEST_MIB))


def memory(machine, guest):
    allow_overcommit()
    for mib in MEMORY_MIB:
        say(now=f"{mib:,} MiB under {machine.name}")
        idle_guest("memory", machine, mib, machine.idle_command(guest, mib),
                   lambda size: size >= MEMORY_MIB[0] << 20)  # in two mappings when it is much


def linux(machine, guest):
    say(now=f"memory of Linux under {machine.name}")
    with running(machine, machine.linux_command(guest, "/ready.initrd"), READY) as vmm:
        say(categories=memory_by_category(vmm.pid, guest_ram(LINUX_MIB)), machine=machine.name)


def allow_overcommit():
    """More memory than the machine has, of which nothing is used, as on hosts that run many guests."""
    with open("/proc/sys/vm/overcommit_memory", "w") as file:
        file.write("1")


def partitions(machine, guest):
    for count in PARTITIONS:
        say(now=f"{count} partitions under {machine.name}")
        found = measure_partitions(machine, guest, count)
        point("partitions", machine, count, **{IDLE: found.start, RESIDENT: found.resident, PRIVATE: found.private,
                                               "each, KiB": round(found.resident / count),
                                               "instructions in 10 s of idleness": found.ran,
                                               "wake-ups": found.switches})


def ports(machine, guest):
    for count in PORTS:
        say(now=f"{count:,} ports under {machine.name}")
        [cost] = printed_figures(run(machine.ports_command(guest, count), machine.test_success)[0]).values()
        point("ports", machine, count, **{"create and delete another": cost})


def children(machine, guest):
    for count in CHILDREN:
        say(now=f"{count} other children under {machine.name}")
        [cost] = printed_figures(run(machine.others_command(guest, count), machine.test_success)[0]).values()
        point("children", machine, count, **{"create and delete another": cost})


SERIES = {  # and the command that a machine needs for it
    "linux": (linux, "linux_command"),
    "processors": (processors, "idle_command"),
    "memory": (memory, "idle_command"),
    "partitions": (partitions, "partitions_command"),
    "children": (children, "others_command"),
    "ports": (ports, "ports_command"),
}


def measure(machines, guest, names):
    for name in names:
        series, command = SERIES[name]
        for machine in machines:
            if hasattr(machine, command):
                series(machine, guest)
