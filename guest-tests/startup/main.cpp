// What firmware leaves behind, as a kernel finds it that has written to nothing yet, and the first INIT and SIPI of
// each processor, sent while no local APIC has been written to. With "reset" on the command line it says
// how many came, and resets the machine.
#include "runtime/apic.hpp"
#include "runtime/console.hpp"
#include "runtime/cpu.hpp"
#include "runtime/memory.hpp"
#include "runtime/start_info.hpp"
#include "runtime/test.hpp"
#include "runtime/traps.hpp"

using namespace guest;

namespace {

constexpr u32 apic_base = 0x1B;
constexpr u32 feature_control = 0x3A;
constexpr u32 misc_enable = 0x1A0;
constexpr u32 pat = 0x277;
constexpr u32 mtrr_capabilities = 0xFE;
constexpr u32 mtrr_base_0 = 0x200;
constexpr u32 mtrr_fixed[] = {0x250, 0x258, 0x259, 0x268, 0x269, 0x26A, 0x26B, 0x26C, 0x26D, 0x26E, 0x26F};
constexpr u32 mtrr_default = 0x2FF;

constexpr u64 uncacheable = 0;
constexpr u64 write_back = 6;
constexpr u64 mtrr_valid = 1u << 11; ///< of a mask register

struct {
    u32 lint0, lint1, spurious;
    unsigned named, online; ///< processors
} found;

bool is_intel()
{
    return cpuid(0).ecx == 0x6C65'746E; // "ntel"
}
bool has_mtrrs()
{
    return cpuid(1).edx & 1u << 12;
}

/// What the variable ranges and the default say of an address above 1 MiB; of ranges that overlap, uncacheable wins.
u64 memory_type(u64 address)
{
    auto type = rdmsr(mtrr_default) & 0xFF;
    auto const ranges = rdmsr(mtrr_capabilities) & 0xFF;
    for (u32 i = 0; i < ranges; ++i) {
        auto const base = rdmsr(mtrr_base_0 + 2 * i);
        auto const mask = rdmsr(mtrr_base_0 + 2 * i + 1);
        auto const bits = mask & ~u64{0xFFF};
        if (!(mask & mtrr_valid) || (address & bits) != (base & bits)) continue;
        type = base & 0xFF;
        if (type == uncacheable) break;
    }
    return type;
}

} // namespace

void before_apic()
{
    found = {apic::reg(apic::lint0_entry), apic::reg(apic::lint1_entry), apic::reg(apic::spurious), 0, 0};
    read_start_info();
    ApicIds ids{};
    find_processors(ids);
    found.named = ids.count;
    found.online = start_cpus(StartOrder::last_to_first);
}

TEST(startup, each_processor_starts_while_no_apic_is_written_to, "SDM 11.4.7.2")
{
    CHECK(found.named > 1);
    CHECK_EQ(found.online, found.named);
    for (unsigned i = 1; i < cpu_count(); ++i) {
        note_position(i);
        CHECK(run_on(i, [] {}));
    }
}

TEST(startup, apic_is_in_virtual_wire_mode, "MultiProcessor Specification 1.4, 3.6.2.2 and A.3")
{
    constexpr u32 mask_mode_polarity_trigger = 0x1'A700;
    CHECK_EQ(found.lint0 & mask_mode_polarity_trigger, 0x700); // ExtINT
    CHECK_EQ(found.lint1 & mask_mode_polarity_trigger, 0x400); // NMI
    CHECK_EQ(found.spurious, 0x10F);
}

TEST(startup, one_processor_says_that_it_is_the_first, "SDM 11.4.4")
{
    constexpr u64 is_first = 1u << 8;
    constexpr u64 enabled = 1u << 11;
    CHECK_EQ(rdmsr(apic_base), 0xFEE0'0000 | enabled | is_first);
    for (unsigned i = 1; i < cpu_count(); ++i) {
        note_position(i);
        u64 value = 0;
        CHECK(run_on(i, [&] { value = rdmsr(apic_base); }));
        CHECK_EQ(value, 0xFEE0'0000 | enabled);
    }
}

TEST(startup, mtrrs_are_on_and_say_what_is_memory, "SDM 12.11")
{
    SKIP_UNLESS(has_mtrrs(), "MTRR: CPUID 1 EDX bit 12 is clear");
    constexpr u64 fixed_and_variable_enabled = 3u << 10;
    CHECK_EQ(rdmsr(mtrr_default), fixed_and_variable_enabled | write_back);
    CHECK_EQ(memory_type(0x10'0000), write_back);
    CHECK_EQ(memory_type(0xBFFF'F000), write_back);
    CHECK_EQ(memory_type(0xC000'0000), uncacheable);
    CHECK_EQ(memory_type(0xFEE0'0000), uncacheable);
    CHECK_EQ(memory_type(0xFFFF'F000), uncacheable);
    CHECK_EQ(memory_type(0x1'0000'0000), write_back);
    constexpr u64 all_write_back = 0x0606'0606'0606'0606;
    for (auto const msr : mtrr_fixed) {
        note_position(msr);
        CHECK_EQ(rdmsr(msr), msr == 0x259 ? 0 : all_write_back); // the frame buffer of a VGA
    }
}

TEST(startup, mtrrs_are_the_same_everywhere, "SDM 12.11.8")
{
    SKIP_UNLESS(has_mtrrs(), "MTRR: CPUID 1 EDX bit 12 is clear");
    NEEDS_SECOND_CPU();
    u64 own[4]{};
    auto const read = [](u64* to) {
        to[0] = rdmsr(mtrr_default);
        to[1] = rdmsr(mtrr_base_0);
        to[2] = rdmsr(mtrr_base_0 + 1);
        to[3] = rdmsr(0x259);
    };
    read(own);
    for (unsigned i = 1; i < cpu_count(); ++i) {
        u64 there[4]{};
        CHECK(run_on(i, [&] { read(there); }));
        note_position(i);
        for (unsigned n = 0; n < 4; ++n)
            CHECK_EQ(there[n], own[n]);
    }
}

TEST(startup, page_attributes_are_those_of_power_up, "SDM 12.12.4")
{
    CHECK_EQ(rdmsr(pat), 0x0007'0406'0007'0406);
}

TEST(startup, features_are_locked, "SDM 24.7, IA32_FEATURE_CONTROL")
{
    constexpr u32 vmx = 1u << 5; // CPUID 1 ECX
    SKIP_UNLESS(is_intel(), "not a processor of Intel's");
    auto const value = try_rdmsr(feature_control);
    SKIP_UNLESS(value.ok, "there is no IA32_FEATURE_CONTROL");
    CHECK_EQ(value.value & 1, 1);
    CHECK_EQ(value.value >> 2 & 1, (cpuid(1).ecx & vmx) != 0);
}

TEST(startup, strings_are_fast, "SDM vol. 4, IA32_MISC_ENABLE")
{
    SKIP_UNLESS(is_intel(), "not a processor of Intel's");
    auto const value = try_rdmsr(misc_enable);
    SKIP_UNLESS(value.ok, "there is no IA32_MISC_ENABLE");
    CHECK_EQ(value.value & 1, 1);
}

u32 guest_main()
{
    print("# startup: ", found.online, " of ", found.named, " processors\n");
    if (memcmp(command_line(), "reset", 5) == 0) out8(0xCF9, 6);
    return run_tests([] {});
}
