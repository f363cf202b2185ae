/* Interrupt entry, calls that survive an exception, and the ways into user mode and 32-bit code and back. */
#include "runtime/layout.h"

    .text

/* 256 entries of 16 bytes each. Those without an error code of the processor's push a zero in its place. */
    .balign 16
    .globl interrupt_entries
interrupt_entries:
    .set vector, 0
    .rept 256
    .balign 16
    .if !(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector == 29 || vector == 30)
    pushq $0
    .endif
    pushq $vector
    jmp interrupt_common
    .set vector, vector + 1
    .endr

    .balign 16
interrupt_common:
    pushq %rax
    pushq %rbx
    pushq %rcx
    pushq %rdx
    pushq %rsi
    pushq %rdi
    pushq %rbp
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, %rdi
    cld
    call handle_interrupt
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rbp
    popq %rdi
    popq %rsi
    popq %rdx
    popq %rcx
    popq %rbx
    popq %rax
    addq $16, %rsp
    iretq

/* int guarded_call(void (*function)(void*), void* argument, uint64_t* guard)
 * Calls the function; returns -1, or the vector of the exception that ended it. While it runs, *guard is the stack
 * pointer with which the exception handler resumes at guarded_return, the vector in EAX. */
    .globl guarded_call
guarded_call:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushq (%rdx)
    pushq %rdx
    movq %rsp, (%rdx)
    movq %rdi, %rax
    movq %rsi, %rdi
    subq $8, %rsp
    call *%rax
    addq $8, %rsp
    movl $-1, %eax
    .globl guarded_return
guarded_return:
    popq %rdx
    popq (%rdx)
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret

/* void call_in_user_mode(uint64_t target, uint64_t user_stack_top, uint64_t* rsp0)
 * Never returns: the exception that ends the user program comes back through the guard. */
    .globl call_in_user_mode
call_in_user_mode:
    movq %rsp, (%rdx)
    movq %rdi, %rax
    movq $user_tables, %rcx
    movq %rcx, %cr3
    pushq $(GUEST_USER_DATA | 3)
    pushq %rsi
    pushq $2
    pushq $(GUEST_USER_CODE64 | 3)
    pushq $user_program
    iretq
user_program:
    movq $0xFFFE, %rcx
    orq $0x10000, %rcx                  /* an unknown call, fast */
    xorl %edx, %edx
    xorl %r8d, %r8d
    call *%rax
    .globl user_program_returned
user_program_returned:
    ud2

/* void call_as_32bit(void): loads the seven registers of compat_state, calls compat_target from a 32-bit code
 * segment, stores the seven registers again. Interrupts must be off. One processor at a time. */
    .globl call_as_32bit
call_as_32bit:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushq $GUEST_CODE32
    pushq $in_32bit_code
    lretq

    .code32
in_32bit_code:
    movl $GUEST_DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl compat_state + 0, %eax
    movl compat_state + 4, %ebx
    movl compat_state + 8, %ecx
    movl compat_state + 12, %edx
    movl compat_state + 16, %esi
    movl compat_state + 20, %edi
    movl compat_state + 24, %ebp
    call *compat_target
    movl %eax, compat_state + 0
    movl %ebx, compat_state + 4
    movl %ecx, compat_state + 8
    movl %edx, compat_state + 12
    movl %esi, compat_state + 16
    movl %edi, compat_state + 20
    movl %ebp, compat_state + 24
    ljmp $GUEST_CODE64, $out_of_32bit_code

    .code64
out_of_32bit_code:
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret

/* void call_with_registers(uint64_t registers[15], void* xmm, uint64_t target): loads every register but RSP, in
 * the order of the stores below, and XMM0 to XMM5; calls; stores what came back. */
    .globl call_with_registers
call_with_registers:
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    pushq %rdx
    pushq %rsi
    pushq %rdi
    movups 0(%rsi), %xmm0
    movups 16(%rsi), %xmm1
    movups 32(%rsi), %xmm2
    movups 48(%rsi), %xmm3
    movups 64(%rsi), %xmm4
    movups 80(%rsi), %xmm5
    movq 0(%rdi), %rax
    movq 8(%rdi), %rbx
    movq 16(%rdi), %rcx
    movq 24(%rdi), %rdx
    movq 32(%rdi), %rsi
    movq 48(%rdi), %rbp
    movq 56(%rdi), %r8
    movq 64(%rdi), %r9
    movq 72(%rdi), %r10
    movq 80(%rdi), %r11
    movq 88(%rdi), %r12
    movq 96(%rdi), %r13
    movq 104(%rdi), %r14
    movq 112(%rdi), %r15
    movq 40(%rdi), %rdi
    call *16(%rsp)
    pushq %rdi
    movq 8(%rsp), %rdi
    movq %rax, 0(%rdi)
    movq %rbx, 8(%rdi)
    movq %rcx, 16(%rdi)
    movq %rdx, 24(%rdi)
    movq %rsi, 32(%rdi)
    movq %rbp, 48(%rdi)
    movq %r8, 56(%rdi)
    movq %r9, 64(%rdi)
    movq %r10, 72(%rdi)
    movq %r11, 80(%rdi)
    movq %r12, 88(%rdi)
    movq %r13, 96(%rdi)
    movq %r14, 104(%rdi)
    movq %r15, 112(%rdi)
    popq 40(%rdi)
    movq 8(%rsp), %rsi
    movups %xmm0, 0(%rsi)
    movups %xmm1, 16(%rsi)
    movups %xmm2, 32(%rsi)
    movups %xmm3, 48(%rsi)
    movups %xmm4, 64(%rsi)
    movups %xmm5, 80(%rsi)
    addq $24, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    ret

    .section .data.compat, "aw"
    .balign 8
    .globl compat_state
compat_state:
    .fill 8, 4, 0
    .globl compat_target
compat_target:
    .quad 0

    .section .note.GNU-stack, "", @progbits
