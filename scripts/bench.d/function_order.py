"""Finds out which functions run while guests boot and are served, and writes a part of a linker script that puts them
together. A page of the program that nobody needs is then not in memory because another in its neighbourhood is."""

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

# Valgrind's own system calls would not get through the jail, so that nobody sees these run.
UNSEEN = ("_ZN3vmm4jail", "_ZNK3vmm4jail", "_ZN3vmm6helper", "_ZNK3vmm6helper", "_ZN2hv5vmbus", "_ZNK2hv5vmbus")

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


def sections(names):
    """A constructor or destructor has several names, and its section the second one."""
    for name in names:
        if name.startswith("_Z"):
            yield re.sub(r"D1(?=Ev)", "D2", re.sub(r"C1(?=[EI])", "C2", name))


def main():
    build, target = sys.argv[1:]
    names = set()
    with tempfile.TemporaryDirectory() as folder:
        for guest, options in RUNS:
            names |= profile(build, folder, guest, options)
    lines = [f"    *(.text.{name})\n" for name in sorted(set(sections(names)))]
    lines += [f"    *(.text.{start}*)\n" for start in UNSEEN]
    with open(target, "w", encoding="ascii") as file:
        file.write(HEAD + "".join(lines) + TAIL)
    print(f"wrote {len(lines)} sections to {os.path.relpath(target)}")


main()
