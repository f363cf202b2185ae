"""The outside of a measurement: has everything built that the lab needs, starts it, and reads what comes from it."""

import json
import os
import shutil
import subprocess
import sys
import time

from catalogue import (BOOTLOADER, DISK, LAUNCH, LOGIN, LOGIN_MEMORY, MEMORY, NETWORK, SCREEN, START, UEFI_LOGIN,
                       UEFI_MEMORY)
from machines import LINUX_COMMAND_LINE
import report

PROJECT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
PROGRAMS = ("porthole", "bare_exit", "net_load", "guest-tests/bench.elf", "guest-tests/puppet.elf", "guest-tests/disk_bench",
            "guest-tests/bootloader.efi")
BOOT_LOADER = "/usr/lib/systemd/boot/efi/systemd-bootx64.efi"
TIME_LIMIT = 3600  # seconds; some minutes on an idle machine
LINUX = {LAUNCH, MEMORY, DISK, NETWORK, LOGIN, LOGIN_MEMORY, START, SCREEN}
DEBIAN = {LOGIN, LOGIN_MEMORY, UEFI_LOGIN, UEFI_MEMORY}
UEFI = {BOOTLOADER, UEFI_LOGIN, UEFI_MEMORY}


class Failed(Exception):
    """What the user is told before status 2."""


def note(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


def need(*commands):
    """Fails, saying how to get them, unless all these commands are there."""
    for command in commands:
        if not shutil.which(command):
            raise Failed(f"needs '{command}'; get it with: scripts/setup")


def script(*command, show=False):
    """Runs one of the project's scripts; returns what it printed unless that is to be shown."""
    done = subprocess.run([f"{PROJECT}/scripts/{command[0]}", *command[1:]], text=True,
                          stdout=sys.stderr if show else subprocess.PIPE)
    if done.returncode:
        raise Failed(f"scripts/{command[0]} failed; see above")
    return (done.stdout or "").strip()


def checked_build(folder):
    if folder is None:
        script("build", "release", *(os.path.splitext(os.path.basename(program))[0] for program in PROGRAMS), show=True)
        folder = f"{PROJECT}/build/release"
    for program in PROGRAMS:
        if not os.path.exists(f"{folder}/{program}"):
            raise Failed(f"'{folder}' has no {program}: give --build a folder that cmake has built, or leave it out")
    return os.path.realpath(folder)


def add_program(initrd, program):
    """Initrds may follow each other, each at a multiple of four bytes."""
    archive = subprocess.run(["cpio", "--create", "--format=newc", "--owner=0:0", "--quiet"], check=True, capture_output=True,
                             cwd=os.path.dirname(program), input=os.path.basename(program).encode()).stdout
    with open(initrd, "ab") as file:
        file.write(bytes(-file.tell() % 4) + archive)


def make_initrds(build):
    folder = f"{PROJECT}/.cache/bench"
    os.makedirs(folder, exist_ok=True)
    script("guest-initrd", f"{folder}/reboot.initrd", "reboot")
    script("guest-initrd", f"{folder}/ready.initrd", f"{PROJECT}/scripts/bench.d/ready")
    script("guest-initrd", f"{folder}/disk.initrd", f"{PROJECT}/scripts/bench.d/disk",
           "hv_vmbus", "hv_storvsc", "sd_mod", "virtio_pci", "virtio_blk")
    add_program(f"{folder}/disk.initrd", f"{build}/guest-tests/disk_bench")
    script("guest-initrd", f"{folder}/network.initrd", f"{PROJECT}/scripts/bench.d/network", "hv_netvsc", "virtio_net",
           "virtio_pci")
    add_program(f"{folder}/network.initrd", f"{build}/net_load")
    script("guest-initrd", "--kernel", "generic", f"{folder}/screen.initrd", f"{PROJECT}/scripts/bench.d/screen",
           "hv_vmbus", "hyperv_drm")
    return folder


def make_boot_disks(build, debian):
    """Disks with what firmware starts: a boot loader that says that it runs and, where `debian` is not None, one that starts it."""
    need("mformat", "sfdisk")
    folder = f"{PROJECT}/.cache/bench"
    os.makedirs(folder, exist_ok=True)
    disks = {"bootloader.img": f"{folder}/bootloader.img"}
    script("guest.d/make-esp", disks["bootloader.img"], "40", f"EFI/BOOT/BOOTX64.EFI={build}/guest-tests/bootloader.efi")
    if debian:
        disks["esp.img"] = f"{folder}/esp.img"
        for name, text in ("loader.conf", "timeout 0\n"), ("debian.conf", (
                "title Debian\nlinux /vmlinuz\ninitrd /initrd\n" f"options {LINUX_COMMAND_LINE} root=LABEL=debian\n")):
            with open(f"{folder}/{name}", "w", encoding="ascii") as file:
                file.write(text)
        script("guest.d/make-esp", disks["esp.img"], "96", f"EFI/BOOT/BOOTX64.EFI={BOOT_LOADER}", f"vmlinuz={debian}/vmlinuz",
               f"initrd={debian}/initrd", f"loader/loader.conf={folder}/loader.conf",
               f"loader/entries/debian.conf={folder}/debian.conf")
    return disks


def plan_of(build, kinds, peers, **more):
    """What the lab's end (measure.py) is told. `kinds` of benchmarks decide what must be there."""
    plan = {"build": build, "peers": peers, **more}
    if LINUX & kinds:
        plan |= {"kernel": f"{script('lab.d/kernel', 'cloud')}/vmlinuz", "initrds": make_initrds(build)}
    if SCREEN in kinds:
        plan["generic_kernel"] = f"{script('lab.d/kernel', 'generic')}/vmlinuz"
    if DEBIAN & kinds:
        plan["debian"] = script("guest-image")
    if UEFI & kinds:
        plan["firmware"] = make_boot_disks(build, plan.get("debian"))
    return plan


def parsed(line):
    try:
        said = json.loads(line)
    except ValueError:
        raise Failed(f"the lab printed something else than results: {line.rstrip()}") from None
    if "error" in said:
        raise Failed(said["error"])
    return said


def run_lab(plan, options=("--deterministic",)):
    """Runs the lab; yields the results that it prints, one by one, and shows its progress."""
    command = [f"{PROJECT}/scripts/lab", *options, "--timeout", str(TIME_LIMIT),
               "python3", "-B", f"{PROJECT}/scripts/bench.d/measure.py", json.dumps(plan)]
    begin = time.monotonic()
    note("starting the lab")
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as lab:
        try:
            for line in lab.stdout:
                said = parsed(line)
                if "now" in said:
                    note(f"{time.monotonic() - begin:4.0f} s  {said['now']}")
                else:
                    yield said
        except BaseException:
            lab.terminate()
            raise
    if lab.returncode:
        raise Failed(f"the lab ended with status {lab.returncode}; see above")


def collect(said):
    results = report.Results()
    for result in said:
        results.add(result["name"], result["machine"], result["values"])
    return results


def versions(build, peers):
    """One sentence: what was measured, and on what."""
    def first_line(*command):
        return subprocess.run(command, text=True, capture_output=True, check=True).stdout.splitlines()[0]

    def release(flavour):
        with open(f"{script('lab.d/kernel', flavour)}/release", encoding="ascii") as file:
            return file.read().strip()

    programs = [first_line(f"{build}/porthole", "--version"), *(first_line(path, "--version") for path in peers.values())]
    return f"{'; '.join(programs)}; in the lab Linux {release('generic')}, as guest Linux {release('cloud')}."
