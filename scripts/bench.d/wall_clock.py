"""Inside the parallel lab: wall-clock times, the machines in turns, so that whatever else the host does meets them alike."""

import re

from catalogue import MICRO, PROCESSORS, of_kind
from runner import Failed, printed_figures, run, say

LAUNCH = "linux_launch_to_exit"


def nanoseconds_per_cycle():
    with open("/proc/cpuinfo") as file:
        return 1000 / float(re.search(r"^cpu MHz\s*:\s*([0-9.]+)", file.read(), re.MULTILINE)[1])


def guest_program(machine, command, names, per_cycle):
    text, _ = run(command, machine.test_success)
    for name, cycles in printed_figures(text).items():
        if name in names:
            say(name=name, machine=machine.name, values=[cycles * per_cycle])


def launch(machine, guest, options=()):
    text, nanoseconds = run([*machine.linux_command(guest, "/reboot.initrd"), *options], 0)
    if "reboot: Restarting system" not in text:
        raise Failed(f"Linux did not reboot under {machine.name}")
    return nanoseconds


def measure(machines, guest, rounds):
    per_cycle = nanoseconds_per_cycle()
    names = {benchmark.name for benchmark in of_kind(MICRO, PROCESSORS)}
    for number in range(rounds):
        for machine in machines if number % 2 == 0 else machines[::-1]:
            say(now=f"round {number + 1} of {rounds}, {machine.name}")
            if hasattr(machine, "test_command"):
                guest_program(machine, machine.test_command(guest), names, per_cycle)
                guest_program(machine, machine.processors_command(guest), names, per_cycle)
            say(name=LAUNCH, machine=machine.name, values=[launch(machine, guest)])
