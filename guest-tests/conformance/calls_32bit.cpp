// From 32-bit code, the calls about partitions and processors; port_call_forms.cpp has those about ports. Online,
// hypercall-interface, register conventions.
#include "hyperv/call_forms.hpp"
#include "hyperv/ports.hpp"
#include "hyperv/vp_calls.hpp"
#include "hyperv/vp_registers.hpp"
#include "runtime/apic.hpp"
#include "runtime/clock.hpp"
#include "runtime/cpu.hpp"
#include "runtime/test.hpp"

using namespace guest;
using namespace guest::hv;

namespace {

constexpr u8 ipi_vector = 0x6B;
constexpr u32 cluster_ipis = 1u << 10 | 1u << 11; // with sets of processors
constexpr u64 unwritten = 0xEEEE'EEEE'EEEE'EEEE;

struct Answer {
    u64 result;
    u64 value; ///< what the call has written first
};

/// With `words` as input, and output to a page of its own.
template <typename... Words>
Answer answer_32(u64 control, Words... words)
{
    static Page output;
    output.fill(0xEE);
    u64 const input[] = {words..., 0};
    memcpy(input_page(), input, sizeof input);
    auto const result = call_32(control, gpa(input_page()), gpa(&output));
    return {result, *reinterpret_cast<u64 const volatile*>(output.bytes)};
}

} // namespace

TEST(calls_32bit, partition_id, "2.0a 5.6.7")
{
    NEEDS(hypercall_msrs);
    NEEDS(access_partition_id);
    enable_hypercalls();
    auto const answer = answer_32(call::get_partition_id);
    CHECK_EQ(answer.result, 0);
    CHECK_EQ(answer.value, own_partition_id());
}

TEST(calls_32bit, partition_property, "2.0a 5.6.5")
{
    NEEDS(hypercall_msrs);
    enable_hypercalls();
    constexpr u64 guest_os_id = 0x0007'0000;
    auto const answer = answer_32(call::get_partition_property, self_partition, guest_os_id);
    if (status(answer.result) == Status::AccessDenied) SKIP("the hypervisor keeps properties to itself");
    CHECK_EQ(answer.result, 0);
    CHECK_EQ(answer.value, our_os_id);
    CHECK_EQ(answer_32(call::get_partition_property, self_partition, u64{0xFFFF}).value, unwritten);
}

TEST(calls_32bit, extended_capabilities, "online, HvExtCallQueryCapabilities")
{
    NEEDS(hypercall_msrs);
    NEEDS(extended_hypercalls);
    enable_hypercalls();
    constexpr u64 known = 0x1F;
    auto const answer = answer_32(call::ext_query_capabilities);
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
        answer_32(call::get_vp_registers | rep_count(1), vp::self_partition, u64{vp::self_index}, u64{reg::lstar});
    CHECK_EQ(old.result, one_done);
    constexpr u64 wanted = 0x1234'5678;
    auto const set = answer_32(call::set_vp_registers | rep_count(1), vp::self_partition, u64{vp::self_index},
                               u64{reg::lstar}, u64{0}, wanted, u64{0});
    auto const now =
        answer_32(call::get_vp_registers | rep_count(1), vp::self_partition, u64{vp::self_index}, u64{reg::lstar});
    (void)set_register(vp::self_index, reg::lstar, {old.value, 0});
    CHECK_EQ(set.result, one_done);
    CHECK_EQ(now.result, one_done);
    CHECK_EQ(now.value, wanted);
}

TEST(calls_32bit, vp_registers_by_xmm_registers, "6.0b 7.10.1; hypercall-interface, XMM fast input")
{
    NEEDS(hypercall_msrs);
    NEEDS(vp_registers);
    NEEDS(xmm_input);
    enable_hypercalls();
    RegisterValue old{};
    CHECK_STATUS(get_register(vp::self_index, reg::lstar, old), Status::Success);
    constexpr u64 values[] = {0x1234'5678, 0x8765'4321, 0x1122'3344};
    u64 words[14] = {vp::self_partition, vp::self_index};
    for (unsigned i = 0; i < 3; ++i) { // all that there is room for; the last one counts
        words[2 + 4 * i] = reg::lstar;
        words[4 + 4 * i] = values[i];
    }
    auto const result = call_32_by_registers(call::set_vp_registers | rep_count(3), words, 14);
    RegisterValue now{};
    (void)get_register(vp::self_index, reg::lstar, now);
    (void)set_register(vp::self_index, reg::lstar, old);
    CHECK_STATUS(status(result), Status::Success);
    CHECK_EQ(reps_completed(result), 3);
    CHECK_EQ(now.low, values[2]);
}

#define NEEDS_CLUSTER_IPI()                                                                                          \
    NEEDS(hypercall_msrs);                                                                                           \
    NEEDS(vp_index);                                                                                                 \
    SKIP_UNLESS((cpuid(leaf_recommendations).eax & cluster_ipis) == cluster_ipis,                                    \
                "cluster IPIs: CPUID 0x40000004 EAX bit 10 or 11 is clear");                                         \
    enable_hypercalls();                                                                                             \
    auto const before = interrupt_count(ipi_vector);                                                                 \
    auto const arrives = [&] { return wait_until([&] { return interrupt_count(ipi_vector) == before + 1; }); }

TEST(calls_32bit, cluster_ipi_with_input_in_memory, "6.0b 10.5.2")
{
    NEEDS_CLUSTER_IPI();
    CHECK_EQ(answer_32(call::send_cluster_ipi, u64{ipi_vector}, u64{1} << vp_index_of(0)).result, 0);
    CHECK(arrives());
}

TEST(calls_32bit, cluster_ipi_with_a_variable_header, "6.0b 10.5.3")
{
    NEEDS_CLUSTER_IPI();
    auto const answer = answer_32(call::send_cluster_ipi_ex | variable_header(1), u64{ipi_vector}, u64{0}, u64{1},
                                  u64{1} << vp_index_of(0));
    CHECK_EQ(answer.result, 0);
    CHECK(arrives());
}

TEST(calls_32bit, cluster_ipi_by_xmm_registers, "6.0b 10.5.3; hypercall-interface, XMM fast input")
{
    NEEDS_CLUSTER_IPI();
    NEEDS(xmm_input);
    u64 const words[] = {ipi_vector, 0, 0b11, u64{1} << vp_index_of(0), 0}; // the second bank names nobody
    CHECK_EQ(call_32_by_registers(call::send_cluster_ipi_ex | variable_header(2), words, 5), 0);
    CHECK(arrives());
}

TEST(calls_32bit, spin_wait_with_input_in_memory, "2.0a 18.5.1")
{
    NEEDS(hypercall_msrs);
    SKIP_UNLESS(cpuid(leaf_recommendations).ebx + 1 > 1, "CPUID 0x40000004 EBX says never to notify");
    enable_hypercalls();
    CHECK_EQ(answer_32(call::notify_long_spin_wait, u64{0xFFF}).result, 0);
}

TEST(calls_32bit, start_of_a_processor_that_runs, "6.0b 7.10.3")
{
    NEEDS(hypercall_msrs);
    NEEDS(start_vp);
    NEEDS(vp_index);
    enable_hypercalls();
    CHECK_EQ(answer_32(call::start_virtual_processor, vp::self_partition, u64{vp_index_of(0)}).result,
             static_cast<u64>(Status::InvalidVpState));
}
