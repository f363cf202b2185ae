"""Mends three faults of QEMU's emulated AMD-V in the memory of a QEMU that is just starting ("Where the emulated AMD-V differs from
a real one" in docs/lab.md). Each takes a few bytes of one instruction.
"""

import re
from dataclasses import dataclass


class Unknown(Exception):
    """This is not the QEMU that is known here."""


@dataclass(frozen=True)
class Mend:
    code: re.Pattern  # as GCC translates it; the group is what is replaced
    by: bytes


# helper_vmrun() delivers an interrupt that VMRUN injects, and also leaves its vector where QEMU later finds it and delivers the
# interrupt once more. The case SVM_EVTINJ_TYPE_INTR, %esi being the vector, %rbx the processor's state:
ONCE = Mend(re.compile(rb"""
    (\x89\xb3....)                  # mov   %esi, exception_index     becomes nopw 0(%rax,%rax)
    \xc7\x83....\0\0\0\0            # movl  $0, exception_is_int
    \x48\xc7\x83....\xff\xff\xff\xff  # movq  $-1, exception_next_eip
    \xf6\x05....\x02                # testb $CPU_LOG_TB_IN_ASM, qemu_loglevel
    \x0f\x85....                    # jne   where it logs "INTR"
    \xba\x01\0\0\0                  # mov   $1, %edx                  a hardware interrupt
    \x48\x89\xdf                    # mov   %rbx, %rdi
    \xe8                            # call  do_interrupt_x86_hardirq
    """, re.VERBOSE | re.DOTALL), b"\x66\x0f\x1f\x44\0\0")

# VMRUN does not restore the interrupt shadow that #VMEXIT has saved, so that a guest which leaves between STI and HLT takes an
# interrupt there. x86_cpu_pending_interrupt() lets an interrupt of the host take a guest out at any moment; it then skips the question
# for a shadow, which comes to be asked as it is without a guest. %ecx is hflags2, %rax the processor:
NOT_IN_A_SHADOW = Mend(re.compile(rb"""
    \x89\xce                        # mov   %ecx, %esi
    \x83\xe6\x0a                    # and   $(HF2_VINTR | HF2_HIF), %esi
    \x83\xfe\x0a                    # cmp   the same, %esi
    \x74(\x17)                      # je    to the last line          becomes the line with HF_INHIBIT_IRQ
    \xf6\xc1\x08                    # test  $HF2_VINTR, %cl
    \x75.                           # jne   elsewhere
    \xf6\x80....\x02                # testb $(IF >> 8), eflags + 1
    \x74.                           # je    elsewhere
    \xf6\x80....\x08                # testb $HF_INHIBIT_IRQ, hflags
    \x75.                           # jne   elsewhere
    \xba\x02\0\0\0                  # mov   $CPU_INTERRUPT_HARD, %edx
    """, re.VERBOSE | re.DOTALL), b"\x0e")


# A guest that writes to CR8, of whom KVM wants to hear when it takes interrupts: helper_write_crN() asks for the virtual interrupt by
# cpu_interrupt(), which demands a lock that nobody holds there, and ends QEMU by an assertion. The processor looks at what was asked for
# when it has executed the instruction. %rdi is the processor, %esi CPU_INTERRUPT_VIRQ:
WITHOUT_A_LOCK = Mend(re.compile(rb"""
    \x85\xd2                        # test  %edx, %edx
    \x0f\x84....                    # je    to cpu_reset_interrupt
    \x48\x83\xc4\x08                # add   $8, %rsp
    \xbe\0\x01\0\0                  # mov   $CPU_INTERRUPT_VIRQ, %esi
    \x5b                            # pop   %rbx
    \x5d                            # pop   %rbp
    (\xe9....\x0f\x1f)              # jmp   cpu_interrupt             becomes or %esi, interrupt_request(%rdi); ret
    \x84\0\0\0\0\0                  # the rest of a nop
    """, re.VERBOSE | re.DOTALL), b"\x09\xb7\xd8\0\0\0\xc3")


def mend(pid):
    """The process must not have come to its first VMRUN. Raises Unknown, and OSError when its memory is out of reach."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
        own = [line.split() for line in maps if " r-xp " in line and "/qemu-system-" in line]
    with open(f"/proc/{pid}/mem", "r+b", buffering=0) as memory:
        places = []
        for one in ONCE, NOT_IN_A_SHADOW, WITHOUT_A_LOCK:
            found = []
            for span, *_ in own:
                begin, end = (int(address, 16) for address in span.split("-"))
                memory.seek(begin)
                found += [begin + match.start(1) for match in one.code.finditer(memory.read(end - begin))]
            if len(found) != 1:
                raise Unknown(f"the code to be mended is there {len(found)} times")
            places.append((found[0], one.by))
        for place, bytes_ in places:
            memory.seek(place)
            memory.write(bytes_)
