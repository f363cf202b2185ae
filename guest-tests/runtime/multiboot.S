/* Makes an image one that Multiboot loaders start (Multiboot Specification 0.6.96, 3.1): linked in, it comes first. They
 * arrive as PVH loaders do, but for EAX = 0x2BADB002 and EBX = address of the Multiboot information.
 */
    .set magic, 0x1BADB002
    .set flags, 2                       /* memory sizes and map, please */

    .section .multiboot, "a"
    .balign 4
    .long magic, flags, -(magic + flags)

    .section .note.GNU-stack, "", @progbits
