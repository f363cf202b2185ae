// From 32-bit code, the calls about partitions and processors; port_call_forms.cpp has those about ports. Online,
// hypercall-interface, register conventions.
#include "hyperv/ports.hpp"
#include "hyperv/vp_calls.hpp"
#include "hyperv/vp_registers.hpp"
#include "runtime/apic.hpp"
#include "runtime/clock.hpp"
#include "runtime/test.hpp"
#include "runtime/traps.hpp"

using namespace guest;
using namespace guest::hv;

namespace {

constexpr u8 ipi_vector = 0x6B;
constexpr u64 unwritten = 0xEEEE'EEEE'EEEE'EEEE;

struct Answer {
    u64 result;
    u64 value; ///< what the call has written first
};

/// With `words` as input, and output to a page of its own.
template <typename... Words>
Answer call_32(u64 control, Words... words)
{
    static Page output;
    output.fill(0xEE);
    u64 const input[] = {words..., 0};
    memcpy(input_page(), input, sizeof input);
    auto const at = gpa(input_page());
    Registers32 registers{};
    registers.eax = static_cast<u32>(control);
    registers.edx = static_cast<u32>(control >> 32);
    registers.ecx = static_cast<u32>(at);
    registers.ebx = static_cast<u32>(at >> 32);
    registers.esi = static_cast<u32>(gpa(&output));
    registers.edi = static_cast<u32>(gpa(&output) >> 32);
    call_from_32bit(hypercall_page(), registers);
    return {u64{registers.edx} << 32 | registers.eax, *reinterpret_cast<u64 const volatile*>(output.bytes)};
}

} // namespace

TEST(calls_32bit, partition_id, "2.0a 5.6.7")
{
    NEEDS(hypercall_msrs);
    NEEDS(access_partition_id);
    enable_hypercalls();
    auto const answer = call_32(call::get_partition_id);
    CHECK_EQ(answer.result, 0);
    CHECK_EQ(answer.value, own_partition_id());
}

TEST(calls_32bit, partition_property, "2.0a 5.6.5")
{
    NEEDS(hypercall_msrs);
    enable_hypercalls();
    constexpr u64 guest_os_id = 0x0007'0000;
    auto const answer = call_32(call::get_partition_property, self_partition, guest_os_id);
    if (status(answer.result) == Status::AccessDenied) SKIP("the hypervisor keeps properties to itself");
    CHECK_EQ(answer.result, 0);
    CHECK_EQ(answer.value, our_os_id);
    CHECK_EQ(call_32(call::get_partition_property, self_partition, u64{0xFFFF}).value, unwritten);
}

TEST(calls_32bit, extended_capabilities, "online, HvExtCallQueryCapabilities")
{
    NEEDS(hypercall_msrs);
    NEEDS(extended_hypercalls);
    enable_hypercalls();
    constexpr u64 known = 0x1F;
    auto const answer = call_32(call::ext_query_capabilities);
    CHECK_EQ(answer.result, 0);
    CHECK_EQ(answer.value & ~known, 0);
}

TEST(calls_32bit, vp_registers, "6.0b 7.10.1, 7.10.2")
{
    NEEDS(hypercall_msrs);
    NEEDS(vp_registers);
    enable_hypercalls();
    constexpr u64 one_done = u64{1} << 32;
    auto const old =
        call_32(call::get_vp_registers | rep_count(1), vp::self_partition, u64{vp::self_index}, u64{reg::lstar});
    CHECK_EQ(old.result, one_done);
    constexpr u64 wanted = 0x1234'5678;
    auto const set = call_32(call::set_vp_registers | rep_count(1), vp::self_partition, u64{vp::self_index},
                             u64{reg::lstar}, u64{0}, wanted, u64{0});
    auto const now =
        call_32(call::get_vp_registers | rep_count(1), vp::self_partition, u64{vp::self_index}, u64{reg::lstar});
    (void)set_register(vp::self_index, reg::lstar, {old.value, 0});
    CHECK_EQ(set.result, one_done);
    CHECK_EQ(now.result, one_done);
    CHECK_EQ(now.value, wanted);
}

TEST(calls_32bit, cluster_ipi_with_a_variable_header, "6.0b 10.5.3")
{
    NEEDS(hypercall_msrs);
    NEEDS(vp_index);
    constexpr u32 recommended = 1u << 10 | 1u << 11;
    SKIP_UNLESS((cpuid(leaf_recommendations).eax & recommended) == recommended,
                "cluster IPIs: CPUID 0x40000004 EAX bit 10 or 11 is clear");
    enable_hypercalls();
    auto const before = load(this_cpu().interrupts[ipi_vector]);
    auto const answer = call_32(call::send_cluster_ipi_ex | variable_header(1), u64{ipi_vector}, u64{0}, u64{1},
                                u64{1} << vp_index_of(0));
    CHECK_EQ(answer.result, 0);
    CHECK(wait_until([&] { return load(this_cpu().interrupts[ipi_vector]) == before + 1; }));
}

TEST(calls_32bit, start_of_a_processor_that_runs, "6.0b 7.10.3")
{
    NEEDS(hypercall_msrs);
    NEEDS(start_vp);
    NEEDS(vp_index);
    enable_hypercalls();
    CHECK_EQ(call_32(call::start_virtual_processor, vp::self_partition, u64{vp_index_of(0)}).result,
             static_cast<u64>(Status::InvalidVpState));
}
