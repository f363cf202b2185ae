// A PCI function as a guest sets it up, and registers in memory as a guest reaches them: the function that
// --test-devices adds (docs/devices.md).
#include "runtime/apic.hpp"
#include "runtime/console.hpp"
#include "runtime/cpu.hpp"
#include "runtime/memory.hpp"
#include "runtime/test.hpp"
#include "runtime/traps.hpp"

using namespace guest;

namespace {

constexpr u32 identity = 0x10F0'1AF4;
constexpr u32 slot = 16;
constexpr u32 magic = 0x5048'5446;

// Configuration space.
constexpr u32 command = 0x04;
constexpr u32 bar0 = 0x10; ///< registers
constexpr u32 bar1 = 0x14; ///< ports
constexpr u32 bar2 = 0x18; ///< memory, 64 bits
constexpr u32 bar4 = 0x20; ///< MSI-X
constexpr u32 rom = 0x30;
constexpr u32 capabilities = 0x34;

constexpr u32 decode_io = 1;
constexpr u32 decode_memory = 2;
constexpr u32 bus_master = 4;

// In the hole below 4 GiB, where there is no RAM.
constexpr u32 registers_at = 0xC000'0000;
constexpr u32 elsewhere = 0xC400'0000;
constexpr u32 bytes_at = 0xC010'0000;
constexpr u32 msix_at = 0xC020'0000;
constexpr u32 rom_at = 0xC030'0000;
constexpr u16 ports_at = 0xC000;

// Registers of BAR 0.
constexpr u32 scratch = 0x04;
constexpr u32 writes = 0x08;
constexpr u32 raise_msi = 0x0C;
constexpr u32 raise_msix = 0x10;

constexpr u32 apic_address = 0xFEE0'0000;
constexpr u8 vector = 0x60;

u32 read_config(u32 offset, u32 device = slot)
{
    out32(0xCF8, 0x8000'0000 | device << 11 | (offset & 0xFC));
    return in32(0xCFC);
}

void write_config(u32 offset, u32 value)
{
    out32(0xCF8, 0x8000'0000 | slot << 11 | (offset & 0xFC));
    out32(0xCFC, value);
}

template <typename T = u32>
T volatile& at(u64 address)
{
    return *reinterpret_cast<T volatile*>(address);
}

u32 find_capability(u8 id)
{
    for (auto next = read_config(capabilities) & 0xFC; next; next = read_config(next) >> 8 & 0xFC) {
        if ((read_config(next) & 0xFF) == id) return next;
    }
    return 0;
}

/// Puts all ranges where this program wants them.
void set_up()
{
    write_config(command, 0);
    write_config(bar0, registers_at);
    write_config(bar1, ports_at);
    write_config(bar2, bytes_at);
    write_config(bar2 + 4, 0);
    write_config(bar4, msix_at);
    write_config(rom, 0);
    write_config(command, decode_io | decode_memory | bus_master);
}

/// Waits for the vector's interrupt number `count`.
bool interrupts_become(u32 count)
{
    for (u32 n = 0; n < 1000; ++n) {
        if (interrupt_count(vector) == count) return true;
        enable_interrupts();
        relax();
    }
    return interrupt_count(vector) == count;
}

} // namespace

#define NEEDS_FUNCTION()                                                                                             \
    SKIP_UNLESS(read_config(0) == identity, "there is no test function");                                            \
    set_up()

TEST(pci, nobody_is_in_an_empty_slot, "PCI 3.0 6.1")
{
    CHECK_EQ(read_config(0, 30), 0xFFFF'FFFF);
}

TEST(pci, sizes_are_found_by_all_ones, "PCI 3.0 6.2.5.1")
{
    NEEDS_FUNCTION();
    write_config(command, 0);
    struct {
        u32 offset, expected;
    } const bars[] = {{bar0, 0xFFFF'F000}, {bar1, 0xFFFF'FFF1},     {bar2, 0xFFFF'000C},
                      {bar4, 0xFFFF'E000}, {bar2 + 4, 0xFFFF'FFFF}, {rom, 0xFFFF'F801}};
    for (auto const& bar : bars) {
        auto const before = read_config(bar.offset);
        write_config(bar.offset, 0xFFFF'FFFF);
        auto const size = read_config(bar.offset);
        write_config(bar.offset, before);
        note_position(bar.offset);
        CHECK_EQ(size, bar.expected);
        CHECK_EQ(read_config(bar.offset), before);
    }
}

TEST(mmio, registers_answer_where_the_bar_says, "PCI 3.0 6.2.5.1")
{
    NEEDS_FUNCTION();
    CHECK_EQ(at(registers_at), magic);
    at(registers_at + scratch) = 0x1234'5678;
    CHECK_EQ(at(registers_at + scratch), 0x1234'5678);

    write_config(bar0, elsewhere);
    CHECK_EQ(at(registers_at), 0xFFFF'FFFF);
    CHECK_EQ(at(elsewhere + scratch), 0x1234'5678);
    write_config(command, decode_io);
    CHECK_EQ(at(elsewhere), 0xFFFF'FFFF);
}

TEST(mmio, accesses_of_all_sizes_and_alignments, "PCI 3.0 3.2.2.3")
{
    NEEDS_FUNCTION();
    for (u32 i = 0; i < 32; ++i)
        at<u8>(bytes_at + i) = static_cast<u8>(i);
    CHECK_EQ(at<u8>(bytes_at + 5), 5);
    CHECK_EQ(at<u16>(bytes_at + 6), 0x0706);
    CHECK_EQ(at<u32>(bytes_at + 8), 0x0B0A'0908);
    CHECK_EQ(at<u64>(bytes_at + 16), 0x1716'1514'1312'1110);
    for (u32 i = 1; i < 8; ++i) {
        note_position(i);
        CHECK_EQ(at<u64>(bytes_at + i), 0x0706'0504'0302'0100 + i * 0x0101'0101'0101'0101);
    }
    at<u64>(bytes_at + 0x101) = 0x8877'6655'4433'2211;
    CHECK_EQ(at<u32>(bytes_at + 0x104), 0x7766'5544);
    CHECK_EQ(at<u8>(bytes_at + 0x108), 0x88);
    at<u16>(bytes_at + 0xFFF) = 0xBBAA; // across a page
    CHECK_EQ(at<u8>(bytes_at + 0x1000), 0xBB);
}

TEST(mmio, a_qword_is_two_dwords_to_a_device_of_dwords, "PCI 3.0 3.2.2.3")
{
    NEEDS_FUNCTION();
    auto const before = at(registers_at + writes);
    at<u64>(registers_at) = 0x1111'1111'2222'2222;
    CHECK_EQ(at(registers_at + writes), before + 2);
    CHECK_EQ(at(registers_at + scratch), 0x1111'1111);
    at<u8>(registers_at + scratch + 2) = 0x33;
    CHECK_EQ(at(registers_at + scratch), 0x1133'1111);
}

TEST(mmio, strings_move_to_and_from_registers, "SDM vol. 2, MOVS")
{
    NEEDS_FUNCTION();
    static Page source;
    static Page copy;
    source.fill(0xA5);
    copy.fill(0);
    u64 const bytes = bytes_at + 0x2000;
    auto const move = [](void const* from, void* to) {
        u64 count = page_size / 8;
        asm volatile("rep movsq" : "+S"(from), "+D"(to), "+c"(count)::"memory");
    };
    move(source.bytes, reinterpret_cast<void*>(bytes));
    move(reinterpret_cast<void const*>(bytes), copy.bytes);
    CHECK(copy.holds_only(0xA5));
}

TEST(pci, ports_answer_where_the_bar_says, "PCI 3.0 6.2.5.1")
{
    NEEDS_FUNCTION();
    out32(ports_at + 4, 0x0403'0201);
    CHECK_EQ(in8(ports_at + 6), 3);
    write_config(bar1, ports_at + 0x100);
    CHECK_EQ(in8(ports_at + 6), 0xFF);
    CHECK_EQ(in32(ports_at + 0x104), 0x0403'0201);
}

TEST(pci, a_rom_is_there_when_it_is_enabled, "PCI 3.0 6.2.5.2")
{
    NEEDS_FUNCTION();
    write_config(rom, rom_at);
    CHECK_EQ(at<u16>(rom_at), 0xFFFF);
    write_config(rom, rom_at | 1);
    CHECK_EQ(at<u16>(rom_at), 0xAA55);
    at<u16>(rom_at) = 0;
    CHECK_EQ(at<u16>(rom_at), 0xAA55);
    write_config(rom, 0);
}

TEST(pci, ram_comes_before_a_range_that_is_put_there, "PCI 3.0 6.2.5.1")
{
    NEEDS_FUNCTION();
    static Page page;
    page.fill(0x77);
    write_config(bar0, static_cast<u32>(gpa(&page)));
    CHECK(page.holds_only(0x77));
    page.fill(0x11);
    CHECK(page.holds_only(0x11));
    write_config(bar0, apic_address); // the local APIC answers the processor's accesses itself
    CHECK(apic::reg(apic::spurious) != magic);
    write_config(bar0, registers_at);
    CHECK_EQ(at(registers_at), magic);
}

TEST(pci, msi_interrupts_unless_it_is_masked, "PCI 3.0 6.8.1")
{
    NEEDS_FUNCTION();
    auto const msi = find_capability(5);
    CHECK(msi != 0);
    auto const before = interrupt_count(vector);
    write_config(msi + 4, apic_address);
    write_config(msi + 8, 0);
    write_config(msi + 12, vector);
    write_config(msi + 16, 0);
    at(registers_at + raise_msi) = 0;
    write_config(msi, 1u << 16);
    at(registers_at + raise_msi) = 0;
    CHECK(interrupts_become(before + 1));

    write_config(msi + 16, 1);
    at(registers_at + raise_msi) = 0;
    CHECK_EQ(read_config(msi + 20), 1);
    CHECK_EQ(interrupt_count(vector), before + 1);
    write_config(msi + 16, 0);
    CHECK(interrupts_become(before + 2));
    write_config(msi, 0);
}

TEST(pci, msix_interrupts_unless_it_is_masked, "PCI 3.0 6.8.2")
{
    NEEDS_FUNCTION();
    auto const msix = find_capability(0x11);
    CHECK(msix != 0);
    CHECK_EQ(read_config(msix) >> 16 & 0x7FF, 3);
    CHECK_EQ(read_config(msix + 4), 4);
    auto const pending = msix_at + (read_config(msix + 8) & ~7u);
    auto const entry = msix_at + 2 * 16;
    auto const before = interrupt_count(vector);
    CHECK_EQ(at(entry + 12), 1);
    at<u64>(entry) = apic_address;
    at(entry + 8) = vector;
    write_config(msix, 1u << 31);
    at(registers_at + raise_msix) = 2;
    CHECK_EQ(at(pending), 4);
    at(entry + 12) = 0;
    CHECK(interrupts_become(before + 1));
    CHECK_EQ(at(pending), 0);
    at(registers_at + raise_msix) = 2;
    CHECK(interrupts_become(before + 2));

    at<u64>(entry) = gpa(&at(registers_at)); // no interrupt's address
    at(registers_at + raise_msix) = 2;
    CHECK_EQ(interrupt_count(vector), before + 2);
    at(entry + 12) = 1;
    write_config(msix, 0);
}

TEST(pci, two_processors_move_a_range_and_read_it, "PCI 3.0 6.2.5.1")
{
    NEEDS_FUNCTION();
    NEEDS_SECOND_CPU();
    static bool volatile done;
    static u32 volatile wrong;
    done = false;
    wrong = 0;
    start_on(
        1,
        [](void*) {
            while (!done) {
                auto const value = at(registers_at);
                if (value != magic && value != 0xFFFF'FFFF) wrong = value;
            }
        },
        nullptr);
    for (u32 n = 0; n < 200; ++n)
        write_config(bar0, n % 2 == 0 ? elsewhere : registers_at);
    done = true;
    CHECK(wait_for_task(1));
    CHECK_EQ(wrong, 0);
    CHECK_EQ(at(registers_at), magic);
}

u32 guest_main()
{
    start_cpus();
    print("# pci: ", cpu_count(), " processors\n");
    return run_tests([] {});
}
