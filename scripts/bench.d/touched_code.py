#!/usr/bin/env python3
"""usage: touched_code.py PORTHOLE KERNEL INITRD

Boots Linux with a disk and a network, as root in the lab. Prints the pages of PORTHOLE's code that its processes have
touched then, as offsets in the file, one a line. INITRD has scripts/guest.d/report and the modules for both.
"""

import contextlib
import os
import re
import shutil
import signal
import struct
import subprocess
import sys

PAGE = os.sysconf("SC_PAGE_SIZE")
LIMIT = 300  # seconds
FOLDER = "/dev/shm/touched"
DEBUG = "/sys/kernel/debug"


def map_single_pages():
    """Else the kernel maps what lies around a touched page too."""
    if not os.path.exists(f"{DEBUG}/fault_around_bytes"):
        subprocess.run(["mount", "-t", "debugfs", "none", DEBUG], check=True)
    with open(f"{DEBUG}/fault_around_bytes", "w", encoding="ascii") as file:
        file.write(str(PAGE))


def processes_of(program):
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/{pid}/exe") == program:
                yield pid


def touched_pages(pid, program):
    """Offsets in the file, of pages that the process can execute and has mapped."""
    folder = f"/proc/{pid}"
    with open(f"{folder}/maps", encoding="utf-8") as maps, open(f"{folder}/pagemap", "rb") as pagemap:
        for line in maps:
            match = re.match(r"(\w+)-(\w+) r-xp (\w+) \S+ \d+ +(.*)", line)
            if not match or match[4] != program:
                continue
            begin, end, offset = (int(match[i], 16) for i in (1, 2, 3))
            pagemap.seek(begin // PAGE * 8)
            for (entry,) in struct.iter_unpack("Q", pagemap.read((end - begin) // PAGE * 8)):
                if entry >> 63:
                    yield offset
                offset += PAGE


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__.strip())
    map_single_pages()
    os.mkdir(FOLDER)
    program, kernel, initrd = (shutil.copy(path, FOLDER) for path in sys.argv[1:])
    disk = f"{FOLDER}/disk"
    with open(disk, "wb") as file:
        file.truncate(16 << 20)
    command = [program, "run", "--kernel", kernel, "--initrd", initrd, "--memory", "256M", "--disk", disk,
               "--net", "user", "--cmdline", "console=ttyS0 quiet finish=shell"]
    signal.alarm(LIMIT)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
        if not any(b"== Done" in line for line in run.stdout):
            sys.exit("touched_code: Linux did not come to its end")
        pages = {offset for pid in processes_of(program) for offset in touched_pages(pid, program)}
        run.kill()
    print("\n".join(map(str, sorted(pages))))


main()
