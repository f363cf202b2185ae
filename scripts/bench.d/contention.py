"""Inside the parallel lab: what processors of one guest that do the same at the same time cost each other, and how long Linux takes
on so many; the machines in turns.
"""

from runner import printed_figures, run, say
from wall_clock import LAUNCH, launch, nanoseconds_per_cycle

PROCESSORS = (1, 2, 4, 8)


def measure(machines, guest, rounds):
    per_cycle = nanoseconds_per_cycle()
    able = [machine for machine in machines if hasattr(machine, "contention_command")]
    for number in range(rounds):
        for count in PROCESSORS:
            for machine in able if number % 2 == 0 else able[::-1]:
                say(now=f"round {number + 1} of {rounds}, {count} processors under {machine.name}")
                text, _ = run(machine.contention_command(guest, count), machine.test_success)
                figures = {name: round(cycles * per_cycle) for name, cycles in printed_figures(text).items()}
                figures[LAUNCH] = launch(machine, guest, machine.processors(count))
                for name, value in figures.items():
                    say(contention=name, processors=count, machine=machine.name, value=value)
