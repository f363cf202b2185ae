/* The first instructions of every processor.
 *
 * The boot processor arrives as Xen's docs/misc/pvh.pandoc says: 32-bit protected mode, flat segments, no paging,
 * EBX = address of hvm_start_info; or as the Multiboot Specification says, see multiboot.S. The others arrive by SIPI in
 * real mode at GUEST_TRAMPOLINE.
 */
#include "runtime/layout.h"

    .section .note.Xen, "a", @note
    .balign 4
    .long 4, 8, 18                      /* name size, descriptor size, XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .quad pvh_entry

    .section .text.entry, "ax"
    .code32
    .globl pvh_entry
pvh_entry:
    cli
    cld
    movl %eax, boot_eax
    movl %ebx, start_info_address
    lgdt boot_gdtr
    ljmp $GUEST_CODE32, $enter_long_mode

enter_long_mode:
    movl $GUEST_DATA, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %eax, %fs
    movl %eax, %gs

    movl %cr4, %eax
    orl $0x620, %eax                    /* PAE, OSFXSR, OSXMMEXCPT */
    movl %eax, %cr4
    movl $kernel_tables, %eax
    movl %eax, %cr3
    movl $0xC0000080, %ecx              /* EFER */
    rdmsr
    orl $0x100, %eax                    /* LME */
    wrmsr
    movl %cr0, %eax
    andl $0x9FFFFFF3, %eax              /* not CD, NW, EM, TS */
    orl $0x80000023, %eax               /* PG, NE, MP, PE */
    movl %eax, %cr0
    ljmp $GUEST_CODE64, $in_long_mode

    .code64
in_long_mode:
    movq boot_stack, %rsp
    xorl %ebp, %ebp
    call cpu_main
1:  cli
    hlt
    jmp 1b

    .code16
    .globl ap_trampoline
ap_trampoline:
    cli
    cld
    movw %cs, %ax
    movw %ax, %ds
    lgdtl ap_gdtr - ap_trampoline
    movl %cr0, %eax
    orl $1, %eax
    movl %eax, %cr0
    ljmpl $GUEST_CODE32, $enter_long_mode
ap_gdtr:
    .word boot_gdt_end - boot_gdt - 1
    .long boot_gdt
    .globl ap_trampoline_end
ap_trampoline_end:

    .section .data.boot, "aw"
    .balign 8
    .globl boot_stack
boot_stack:
    .quad cpu_blocks + GUEST_CPU_BLOCK
    .globl start_info_address
start_info_address:
    .quad 0
    .globl boot_eax
boot_eax:
    .long 0
    .balign 8

boot_gdt:
    .quad 0
    .quad 0x00AF9B000000FFFF            /* 64-bit code */
    .quad 0x00CF93000000FFFF            /* data */
    .quad 0x00CF9B000000FFFF            /* 32-bit code */
boot_gdt_end:
boot_gdtr:
    .word boot_gdt_end - boot_gdt - 1
    .long boot_gdt

/* Identity map of the first 4 GiB in 2 MiB pages, for the supervisor only; the last of them uncached, as it is
 * devices. Accessed and dirty are set beforehand. */
    .section .data.tables, "aw"
    .balign 4096
kernel_tables:
    .quad kernel_pdpt + 0x23
    .fill 511, 8, 0
kernel_pdpt:
    .quad kernel_pd + 0x0023, kernel_pd + 0x1023, kernel_pd + 0x2023, kernel_pd + 0x3023
    .fill 508, 8, 0
kernel_pd:
    .set page, 0
    .rept 1536
    .quad (page << 21) | 0xE3
    .set page, page + 1
    .endr
    .rept 512
    .quad (page << 21) | 0xFB
    .set page, page + 1
    .endr

/* The same, but user programs may use the first gigabyte. */
    .globl user_tables
user_tables:
    .quad user_pdpt + 0x27
    .fill 511, 8, 0
user_pdpt:
    .quad user_pd + 0x27, kernel_pd + 0x1023, kernel_pd + 0x2023, kernel_pd + 0x3023
    .fill 508, 8, 0
user_pd:
    .set page, 0
    .rept 512
    .quad (page << 21) | 0xE7
    .set page, page + 1
    .endr

    .section .note.GNU-stack, "", @progbits
