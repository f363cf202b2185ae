#!/usr/bin/env python3
"""Runs in the lab, for scripts/bench, which tells it by a JSON object what to measure. Prints its results, one JSON object a
line (runner.py): {"name", "machine", "values"} for a benchmark.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
sys.path += [f"{PROJECT}/scripts/guest.d", f"{PROJECT}/scripts/tests.d"]

import by_firmware  # noqa: E402
import contention  # noqa: E402
import growth  # noqa: E402
import shown  # noqa: E402
import wall_clock  # noqa: E402
from catalogue import (BOOTLOADER, CHILDREN, DISK, IDLE, LAUNCH, LOGIN, LOGIN_MEMORY, MEMORY, MICRO, NETWORK, PAIR, PORTS,  # noqa: E402
                       PROCESSORS, SCREEN, START, UEFI_LOGIN, UEFI_MEMORY, named, of_kind)
from idle import measure_partitions  # noqa: E402
from machines import DEBIAN_MIB, FIRMWARE, LINUX_MIB, NVRAM_TEMPLATE, TAP, Guest, Porthole, peer  # noqa: E402
from runner import (LIMIT, Failed, beyond_ram, guest_ram, memory_by_category, out_of_time, printed_figures, run, running,  # noqa: E402
                    say, spawn, tail)
from stage import Stage, copy_sparse  # noqa: E402
from tracing import first_entry  # noqa: E402

ROOT = "/dev/shm/bench"
DISK_COPY = "/tmp/disk"
QEMU_FOLDERS = ("/usr/share/qemu", "/usr/share/seabios")
REBOOTED = "reboot: Restarting system"
READY = "init is running"
DISK_MIB = 64
NETWORK_READY = "network is ready"
HOST, LINUX = "192.168.77.1", "192.168.77.2"
TRAFFIC = {"net_ping": "ping", "net_tcp_rx": "to", "net_tcp_tx": "from"}  # what net_load is told for each
PROMPT = "debian login: "


def absent(machine, kind):
    """Benchmarks that the machine cannot run."""
    for benchmark in of_kind(kind):
        say(name=benchmark.name, machine=machine.name, values=[])


def bare_exits(*command):
    say(now="bare exits")
    for name, value in printed_figures(run(command, 0)[0]).items():
        say(name=name, machine="bare", values=[value])


def guest_program(machine, kind, command):
    """Prints what the guest's benchmarks of that kind found; those that the machine cannot run, without values."""
    text, _ = run(command, machine.test_success)
    figures = printed_figures(text)
    skipped = set(re.findall(r"^skip (\w+):", text, re.MULTILINE))
    expected = {benchmark.name for benchmark in of_kind(kind)}
    stray = figures.keys() - expected
    missing = expected - figures.keys() - skipped
    if stray or missing:
        raise Failed(f"under {machine.name} the guest's benchmarks lack {sorted(missing)}, "
                     f"and have {sorted(stray)} that scripts/bench does not know:{tail(text)}")
    for name in expected:
        say(name=name, machine=machine.name, values=[figures[name]] if name in figures else [])


def micro(machine, guest):
    say(now=f"guest benchmarks under {machine.name}")
    guest_program(machine, MICRO, machine.test_command(guest))


def processors(machine, guest):
    say(now=f"two processors under {machine.name}")
    guest_program(machine, PROCESSORS, machine.processors_command(guest))


def ports(machine, guest):
    say(now=f"100,000 ports under {machine.name}")
    guest_program(machine, PORTS, machine.ports_command(guest, 100_000))


def pair(machine, guest):
    say(now=f"two guests under {machine.name}")
    guest_program(machine, PAIR, machine.pair_command(guest, "/tmp/pair.toml"))


def children(machine, guest):
    say(now=f"partitions that a guest makes under {machine.name}")
    guest_program(machine, CHILDREN, machine.children_command(guest))


def start(machine, guest, runs):
    say(now=f"start of {machine.name}")
    [benchmark] = of_kind(START)
    command = machine.linux_command(guest, "/reboot.initrd")
    say(name=benchmark.name, machine=machine.name, values=[first_entry(command) for _ in range(runs)])


def idle(machine, guest):
    say(now=f"64 idle guests under {machine.name}")
    found = measure_partitions(machine, guest, 64)
    say(name="idle_partitions_64", machine=machine.name, values=[found.ran])
    say(name="idle_partitions_64_resident", machine=machine.name, values=[found.resident / 64])


def launch(machine, guest, initrd, runs):
    values = []
    for number in range(runs):
        say(now=f"Linux under {machine.name}, run {number + 1} of {runs}")
        text, instructions = run(machine.linux_command(guest, initrd), 0)
        if REBOOTED not in text:
            raise Failed(f"Linux did not reboot under {machine.name}:{tail(text)}")
        values.append(instructions)
    return values


def disk(machine, guest, initrd):
    say(now=f"a disk of Linux under {machine.name}")
    text, _ = run(machine.disk_command(guest, initrd), 0)
    figures = printed_figures(text)
    for benchmark in of_kind(DISK):
        if benchmark.name not in figures:
            raise Failed(f"Linux under {machine.name} did not measure {benchmark.name}:{tail(text)}")
        say(name=benchmark.name, machine=machine.name, values=[figures[benchmark.name]])


def memory(machine, guest, initrd, runs):
    """Linux until its init runs: how long that takes, and what the VMM then has in memory."""
    found = []
    for number in range(runs):
        say(now=f"memory of Linux under {machine.name}, run {number + 1} of {runs}")
        with running(machine, machine.linux_command(guest, initrd), READY) as vmm:
            found.append((vmm.nanoseconds, *beyond_ram(memory_by_category(vmm.pid, guest_ram(LINUX_MIB)))))
    for name, values in zip(("boot_to_init", "resident_overhead_serial", "private_overhead_serial"), zip(*found)):
        say(name=name, machine=machine.name, values=values)


def ip(command):
    subprocess.run(["ip", *command.split()], check=True)


@contextlib.contextmanager
def tap():
    """A new one for each machine: it keeps what the last one set of headers and offloads."""
    ip(f"tuntap add {TAP} mode tap")
    try:
        ip(f"addr add {HOST}/24 dev {TAP}")
        ip(f"link set {TAP} up")
        yield
    finally:
        ip(f"link delete {TAP}")


def network(machine, guest, initrd, names):
    say(now=f"network of Linux under {machine.name}")
    with tap(), running(machine, machine.network_command(guest, initrd), NETWORK_READY):
        for traffic in "ping", "to":  # finds the address, and has both ends draw the random numbers that TCP needs
            run(["/net_load", traffic, LINUX], 0)
        for name in names:
            text, _ = run(["/net_load", TRAFFIC[name], LINUX], 0)
            say(name=name, machine=machine.name, values=[int(text)])


def boot_to_login(machine, disk, command):
    """Boots Debian from a copy, DISK_COPY, of a disk. Returns how many instructions the machine took until the login prompt, and
    the KiB that the VMM has in memory then.
    """
    copy_sparse(disk, DISK_COPY)
    reader, writer = os.pipe()
    signal.alarm(LIMIT)
    begin = time.monotonic_ns()
    pid = spawn(command, writer)
    os.close(writer)
    text = b""
    while PROMPT.encode() not in text:
        data = os.read(reader, 1 << 16)
        if not data:
            raise Failed(f"Debian did not reach its login under {machine.name}:{tail(text.decode(errors='replace'))}")
        text += data
    instructions = time.monotonic_ns() - begin
    signal.alarm(0)
    kib, _ = beyond_ram(memory_by_category(pid, guest_ram(DEBIAN_MIB)))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(reader)
    os.remove(DISK_COPY)
    return instructions, kib


def logins(machine, debian, runs, kinds):
    found = []
    for number in range(runs):
        say(now=f"Debian under {machine.name}, run {number + 1} of {runs}")
        found.append(boot_to_login(machine, f"{debian}/disk", machine.debian_command(debian, DISK_COPY)))
    say_logins(machine, (LOGIN, LOGIN_MEMORY), found, kinds)


def uefi_logins(machine, debian, runs, kinds):
    found = []
    for number in range(runs):
        say(now=f"Debian by firmware under {machine.name}, run {number + 1} of {runs}")
        by_firmware.fresh_nvram()
        found.append(boot_to_login(machine, f"{debian}/disk", machine.uefi_debian_command("/esp.img", DISK_COPY)))
    say_logins(machine, (UEFI_LOGIN, UEFI_MEMORY), found, kinds)


def say_logins(machine, both, found, kinds):
    for kind, values in zip(both, zip(*found)):
        if kind in kinds:
            say(name=kinds[kind], machine=machine.name, values=values)


def enter_stage(plan, peers):
    """Moves into a root of few files. Returns the paths of guests there."""
    stage = Stage(ROOT)
    stage.add_program(f"{plan['build']}/porthole", to="/porthole")
    stage.add_program(f"{plan['build']}/bare_exit", to="/bare_exit")
    stage.add(f"{plan['build']}/net_load", to="/net_load")
    stage.add_library("libslirp.so.0")  # of the processes of user-mode networks
    stage.add_library("libvncserver.so.1")  # of displays
    stage.add_library("libZydis.so.4.0")  # of children
    for file in (FIRMWARE, NVRAM_TEMPLATE) if "firmware" in plan else ():
        stage.add(file)
    for name, path in plan.get("firmware", {}).items():
        stage.add(path, to=f"/{name}")
    stage.add_program(shutil.which("ip"))
    for vmm in peers:
        stage.add_program(vmm.binary)
        for folder in QEMU_FOLDERS if vmm.name == "qemu" else ():
            stage.add(folder)
    for program in ("bench", "puppet"):
        stage.add(f"{plan['build']}/guest-tests/{program}.elf", to=f"/{program}.elf")
    if "kernel" in plan:
        stage.add(plan["kernel"], to="/vmlinuz")
        for init in ("ready", "reboot", "disk", "network"):
            stage.add(f"{plan['initrds']}/{init}.initrd", to=f"/{init}.initrd")
        with open(f"{ROOT}/disk", "wb") as image:  # no holes: reading those costs less
            for _ in range(DISK_MIB):
                image.write(b"\xA5" * (1 << 20))
        # The kernel moves pages to the list of those in use when they are read again: a quarter of what a read takes,
        # which would count for whoever is measured first.
        for _ in range(3):
            stage.read_through("/disk")
    for name in ("disk", "vmlinuz", "initrd") if "debian" in plan else ():
        stage.add(f"{plan['debian']}/{name}", to=f"/debian/{name}")
    if "generic_kernel" in plan:
        stage.add(plan["generic_kernel"], to="/vmlinuz-generic")
        stage.add(f"{plan['initrds']}/screen.initrd", to="/screen.initrd")
    stage.enter()
    return Guest(test_program="/bench.elf", idle_program="/puppet.elf", kernel="/vmlinuz", disk="/disk",
                 generic_kernel="/vmlinuz-generic")


def benchmarks(wanted, runs, machines, guest):
    kinds = {benchmark.kind: benchmark.name for benchmark in wanted}
    bare_exits("/bare_exit")
    if any(machine.name == "unconfined" for machine in machines):
        bare_exits("/bare_exit", "--filters")

    def each(kind, ability, measure, order=machines):
        for machine in order if kind in kinds else ():
            if hasattr(machine, ability):
                measure(machine)
            else:
                absent(machine, kind)

    each(MICRO, "test_command", lambda machine: micro(machine, guest))
    each(PROCESSORS, "processors_command", lambda machine: processors(machine, guest))
    each(PORTS, "ports_command", lambda machine: ports(machine, guest))
    each(PAIR, "pair_command", lambda machine: pair(machine, guest))
    each(CHILDREN, "children_command", lambda machine: children(machine, guest))
    each(START, "linux_command", lambda machine: start(machine, guest, runs))
    each(IDLE, "partitions_command", lambda machine: idle(machine, guest))
    each(DISK, "disk_command", lambda machine: disk(machine, guest, "/disk.initrd"))
    names = [benchmark.name for benchmark in wanted if benchmark.kind == NETWORK]
    each(NETWORK, "network_command", lambda machine: network(machine, guest, "/network.initrd", names),
         order=machines[::-1])  # QEMU got nothing from a tap that Porthole had before, when both had the same
    each(MEMORY, "linux_command", lambda machine: memory(machine, guest, "/ready.initrd", runs))
    each(LAUNCH, "linux_command", lambda machine: say(
        name=kinds[LAUNCH], machine=machine.name, values=launch(machine, guest, "/reboot.initrd", runs)))
    for time_kind, memory_kind, ability, measure in ((LOGIN, LOGIN_MEMORY, "debian_command", logins),
                                                     (UEFI_LOGIN, UEFI_MEMORY, "uefi_debian_command", uefi_logins)):
        for machine in machines if time_kind in kinds or memory_kind in kinds else ():
            if hasattr(machine, ability):
                measure(machine, "/debian", runs if time_kind in kinds else 1, kinds)
            else:
                absent(machine, time_kind)
                absent(machine, memory_kind)
    each(BOOTLOADER, "firmware_command", lambda machine: by_firmware.to_bootloader(
        machine, "/bootloader.img", kinds[BOOTLOADER], runs))
    screens = [benchmark.name for benchmark in wanted if benchmark.kind == SCREEN]
    each(SCREEN, "screen_command", lambda machine: shown.measure(machine, guest, screens))


def main():
    plan = json.loads(sys.argv[1])
    wanted = named(plan.get("names", ()))
    signal.signal(signal.SIGALRM, out_of_time)
    try:
        say(now="copying what is measured to memory")
        peers = [peer(name, path) for name, path in plan["peers"].items()]
        guest = enter_stage(plan, peers)
        machines = [Porthole("/porthole"), *peers]
        if "growth" in plan:
            growth.measure(machines, guest, plan["growth"])
        elif "contention" in plan:
            contention.measure(machines, guest, rounds=plan["contention"])
        elif "wall_clock" in plan:
            wall_clock.measure(machines, guest, rounds=plan["wall_clock"])
        else:
            benchmarks(wanted, plan["runs"], machines, guest)
    except (Failed, OSError, subprocess.CalledProcessError) as error:
        say(error=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
