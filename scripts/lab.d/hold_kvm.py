#!/usr/bin/env python3
"""Keeps a virtual machine that never runs, until this machine ends, and returns once it exists.

With the first and the last one, and a second after any has enabled its local APIC, KVM patches its own code (the static
keys preempt_notifier_key and apic_sw_disabled of Linux 6.1), which QEMU gets wrong ("Where the emulated AMD-V differs from a real
one" in docs/lab.md). As long as there is this machine, whose APIC nobody enables, nothing is patched.
"""

import fcntl
import os
import signal
import sys

# Linux, include/uapi/linux: KVM's numbers
KVM_CREATE_VM, KVM_CREATE_VCPU, KVM_CREATE_IRQCHIP = 0xAE01, 0xAE41, 0xAE60


def main():
    ready, tell = os.pipe()
    if os.fork():
        os.close(tell)
        return 0 if os.read(ready, 1) else 1
    os.setsid()
    nothing = os.open("/dev/null", os.O_RDWR)
    for stream in range(3):
        os.dup2(nothing, stream)
    kvm = os.open("/dev/kvm", os.O_RDWR)
    machine = fcntl.ioctl(kvm, KVM_CREATE_VM, 0)
    fcntl.ioctl(machine, KVM_CREATE_IRQCHIP, 0)
    fcntl.ioctl(machine, KVM_CREATE_VCPU, 0)
    os.write(tell, b"+")
    os.close(tell)
    while True:
        signal.pause()


if __name__ == "__main__":
    sys.exit(main())
