// The driver's file, as bytes: efi_driver.cpp says where they are.
    .section .rodata
    .balign 16
    .globl porthole_efi_driver_begin, porthole_efi_driver_end
porthole_efi_driver_begin:
    .incbin PORTHOLE_EFI_DRIVER
porthole_efi_driver_end:
    .section .note.GNU-stack, "", @progbits
