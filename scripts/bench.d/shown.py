"""Inside the lab: a guest's screen, changed and at rest, with a viewer of VNC looking on."""

import contextlib
import os
import statistics
import time

from console import Guest
from idle import IDLE, SETTLE, scheduled
from machines import VNC
from runner import LIMIT, Failed, say
from viewer import Viewer

WIDTH, HEIGHT = 1024, 768
GREYS = (0x55, 0xAA)  # of scripts/bench.d/screen, in turns
WARM_UP = 2
UPDATES = 9


def shows(viewer, grey):
    return viewer.pixels[::4].count(grey) == WIDTH * HEIGHT


def update(vmm, viewer, grey):
    """Nanoseconds for which the VMM's threads ran, its guest included, from the order to draw until the viewer has it all."""
    before, _ = scheduled(vmm.process.pid)
    vmm.send("\n")
    while not shows(viewer, grey):
        viewer.update(True)
    return scheduled(vmm.process.pid)[0] - before


def at_rest(vmm):
    """The same of ten seconds in which nothing is drawn, without the threads of the guest's processors: Linux has its timers."""
    time.sleep(SETTLE)
    others = [thread for thread in os.listdir(f"/proc/{vmm.process.pid}/task") if not is_processor(vmm.process.pid, thread)]
    before = scheduled(vmm.process.pid, others)[0]
    time.sleep(IDLE)
    return scheduled(vmm.process.pid, others)[0] - before


def is_processor(pid, thread):
    with open(f"/proc/{pid}/task/{thread}/comm", encoding="utf-8") as name:
        return name.read().startswith("vcpu")


def measure(machine, guest, names):
    say(now=f"a screen under {machine.name}")
    with contextlib.suppress(FileNotFoundError):
        os.remove(VNC)
    with Guest(machine.screen_command(guest, "/screen.initrd"), "/tmp/screen.log") as vmm:
        size = vmm.expect(r"the screen has (\S+)\n", LIMIT)[1]
        if size != f"{WIDTH},{HEIGHT}":
            raise Failed(f"the screen of Linux under {machine.name} has {size} pixels")
        viewer = Viewer(VNC, LIMIT)
        viewer.update(False)
        took = [update(vmm, viewer, GREYS[number % 2]) for number in range(WARM_UP + UPDATES)]
        found = {"screen_update_1024x768": statistics.median(took[WARM_UP:])}
        if "idle_screen" in names:
            found["idle_screen"] = at_rest(vmm)
    for name in names:
        say(name=name, machine=machine.name, values=[found[name]])
