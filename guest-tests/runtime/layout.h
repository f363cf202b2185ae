/* What assembly and C++ must agree on. */
#pragma once

#define GUEST_CODE64 0x08
#define GUEST_DATA 0x10
#define GUEST_CODE32 0x18
#define GUEST_USER_DATA 0x20
#define GUEST_USER_CODE64 0x28
#define GUEST_TSS 0x30

#define GUEST_CPU_BLOCK 32768      /* bytes of stack and per-CPU data; a power of two, and the blocks' alignment */
#define GUEST_MAX_CPUS 16
#define GUEST_TRAMPOLINE 0x8000    /* where the other processors start, in real mode */
