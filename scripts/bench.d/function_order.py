"""Finds out which functions run while guests boot and are served, and writes a part of a linker script that puts them
together. A page of the program that nobody needs is then not in memory because another in its neighbourhood is.

Test guests run under callgrind here, which sees each function. Linux runs in the lab, where what it needs is known by
the page: it has a disk and a network, whose threads and processes callgrind cannot follow through the jail. What only
shares a page with those stands with them after a first run, and a second run with a program built by its list drops it.
"""

import glob
import os
import re
import subprocess
import sys
import tempfile
import time

PEER = ("--test-devices", "--privileges", "create-port,connect-port,access-partition-id")
RUNS = (
    ("puppet.elf", ("--cmdline", "say:idle halt")),
    ("startup.elf", ()),
    ("bench.elf", PEER),
    ("conformance.elf", PEER),
)
LIMIT = 40  # seconds; a guest that has not ended by then is looked at and ended
LINUX_MODULES = ("hv_vmbus", "hv_storvsc", "sd_mod", "hv_netvsc")

PAGE = os.sysconf("SC_PAGE_SIZE")

HEAD = """/* Written by scripts/function-order: the functions that run while a guest boots and is served stand together. One
   that is not here, or not there any more, costs memory and nothing else. */
SECTIONS
{
  .text.run :
  {
"""
TAIL = """  }
}
INSERT BEFORE .text;
"""


def profile(build, folder, guest, options):
    """Runs the guest; returns the names of functions that were called, as the linker knows them."""
    out = f"{folder}/{guest}.profile"
    command = ["valgrind", "--tool=callgrind", "--demangle=no", f"--callgrind-out-file={out}", f"{build}/porthole", "run",
               "--jail", "off", "--memory", "64M", "--kernel", f"{build}/guest-tests/{guest}", *options]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          start_new_session=True) as run:
        end = time.monotonic() + LIMIT
        while run.poll() is None and time.monotonic() < end:
            time.sleep(0.2)
        if run.poll() is None:
            subprocess.run(["callgrind_control", "-d", str(run.pid)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, check=True, timeout=30)
            run.kill()
    names = set()
    for path in glob.glob(f"{out}*"):
        with open(path, encoding="utf-8") as file:
            names |= set(re.findall(r"^c?fn=\(\d+\) ([\w.$]+)", file.read(), re.MULTILINE))
    if not names:
        sys.exit(f"function-order: nothing was seen of {guest}: does '{build}/porthole run' work here?")
    return names


def tool(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, encoding="utf-8").stdout


def linux_pages(project, program, folder):
    """Addresses in the program, of pages of code that a guest with Linux needs."""
    initrd = f"{folder}/report.initrd"
    tool(f"{project}/scripts/guest-initrd", initrd, "report", *LINUX_MODULES)
    kernel = tool(f"{project}/scripts/lab.d/kernel", "cloud").strip()
    said = tool(f"{project}/scripts/lab", "--timeout", "400", "python3", "-B", f"{project}/scripts/bench.d/touched_code.py",
                program, f"{kernel}/vmlinuz", initrd)
    offsets = [int(line) for line in said.split()]
    load = re.search(r"LOAD +0x(\w+) 0x(\w+) 0x\w+ 0x\w+ 0x\w+ R E", tool("readelf", "-lW", program))
    return {offset - int(load[1], 16) + int(load[2], 16) for offset in offsets}


def functions_on(pages, program):
    """Names of functions of which a part is on one of the pages."""
    for line in tool("nm", "-S", program).splitlines():
        found = re.fullmatch(r"(\w+) (\w+) [tTwWi] (\S+)", line)
        if not found or found[3].endswith(".cold"):
            continue
        begin, size = int(found[1], 16), int(found[2], 16)
        if any(page in pages for page in range(begin & -PAGE, begin + size, PAGE)):
            yield found[3]


def sections(names):
    """A constructor or destructor has several names, and its section the second one."""
    for name in names:
        if name.startswith("_Z"):
            yield re.sub(r"D1(?=Ev)", "D2", re.sub(r"C1(?=[EI])", "C2", name))


def main():
    build, project = sys.argv[1:]
    program, target = f"{build}/porthole", f"{project}/vmm/function_order.ld"
    called = set()
    with tempfile.TemporaryDirectory(dir=f"{project}/.cache") as folder:
        beside = set(sections(functions_on(linux_pages(project, program, folder), program)))
        for guest, options in RUNS:
            called |= set(sections(profile(build, folder, guest, options)))
    lines = [f"    *(.text.{name})\n" for name in sorted(called)]
    lines += [f"    *(.text.{name})\n" for name in sorted(beside - called)]
    with open(target, "w", encoding="ascii") as file:
        file.write(HEAD + "".join(lines) + TAIL)
    print(f"wrote {len(lines)} sections to {os.path.relpath(target)}")


main()
