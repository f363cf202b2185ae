// Calls that a partition makes about itself, and the ones that are not offered. TLFS 2.0a 5.6.5, 18.5.1; newest.
#include "hyperv/vp_calls.hpp"
#include "runtime/test.hpp"
#include "runtime/traps.hpp"

using namespace guest;
using namespace guest::hv;

namespace {

struct PropertyInput {
    u64 partition;
    u32 code;
    u32 padding;
};

Page answer;

Status property(u32 code, u64& value, u64 partition = vp::self_partition)
{
    *static_cast<PropertyInput*>(input_page()) = {partition, code, 0};
    answer.fill(0xEE);
    auto const result = hypercall(call::get_partition_property, reinterpret_cast<u64>(input_page()), gpa(&answer));
    value = *reinterpret_cast<u64 const volatile*>(answer.bytes);
    return status(result);
}

constexpr u32 privilege_flags = 0x0001'0000;

} // namespace

TEST(partition, properties_agree_with_cpuid, "2.0a 5.2.2, 5.6.5")
{
    NEEDS(hypercall_msrs);
    enable_hypercalls();
    u64 value = 0;
    auto const result = property(privilege_flags, value);
    if (result == Status::AccessDenied) SKIP("the hypervisor keeps properties to itself, as 2.0a 5.6.5 allows");
    CHECK_STATUS(result, Status::Success);
    auto const leaf = cpuid(leaf_features);
    CHECK_EQ(value, u64{leaf.ebx} << 32 | leaf.eax);
    constexpr u32 cpu_cap = 0x0002'0002;
    CHECK_STATUS(property(cpu_cap, value), Status::Success);
    CHECK_EQ(value, 0x10000);
    constexpr u32 guest_os_id = 0x0007'0000;
    CHECK_STATUS(property(guest_os_id, value), Status::Success);
    CHECK_EQ(value, our_os_id);
}

TEST(partition, unknown_properties_and_strangers, "2.0a 5.6.5")
{
    NEEDS(hypercall_msrs);
    enable_hypercalls();
    u64 value = 0;
    auto const stranger = property(privilege_flags, value, 0x00DE'AD00);
    CHECK(stranger == Status::AccessDenied || stranger == Status::InvalidPartitionId);
    CHECK_EQ(value, 0xEEEE'EEEE'EEEE'EEEE);
    CHECK_STATUS(property(privilege_flags, value, 1), Status::AccessDenied); // the root
    constexpr u32 unknown_codes[] = {0, 0x0001'00FF, 0x00FF'0000, ~0u};
    for (auto const code : unknown_codes) {
        note_position(code);
        auto const result = property(code, value);
        CHECK(result == Status::UnknownProperty || result == Status::AccessDenied);
    }
}

TEST(spin_wait, always_succeeds, "2.0a 18.5.1")
{
    NEEDS(hypercall_msrs);
    enable_hypercalls();
    SKIP_UNLESS(cpuid(leaf_recommendations).ebx + 1 > 1, "CPUID 0x40000004 EBX says never to notify");
    CHECK_STATUS(status(hypercall(call::notify_long_spin_wait | fast, cpuid(leaf_recommendations).ebx)),
                 Status::Success);
    CHECK_STATUS(status(hypercall(call::notify_long_spin_wait | fast, ~u64{0}, ~u64{0})), Status::Success);
    *static_cast<u64*>(input_page()) = 0xFFF;
    CHECK_STATUS(status(hypercall(call::notify_long_spin_wait, reinterpret_cast<u64>(input_page()))),
                 Status::Success);

    Registers32 registers{};
    registers.eax = static_cast<u32>(call::notify_long_spin_wait | fast);
    registers.ecx = 0xFFF;
    call_from_32bit(hypercall_page(), registers);
    CHECK_STATUS(registers.eax & 0xFFFF, Status::Success);
}

TEST(extended_hypercalls, capabilities, "online, HvExtCallQueryCapabilities")
{
    NEEDS(hypercall_msrs);
    NEEDS(extended_hypercalls);
    enable_hypercalls();
    answer.fill(0xEE);
    auto const result = status(hypercall(call::ext_query_capabilities, 0, gpa(&answer)));
    CHECK_STATUS(result, Status::Success);
    constexpr u64 known = 0x1F;
    CHECK_EQ(*reinterpret_cast<u64 const volatile*>(answer.bytes) & ~known, 0);
    CHECK_STATUS(status(hypercall(call::ext_query_capabilities | fast, 0, gpa(&answer))),
                 Status::InvalidHypercallInput);
}

TEST(privileges, extended_hypercalls_without_it, "online, HvExtCallQueryCapabilities")
{
    NEEDS(hypercall_msrs);
    enable_hypercalls();
    SKIP_UNLESS(!offered(feature::extended_hypercalls), "EnableExtendedHypercalls is granted");
    auto const result = status(hypercall(call::ext_query_capabilities, 0, gpa(&answer)));
    CHECK(result == Status::AccessDenied || result == Status::InvalidHypercallCode);
}
