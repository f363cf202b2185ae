#include "hv/testing/catch.hpp"
#include "vmm/boot/initial_registers.hpp"
#include "vmm/boot/testing/guest.hpp"

#include <optional>

using namespace vmm;
using namespace vmm::testing;

namespace {

struct Started {
    explicit Started(BootState state)
    {
        RamClaims claims{ram.layout()};
        write_processor_tables(state, claims, ram.memory());
        sregs.apic_base = 0xFEE0'0900;
        sregs.cr8 = 5;
        regs.rax = 1;
        apply(state, regs, sregs);
    }

    [[nodiscard]] std::uint64_t descriptor(std::uint16_t selector) const
    {
        return ram.get<std::uint64_t>(sregs.gdt.base + selector);
    }

    /// Walks the page tables as a processor does (Intel SDM vol. 3, §4.5), as far as 2 MiB pages.
    [[nodiscard]] std::optional<std::uint64_t> translate(std::uint64_t address) const
    {
        constexpr std::uint64_t frame = 0x000F'FFFF'FFFF'F000;
        auto table = sregs.cr3;
        for (auto const shift : {39U, 30U, 21U}) {
            auto const entry = ram.get<std::uint64_t>((table & frame) + (address >> shift & 511) * 8);
            if (!(entry & 1)) return std::nullopt;
            if (entry & 0x80) return (entry & frame) + (address & 0x1F'FFFF);
            table = entry;
        }
        return std::nullopt;
    }

    GuestRam ram{64 * layout::mib};
    Registers regs{};
    SystemRegisters sregs{};
};

} // namespace

TEST_CASE("a long-mode start has paging, 64-bit code and boot_params in RSI", "[boot]")
{
    Started const cpu{{BootState::Mode::long_mode, hv::Gpa{0x100'0200}, 0x2000, 0}};

    CHECK(cpu.regs.rip == 0x100'0200);
    CHECK(cpu.regs.rsi == 0x2000);
    CHECK(cpu.regs.rflags == 2);
    CHECK(cpu.regs.rax == 0);
    CHECK((cpu.sregs.cr0 & 0x8000'0001) == 0x8000'0001);
    CHECK(cpu.sregs.cr4 == 0x20);
    CHECK(cpu.sregs.efer == 0x500);
    CHECK(cpu.sregs.cs.selector == 0x10);
    CHECK(cpu.sregs.cs.long_mode);
    CHECK_FALSE(cpu.sregs.cs.default_32bit);
    CHECK(cpu.sregs.ss.selector == 0x18);
    CHECK(cpu.descriptor(0x10) == 0x00AF'9B00'0000'FFFF);
    CHECK(cpu.descriptor(0x18) == 0x00CF'9300'0000'FFFF);
}

TEST_CASE("the lowest 4 GiB are mapped to themselves, and nothing else", "[boot]")
{
    Started const cpu{{BootState::Mode::long_mode, hv::Gpa{0x100'0200}, 0x2000, 0}};

    for (auto const address : {0x0ULL, 0x2000ULL, 0x100'0200ULL, 0x3FFF'FFFFULL, 0x4000'0000ULL, 0xFFFF'FFFFULL})
        CHECK(cpu.translate(address) == address);
    CHECK(cpu.translate(0x1'0000'0000) == std::nullopt);
    CHECK(cpu.translate(0x80'0000'0000) == std::nullopt);
}

TEST_CASE("a PVH start is flat 32-bit protected mode with start_info in EBX", "[boot]")
{
    Started const cpu{{BootState::Mode::protected_mode, hv::Gpa{0x20'0040}, 0, 0x2000}};

    CHECK(cpu.regs.rip == 0x20'0040);
    CHECK(cpu.regs.rbx == 0x2000);
    CHECK(cpu.regs.rflags == 2);
    CHECK((cpu.sregs.cr0 & ~std::uint64_t{0x10}) == 1);
    CHECK(cpu.sregs.cr4 == 0);
    CHECK(cpu.sregs.efer == 0);
    for (auto const& segment : {cpu.sregs.cs, cpu.sregs.ds, cpu.sregs.es, cpu.sregs.ss}) {
        CHECK(segment.base == 0);
        CHECK(segment.limit == 0xFFFF'FFFF);
        CHECK(segment.default_32bit);
        CHECK_FALSE(segment.long_mode);
        CHECK(segment.present);
    }
    CHECK(cpu.sregs.tr.limit == 0x67);
    CHECK(cpu.sregs.tr.type == 0xB);
    CHECK(cpu.descriptor(0x10) == 0x00CF'9B00'0000'FFFF);
    CHECK(cpu.descriptor(0x20) == 0x0000'8B00'0000'0067);
}

TEST_CASE("a 32-bit Linux starts with its selectors, boot_params in ESI, and zero elsewhere", "[boot]")
{
    Started const cpu{{.mode = BootState::Mode::protected_mode, .entry = hv::Gpa{0x100'0000}, .rsi = 0x2000}};

    CHECK(cpu.regs.rip == 0x100'0000);
    CHECK(cpu.regs.rsi == 0x2000);
    CHECK((cpu.regs.rbp | cpu.regs.rdi | cpu.regs.rbx) == 0);
    CHECK(cpu.sregs.cs.selector == 0x10);
    for (auto const& segment : {cpu.sregs.ds, cpu.sregs.es, cpu.sregs.ss})
        CHECK(segment.selector == 0x18);
}

TEST_CASE("a Multiboot start has the loader's magic in EAX", "[boot]")
{
    Started const cpu{
        {.mode = BootState::Mode::protected_mode, .entry = hv::Gpa{0x20'0040}, .rbx = 0x2000, .rax = 0x2BAD'B002}};

    CHECK(cpu.regs.rax == 0x2BAD'B002);
    CHECK(cpu.regs.rbx == 0x2000);
    CHECK((cpu.regs.rflags & 0x2'0200) == 0); // neither interrupts nor virtual-8086 mode
    CHECK((cpu.sregs.cr0 & 0x8000'0001) == 1);
}

TEST_CASE("what the local APIC owns in the system registers is left alone", "[boot]")
{
    Started const cpu{{}};

    CHECK(cpu.sregs.apic_base == 0xFEE0'0900);
    CHECK(cpu.sregs.cr8 == 5);
}
