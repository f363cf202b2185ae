#!/usr/bin/env python3
"""Runs in the deterministic lab, for scripts/bench: runs the VMMs and prints, as one JSON object a line, what it is
doing ({"now": TEXT}), what it found ({"name", "machine", "values"}), or why it cannot go on ({"error": TEXT}).
"""

import argparse
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time

from catalogue import BENCHMARKS, DISK, LAUNCH, LOGIN, LOGIN_MEMORY, MEMORY, MICRO, NETWORK, PAIR, named
from machines import DEBIAN_MIB, LINUX_MIB, TAP, Guest, Porthole, Qemu
from stage import Stage, copy_sparse

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
    """Runs it to its end. Returns its output and how many instructions the machine took for it."""
    path = "/tmp/output"
    output = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    try:
        signal.alarm(LIMIT)
        begin = time.monotonic_ns()
        pid = spawn(command, output)
        _, status = os.waitpid(pid, 0)
        instructions = time.monotonic_ns() - begin
        signal.alarm(0)
    finally:
        os.close(output)
    with open(path, errors="replace") as file:
        text = file.read()
    status = os.waitstatus_to_exitcode(status)
    if status != expected_status:
        raise Failed(f"'{' '.join(command)}' ended with status {status}, not {expected_status}:{tail(text)}")
    return text, instructions


def printed_figures(text):
    return {name: int(value) for name, value in re.findall(r"^(?:\w+\| )?bench (\w+) (\d+)\s*$", text, re.MULTILINE)}


def bare_exits(binary):
    say(now="bare exits")
    for name, value in printed_figures(run([binary], 0)[0]).items():
        say(name=name, machine="bare", values=[value])


def micro(machine, guest):
    """Prints what the guest's benchmarks found; those that the machine cannot run, without values."""
    say(now=f"guest benchmarks under {machine.name}")
    text, _ = run(machine.test_command(guest), machine.test_success)
    figures = printed_figures(text)
    skipped = set(re.findall(r"^skip (\w+):", text, re.MULTILINE))
    expected = {benchmark.name for benchmark in BENCHMARKS if benchmark.kind == MICRO}
    stray = figures.keys() - expected
    missing = expected - figures.keys() - skipped
    if stray or missing:
        raise Failed(f"under {machine.name} the guest's benchmarks lack {sorted(missing)}, "
                     f"and have {sorted(stray)} that scripts/bench does not know:{tail(text)}")
    for name in expected:
        say(name=name, machine=machine.name, values=[figures[name]] if name in figures else [])


def pair(machine, guest):
    say(now=f"two guests under {machine.name}")
    text, _ = run(machine.pair_command(guest, "/tmp/pair.toml"), machine.test_success)
    figures = printed_figures(text)
    for benchmark in BENCHMARKS:
        if benchmark.kind != PAIR:
            continue
        if benchmark.name not in figures:
            raise Failed(f"two guests under {machine.name} did not measure {benchmark.name}:{tail(text)}")
        say(name=benchmark.name, machine=machine.name, values=[figures[benchmark.name]])


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
    for benchmark in BENCHMARKS:
        if benchmark.kind != DISK:
            continue
        if benchmark.name not in figures:
            raise Failed(f"Linux under {machine.name} did not measure {benchmark.name}:{tail(text)}")
        say(name=benchmark.name, machine=machine.name, values=[figures[benchmark.name]])


def resident_kib(pid, guest_mib):
    """Of the process, but for its mappings that are as large as the guest's memory."""
    total = 0
    counted = True
    with open(f"/proc/{pid}/smaps") as smaps:
        for line in smaps:
            field = line.split()
            if match := re.match(r"([0-9a-f]+)-([0-9a-f]+) ", line):
                counted = int(match[2], 16) - int(match[1], 16) < guest_mib << 20
            elif field[0] == "Rss:" and counted:
                total += int(field[1])
    return total


@contextlib.contextmanager
def running(machine, command, ready):
    """The process of a VMM whose guest has printed `ready`. It is killed in the end."""
    reader, writer = os.pipe()
    pid = spawn(command, writer)
    os.close(writer)
    text = ""
    try:
        signal.alarm(LIMIT)
        with os.fdopen(reader, errors="replace") as output:
            while ready not in text:
                line = output.readline()
                if not line:
                    raise Failed(f"Linux did not come to '{ready}' under {machine.name}:{tail(text)}")
                text += line
            signal.alarm(0)
            yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def memory(machine, guest, initrd):
    say(now=f"memory of Linux under {machine.name}")
    with running(machine, machine.linux_command(guest, initrd), READY) as pid:
        return [resident_kib(pid, LINUX_MIB)]


def make_tap():
    for command in (f"tuntap add {TAP} mode tap", f"addr add {HOST}/24 dev {TAP}", f"link set {TAP} up"):
        subprocess.run(["ip", *command.split()], check=True)


def network(machine, guest, initrd, names):
    say(now=f"network of Linux under {machine.name}")
    with running(machine, machine.network_command(guest, initrd), NETWORK_READY):
        run(["/net_load", "ping", LINUX], 0)  # finds the address, and warms up
        for name in names:
            text, _ = run(["/net_load", TRAFFIC[name], LINUX], 0)
            say(name=name, machine=machine.name, values=[int(text)])


def boot_to_login(machine, debian):
    """Boots Debian from a disk that no one has used. Returns how many instructions the machine took until the login prompt,
    and the KiB that the VMM has in memory then.
    """
    copy_sparse(f"{debian}/disk", DISK_COPY)
    reader, writer = os.pipe()
    signal.alarm(LIMIT)
    begin = time.monotonic_ns()
    pid = spawn(machine.debian_command(debian, DISK_COPY), writer)
    os.close(writer)
    text = b""
    while PROMPT.encode() not in text:
        data = os.read(reader, 1 << 16)
        if not data:
            raise Failed(f"Debian did not reach its login under {machine.name}:{tail(text.decode(errors='replace'))}")
        text += data
    instructions = time.monotonic_ns() - begin
    signal.alarm(0)
    kib = resident_kib(pid, DEBIAN_MIB)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(reader)
    os.remove(DISK_COPY)
    return instructions, kib


def logins(machine, debian, runs, kinds):
    found = []
    for number in range(runs):
        say(now=f"Debian under {machine.name}, run {number + 1} of {runs}")
        found.append(boot_to_login(machine, debian))
    for kind, values in zip((LOGIN, LOGIN_MEMORY), zip(*found)):
        if kind in kinds:
            say(name=kinds[kind], machine=machine.name, values=values)


def enter_stage(options):
    """Moves into a root of few files. Returns the machines and the paths of guests there."""
    stage = Stage(ROOT)
    stage.add_program(f"{options.build}/porthole", to="/porthole")
    stage.add_program(f"{options.build}/bare_exit", to="/bare_exit")
    stage.add(f"{options.build}/net_load", to="/net_load")
    stage.add_program(options.qemu)
    for folder in QEMU_FOLDERS:
        stage.add(folder)
    stage.add(f"{options.build}/guest-tests/bench.elf", to="/bench.elf")
    stage.add(options.kernel, to="/vmlinuz")
    for init in ("ready", "reboot", "disk", "network"):
        stage.add(f"{options.initrds}/{init}.initrd", to=f"/{init}.initrd")
    with open(f"{ROOT}/disk", "wb") as image: # no holes: reading those costs less
        for _ in range(DISK_MIB):
            image.write(b"\xA5" * (1 << 20))
    for name in ("disk", "vmlinuz", "initrd") if options.debian else ():
        stage.add(f"{options.debian}/{name}", to=f"/debian/{name}")
    stage.enter()
    return [Porthole("/porthole"), Qemu(options.qemu)], Guest(test_program="/bench.elf", kernel="/vmlinuz", disk="/disk")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--names", required=True)
    parser.add_argument("--build", required=True)
    parser.add_argument("--qemu", required=True)
    parser.add_argument("--kernel", required=True)
    parser.add_argument("--initrds", required=True)
    parser.add_argument("--debian")
    parser.add_argument("--runs", type=int, required=True)
    options = parser.parse_args()

    benchmarks = named(options.names.split(","))
    kinds = {benchmark.kind: benchmark.name for benchmark in benchmarks}
    signal.signal(signal.SIGALRM, out_of_time)
    try:
        say(now="copying what is measured to memory")
        if NETWORK in kinds:
            make_tap()
        machines, guest = enter_stage(options)
        bare_exits("/bare_exit")
        for machine in machines:
            if MICRO in kinds:
                micro(machine, guest)
        for machine in machines:
            if PAIR not in kinds:
                continue
            if hasattr(machine, "pair_command"):
                pair(machine, guest)
            else:
                for benchmark in BENCHMARKS:
                    if benchmark.kind == PAIR:
                        say(name=benchmark.name, machine=machine.name, values=[])
        for machine in machines:
            if DISK in kinds:
                disk(machine, guest, "/disk.initrd")
        for machine in reversed(machines):  # QEMU gets nothing from a tap that Porthole had before
            if NETWORK in kinds:
                network(machine, guest, "/network.initrd", [b.name for b in benchmarks if b.kind == NETWORK])
        for machine in machines:
            if MEMORY in kinds:
                say(name=kinds[MEMORY], machine=machine.name, values=memory(machine, guest, "/ready.initrd"))
        for machine in machines:
            if LAUNCH in kinds:
                values = launch(machine, guest, "/reboot.initrd", options.runs)
                say(name=kinds[LAUNCH], machine=machine.name, values=values)
        for machine in machines:
            if LOGIN in kinds or LOGIN_MEMORY in kinds:
                logins(machine, "/debian", options.runs, kinds)
    except (Failed, OSError, subprocess.CalledProcessError) as error:
        say(error=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
