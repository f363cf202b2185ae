// Interrupts to several processors by one hypercall. TLFS 6.0b 10.5.2, 10.5.3; online, HV_VP_SET.
#include "hyperv/call_forms.hpp"
#include "hyperv/vp_calls.hpp"
#include "runtime/clock.hpp"
#include "runtime/cpu.hpp"
#include "runtime/test.hpp"
#include "runtime/traps.hpp"

using namespace guest;
using namespace guest::hv;

namespace {

constexpr u32 cluster_ipi_bit = 1u << 10;
constexpr u32 ex_masks_bit = 1u << 11;
constexpr u8 ipi_vector = 0x5B;

bool recommended(u32 bits)
{
    return (cpuid(leaf_recommendations).eax & bits) == bits;
}

struct IpiInput {
    u32 vector;
    u32 target_vtl;
    u64 mask;
};

struct IpiExInput {
    u32 vector = ipi_vector;
    u32 target_vtl = 0;
    u64 format = 0;
    u64 valid_banks = 1;
};

/// The VPs of the processors from `first` on.
u64 mask_from(unsigned first)
{
    u64 mask = 0;
    for (unsigned i = first; i < cpu_count(); ++i)
        mask |= u64{1} << vp_index_of(i);
    return mask;
}

/// Makes the call; true when each processor from `first` on, and no other, then took the interrupt once.
template <typename Send>
bool arrives(unsigned first, Status& result, Send const& send)
{
    u32 before[GUEST_MAX_CPUS]{};
    for (unsigned i = 0; i < cpu_count(); ++i)
        before[i] = interrupt_count(ipi_vector, i);
    result = send();
    auto const all_there = [&] {
        for (unsigned i = first; i < cpu_count(); ++i) {
            if (interrupt_count(ipi_vector, i) != before[i] + 1) return false;
        }
        return true;
    };
    if (!wait_until(all_there)) return false;
    let_time_pass(1000); // for one too many
    for (unsigned i = 0; i < first; ++i) {
        if (interrupt_count(ipi_vector, i) != before[i]) return false;
    }
    return all_there();
}

} // namespace

#define NEEDS_CLUSTER_IPI(bits)                                                                                      \
    NEEDS(hypercall_msrs);                                                                                           \
    NEEDS(vp_index);                                                                                                 \
    SKIP_UNLESS(recommended(bits), "cluster IPIs: CPUID 0x40000004 EAX bit 10 or 11 is clear");                      \
    enable_hypercalls()

TEST(cluster_ipi, reaches_the_mask, "6.0b 10.5.2")
{
    NEEDS_CLUSTER_IPI(cluster_ipi_bit);
    Status result{};
    auto const all = mask_from(0);
    CHECK(arrives(0, result, [&] { return status(hypercall(call::send_cluster_ipi | fast, ipi_vector, all)); }));
    CHECK_STATUS(result, Status::Success);
    auto const others = mask_from(1);
    CHECK(arrives(1, result, [&] { return call_with(call::send_cluster_ipi, IpiInput{ipi_vector, 0, others}); }));
    CHECK_STATUS(result, Status::Success);
    CHECK(arrives(cpu_count(), result, [&] {
        return call_with(call::send_cluster_ipi, IpiInput{ipi_vector, 0, 0});
    }));
    CHECK_STATUS(result, Status::Success);
}

TEST(cluster_ipi, from_32bit_code, "6.0b 10.5.2; hypercall-interface, register conventions")
{
    NEEDS_CLUSTER_IPI(cluster_ipi_bit);
    Status result{};
    auto const all = mask_from(0);
    CHECK(arrives(0, result, [&] {
        Registers32 registers{};
        registers.eax = static_cast<u32>(call::send_cluster_ipi | fast);
        registers.ecx = ipi_vector;
        registers.esi = static_cast<u32>(all);
        call_from_32bit(hypercall_page(), registers);
        return status(registers.eax);
    }));
    CHECK_STATUS(result, Status::Success);
}

TEST(cluster_ipi, every_vector_but_the_lowest_sixteen, "6.0b 10.5.2")
{
    NEEDS_CLUSTER_IPI(cluster_ipi_bit);
    constexpr u64 bad_vectors[] = {0, 2, 0xF, 0x100, 0x8000'0030};
    for (auto const bad : bad_vectors) {
        note_position(bad);
        CHECK_STATUS(status(hypercall(call::send_cluster_ipi | fast, bad, 1)), Status::InvalidParameter);
    }
    constexpr u64 vtl1 = u64{0x11} << 32;
    CHECK_STATUS(status(hypercall(call::send_cluster_ipi | fast, ipi_vector | vtl1, 1)), Status::InvalidParameter);
}

TEST(cluster_ipi, sparse_sets, "6.0b 10.5.3; online, HV_VP_SET")
{
    NEEDS_CLUSTER_IPI(cluster_ipi_bit | ex_masks_bit);
    Status result{};
    auto const others = mask_from(1);
    CHECK(arrives(1, result, [&] {
        IpiExInput header;
        header.valid_banks = 0b11; // the second bank names nobody
        ListCall call{header};
        call.add(others);
        call.add(u64{0});
        return call.variable(call::send_cluster_ipi_ex);
    }));
    CHECK_STATUS(result, Status::Success);
}

TEST(cluster_ipi, set_of_all, "6.0b 10.5.3; online, HV_VP_SET")
{
    NEEDS_CLUSTER_IPI(cluster_ipi_bit | ex_masks_bit);
    Status result{};
    CHECK(arrives(0, result, [&] {
        IpiExInput header;
        header.format = 1;
        header.valid_banks = 0;
        return ListCall{header}.variable(call::send_cluster_ipi_ex);
    }));
    CHECK_STATUS(result, Status::Success);
}

TEST(cluster_ipi, sparse_sets_by_xmm_registers, "6.0b 10.5.3; hypercall-interface, XMM fast input")
{
    NEEDS_CLUSTER_IPI(cluster_ipi_bit | ex_masks_bit);
    NEEDS(xmm_input);
    Status result{};
    u64 const words[] = {ipi_vector, 0, 1, mask_from(0)};
    CHECK(arrives(0, result, [&] {
        return status(call_by_registers(call::send_cluster_ipi_ex | variable_header(1), words, 4));
    }));
    CHECK_STATUS(result, Status::Success);
}

TEST(cluster_ipi, bad_sets_are_refused, "6.0b 10.5.3; online, HV_VP_SET")
{
    NEEDS_CLUSTER_IPI(cluster_ipi_bit | ex_masks_bit);
    auto const with = [](IpiExInput const& header, unsigned banks) {
        ListCall call{header};
        for (unsigned i = 0; i < banks; ++i)
            call.add(u64{0});
        return call.variable(call::send_cluster_ipi_ex);
    };
    IpiExInput header;
    header.vector = 0xF;
    CHECK_STATUS(with(header, 1), Status::InvalidParameter);
    header.vector = ipi_vector;
    header.format = 2;
    auto const format = with(header, 1);
    CHECK(format == Status::InvalidParameter || format == Status::InvalidHypercallInput);
    header.format = 0;
    header.valid_banks = 0b11; // of which one is not there
    CHECK_STATUS(with(header, 1), Status::InvalidHypercallInput);
    CHECK_STATUS(status(hypercall(call::send_cluster_ipi_ex | rep_count(1), gpa(&ListCall::page()))),
                 Status::InvalidHypercallInput);
}

TEST(privileges, cluster_ipi_not_recommended_is_not_there, "6.0b 2.4.5, 10.5.3")
{
    NEEDS(hypercall_msrs);
    enable_hypercalls();
    SKIP_UNLESS(!recommended(cluster_ipi_bit), "cluster IPIs are offered");
    auto const result = status(hypercall(call::send_cluster_ipi | fast, ipi_vector, 0));
    CHECK(result == Status::InvalidHypercallCode || result == Status::AccessDenied);
    auto const ex = ListCall{IpiExInput{}}.variable(call::send_cluster_ipi_ex);
    CHECK(ex == Status::InvalidHypercallCode || ex == Status::AccessDenied);
}
