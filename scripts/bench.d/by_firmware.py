"""Inside the lab: guests that UEFI firmware starts."""

import os
import shutil

from machines import NVRAM, NVRAM_TEMPLATE
from runner import running, say

BOOTLOADER = "the boot loader runs"  # guest-tests/efi/bootloader.cpp


def fresh_nvram():
    """For the VMM that keeps it in a file: variables as they come from the package, as the others have them."""
    shutil.copy(NVRAM_TEMPLATE, NVRAM)
    os.chmod(NVRAM, 0o600)


def to_bootloader(machine, disk, name, runs):
    values = []
    for number in range(runs):
        say(now=f"firmware under {machine.name}, run {number + 1} of {runs}")
        fresh_nvram()
        with running(machine, machine.firmware_command(disk), BOOTLOADER) as vmm:
            values.append(vmm.nanoseconds)
    say(name=name, machine=machine.name, values=values)
