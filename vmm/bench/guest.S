// Real-mode programs that take one kind of exit again and again. At entry DI is where the cycle counts go, 32 bits each,
// SI how many, ECX an MSR; GS begins where no memory is. What reading the time-stamp counter takes is subtracted. They end with an OUT to end_port.
#include "vmm/bench/guest.h"

        .section .rodata
        .code16

        .macro program name, instruction:vararg
        .global \name
        .global \name\()_end
\name:
1:      rdtsc
        movl    %eax, %ebp
        \instruction
        rdtsc
        movl    %eax, %ebx
        rdtsc
        subl    %ebx, %eax
        subl    %ebp, %ebx
        subl    %eax, %ebx
        movl    %ebx, (%di)
        addw    $4, %di
        decw    %si
        jnz     1b
        outb    %al, $end_port
\name\()_end:
        .endm

        .macro cpuid_of_leaf_0
        xorl    %eax, %eax
        cpuid
        .endm

        program bench_guest_out, outl %eax, $bare_port
        program bench_guest_wrmsr, wrmsr
        program bench_guest_rdmsr, rdmsr
        program bench_guest_mmio, movl %eax, %gs:0
        program bench_guest_cpuid, cpuid_of_leaf_0

        .section .note.GNU-stack, "", @progbits
