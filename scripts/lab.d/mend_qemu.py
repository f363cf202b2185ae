"""Mends a fault of QEMU's emulated AMD-V in the memory of a QEMU that is just starting.

helper_vmrun() delivers an interrupt that VMRUN injects, and also leaves its vector where QEMU later finds it and delivers the
interrupt once more ("Where the emulated AMD-V differs from a real one" in docs/lab.md). The instruction that leaves it there is made
one that does nothing.
"""

import re

# As GCC translates these lines for the case SVM_EVTINJ_TYPE_INTR, %esi being the vector, %rbx the processor's state.
CODE = re.compile(rb"""
    \x89\xb3....                    # mov   %esi, exception_index     that which goes
    \xc7\x83....\0\0\0\0            # movl  $0, exception_is_int
    \x48\xc7\x83....\xff\xff\xff\xff  # movq  $-1, exception_next_eip
    \xf6\x05....\x02                # testb $CPU_LOG_TB_IN_ASM, qemu_loglevel
    \x0f\x85....                    # jne   where it logs "INTR"
    \xba\x01\0\0\0                  # mov   $1, %edx                  a hardware interrupt
    \x48\x89\xdf                    # mov   %rbx, %rdi
    \xe8                            # call  do_interrupt_x86_hardirq
    """, re.VERBOSE | re.DOTALL)
NOTHING = b"\x66\x0f\x1f\x44\0\0"  # nopw 0(%rax,%rax), as long


class Unknown(Exception):
    """This is not the QEMU that is known here."""


def mend(pid):
    """The process must not have come to its first VMRUN. Raises Unknown, and OSError when its memory is out of reach."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
        own = [line.split() for line in maps if " r-xp " in line and "/qemu-system-" in line]
    with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
        found = []
        for span, *_ in own:
            begin, end = (int(address, 16) for address in span.split("-"))
            memory.seek(begin)
            found += [begin + match.start() for match in CODE.finditer(memory.read(end - begin))]
        if len(found) != 1:
            raise Unknown(f"the code to be mended is there {len(found)} times")
        memory.seek(found[0])
        memory.write(NOTHING)
