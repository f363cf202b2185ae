#include "hv/hypercall/hypercall_page.hpp"

#include <algorithm>

namespace hv {

namespace {

/// One exit, and no ioctl to learn who calls: the page itself finds out what would otherwise need the segment
/// registers. A caller outside CPL 0 gets #UD. A 32-bit caller is told from a 64-bit one by 48 FF C0, which is INC
/// RAX in 64-bit mode, and DEC EAX; INC EAX in 32-bit mode. EAX is half of a 32-bit caller's input value, and as it
/// was when the exit comes. A 64-bit caller's result has something in its upper half only after a call with a repeat
/// count, and comes back as the value of an IN from all others: KVM puts that into RAX at a fraction of what it costs
/// to change a register.
constexpr std::uint8_t code[] = {
    0x50,       // push rax
    0x8C, 0xC8, // mov eax, cs
    0x83, 0xE0,
    0x03,       // and eax, 3
    0x75, 0x18, // jnz not_cpl0
    0x48, 0xFF,
    0xC0,       // inc rax | dec eax; inc eax
    0x58,       // pop rax
    0x74, 0x0F, // jz caller_is_32bit
    0x48, 0x89,
    0xC8, // mov rax, rcx
    0x48, 0xC1,
    0xE8, 0x20,                 // shr rax, 32
    0x75, 0x03,                 // jnz repeats
    0xE5, hypercall_port_64bit, // in eax, imm8
    0xC3,                       // ret
    0xE6, hypercall_port_64bit, // repeats: out imm8, al
    0xC3,                       // ret
    0xE6, hypercall_port_32bit, // caller_is_32bit: out imm8, al
    0xC3,                       // ret
    0x58,                       // not_cpl0: pop rax
    0x0F, 0x0B,                 // ud2
};

constexpr std::uint8_t int3 = 0xCC;

OverlayPage::Content assemble()
{
    OverlayPage::Content page{};
    page.fill(std::byte{int3});
    std::ranges::transform(code, page.begin(), [](auto byte) { return std::byte{byte}; });
    return page;
}

} // namespace

OverlayPage::Content const& hypercall_page()
{
    static OverlayPage::Content const page = assemble();
    return page;
}

} // namespace hv
