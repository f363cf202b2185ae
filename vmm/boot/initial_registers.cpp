#include "vmm/boot/initial_registers.hpp"

#include <array>
#include <cstring>

namespace vmm {

namespace {

constexpr std::uint64_t cr0_pe = 1U << 0;
constexpr std::uint64_t cr0_et = 1U << 4;
constexpr std::uint64_t cr0_pg = 1U << 31;
constexpr std::uint64_t cr4_pae = 1U << 5;
constexpr std::uint64_t efer_lme = 1U << 8;
constexpr std::uint64_t efer_lma = 1U << 10;

// __BOOT_CS and __BOOT_DS of Linux (Documentation/x86/boot.rst, 64-bit boot protocol); PVH and Multiboot leave
// selectors open.
constexpr std::uint16_t code_selector = 0x10;
constexpr std::uint16_t data_selector = 0x18;
constexpr std::uint16_t tss_selector = 0x20;

/// Type bits of a segment descriptor, its "accessed" bit set so that no processor writes to the table.
constexpr std::uint8_t type_code = 0xB; // execute, read
constexpr std::uint8_t type_data = 0x3; // read, write
constexpr std::uint8_t type_busy_tss = 0xB;

Segment flat(std::uint16_t selector, std::uint8_t type, bool is_64bit_code = false)
{
    Segment segment{};
    segment.limit = 0xFFFF'FFFF;
    segment.selector = selector;
    segment.type = type;
    segment.present = true;
    segment.code_or_data = true;
    segment.page_granular = true;
    segment.long_mode = is_64bit_code;
    segment.default_32bit = !is_64bit_code;
    return segment;
}

Segment code(BootState::Mode mode)
{
    return flat(code_selector, type_code, mode == BootState::Mode::long_mode);
}

Segment data()
{
    return flat(data_selector, type_data);
}

/// The PVH boot ABI asks for base 0 and limit 0x67; a processor in long mode for any busy TSS.
Segment tss()
{
    Segment segment{};
    segment.limit = 0x67;
    segment.selector = tss_selector;
    segment.type = type_busy_tss;
    segment.present = true;
    return segment;
}

/// The descriptor of a segment with base 0 (Intel SDM vol. 3, §3.4.5).
std::uint64_t descriptor(Segment const& segment)
{
    auto const limit = std::uint64_t{segment.page_granular ? segment.limit >> 12 : segment.limit};
    auto const access = std::uint64_t{segment.type} | std::uint64_t{segment.code_or_data} << 4 |
                        std::uint64_t{segment.present} << 7 | std::uint64_t{segment.long_mode} << 13 |
                        std::uint64_t{segment.default_32bit} << 14 | std::uint64_t{segment.page_granular} << 15;
    return (limit & 0xFFFF) | (limit >> 16 & 0xF) << 48 | access << 40;
}

constexpr std::size_t gdt_size = tss_selector + 8;

hv::Gpa write_gdt(BootState::Mode mode, RamClaims& claims, hv::GuestMemory const& memory)
{
    std::array<std::uint64_t, gdt_size / 8> table{};
    table[code_selector / 8] = descriptor(code(mode));
    table[data_selector / 8] = descriptor(data());
    table[tss_selector / 8] = descriptor(tss());
    auto const place = claims.claim_boot_data(gdt_size);
    std::memcpy(host_address(memory, place), table.data(), sizeof table);
    return place.base;
}

/// Maps the lowest 4 GiB to themselves in pages of 2 MiB: one page each of PML4 and PDPT, four page directories.
hv::Gpa write_page_tables(RamClaims& claims, hv::GuestMemory const& memory)
{
    constexpr std::uint64_t pages = 6;
    constexpr std::uint64_t present_writable = 3;
    constexpr std::uint64_t large_page = 1U << 7;
    constexpr std::size_t entries = 512;

    auto const place = claims.claim_boot_data(pages * hv::page_size);
    auto* const tables = reinterpret_cast<std::uint64_t*>(host_address(memory, place));
    auto const address = [&](std::size_t page) { return place.base.value + page * hv::page_size; };

    tables[0] = address(1) | present_writable;
    for (std::size_t gib = 0; gib < 4; ++gib)
        tables[entries + gib] = address(2 + gib) | present_writable;
    for (std::size_t i = 0; i < 4 * entries; ++i)
        tables[2 * entries + i] = i * 2 * layout::mib | present_writable | large_page;
    return place.base;
}

} // namespace

void write_processor_tables(BootState& state, RamClaims& claims, hv::GuestMemory const& memory)
{
    state.gdt = write_gdt(state.mode, claims, memory);
    if (state.mode == BootState::Mode::long_mode) state.page_tables = write_page_tables(claims, memory);
}

void apply(BootState const& state, Registers& regs, SystemRegisters& sregs)
{
    regs = {};
    regs.rip = state.entry.value;
    regs.rsi = state.rsi;
    regs.rax = state.rax;
    regs.rbx = state.rbx;
    regs.rflags = rflags::always_one;

    sregs.cs = code(state.mode);
    sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data();
    sregs.tr = tss();
    sregs.ldt = {};
    sregs.ldt.unusable = true;
    sregs.gdt = {};
    sregs.gdt.base = state.gdt.value;
    sregs.gdt.limit = gdt_size - 1;
    sregs.idt = {};

    auto const is_long = state.mode == BootState::Mode::long_mode;
    sregs.cr0 = cr0_pe | cr0_et | (is_long ? cr0_pg : 0);
    sregs.cr2 = 0;
    sregs.cr3 = is_long ? state.page_tables.value : 0;
    sregs.cr4 = is_long ? cr4_pae : 0;
    sregs.efer = is_long ? efer_lme | efer_lma : 0;
}

} // namespace vmm
