"""Memory that a guest gives away and takes back, and memory that it did not have at its start."""
import re

from disks import MIB
from guest import eventually, expect

START, LESS, MORE = 256 * MIB, 192 * MIB, 384 * MIB
STEP = 2 * MIB  # no guest is asked for less


def told(guest, key):
    """What the guest's kernel says of its memory, bytes."""
    return int(re.search(rf"^{key}: +(\d+) kB$", guest.shell("cat /proc/meminfo"), re.MULTILINE)[1]) * 1024


def resident(guest):
    with open(f"/proc/{guest.process.pid}/status", encoding="utf-8") as status:
        return int(re.search(r"^VmRSS:\s+(\d+) kB$", status.read(), re.MULTILINE)[1]) * 1024


def has(guest):
    return guest.ctl("status")["guests"][0]["memory"]


def resize(guest, size):
    expect(guest.ctl("memory", f"{size // MIB}M")["wanted"] == size, "the answer is not what was asked for")
    eventually(lambda: size <= has(guest) < size + STEP, f"the guest does not come to {size // MIB} MiB: it has {has(guest) / MIB}")


def fill(guest, size):
    """Has the guest write to so much of its memory, and let go of it: in parts, because in the lab each takes its time."""
    part = 20 * MIB
    guest.shell("mkdir -p /full && mount -t tmpfs -o size=100% none /full")
    for number in range(size // part):
        guest.shell(f"head -c {part} /dev/zero > /full/{number}")
    written = sum(int(word) for word in guest.shell("stat -c %s /full/*; umount /full").split())
    expect(written == size, f"the guest has written {written} bytes, not {size}")


def balloon(guest):
    """Down and up again, within what it had at its start. Its free pages are touched first, so that the host has them."""
    said = guest.shell("dmesg")
    expect("Using Dynamic Memory protocol version 2.0" in said, "Linux does not say that it has agreed on version 2.0")
    expect("Max. dynamic memory size: 384 MB" in said, "Linux does not say how much memory it may come to have")
    expect(re.search(r"SRAT: Node 0 PXM 0 \[mem 0x100000000-0x107ffffff\] hotplug", said), "Linux does not say where memory may come to lie")
    fill(guest, 140 * MIB)
    free, there = told(guest, "MemFree"), resident(guest)
    resize(guest, LESS)
    expect(told(guest, "MemFree") < free - 48 * MIB, "the guest has not less memory that is free")
    expect(resident(guest) < there - 32 * MIB, "the host has not got the memory back")
    resize(guest, START)
    expect(told(guest, "MemFree") > free - 16 * MIB, "the guest has not got its memory back")

    guest.shell("echo 0 > /sys/module/hv_balloon/parameters/pressure_report_delay")
    eventually(lambda: "pressure" in guest.ctl("status")["guests"][0]["dynamic-memory"], "the guest does not report its needs")
    needs = guest.ctl("status")["guests"][0]["dynamic-memory"]
    expect(0 < needs["available"] <= START and 0 < needs["pressure"] <= 1000, f"the guest's needs are {needs}")


def hot_add(guest):
    total, free = told(guest, "MemTotal"), told(guest, "MemFree")
    guest.shell("echo online > /sys/devices/system/memory/auto_online_blocks")
    resize(guest, MORE)
    eventually(lambda: told(guest, "MemTotal") > total + 100 * MIB, "the guest has not more memory")
    expect(told(guest, "MemFree") > free + 100 * MIB, "the guest cannot use the memory that was added")
    resize(guest, START)
