#include "conformance/boot_state.hpp"

#include "runtime/hyperv.hpp"

namespace guest {

namespace {

constexpr u32 count = hv::msr::last - hv::msr::first + 1;
MsrRead values[count];

bool harmless(u32 msr)
{
    return msr != hv::msr::guest_idle && msr != hv::msr::eoi;
}

} // namespace

void record_boot_state()
{
    if (!hv::present()) return;
    constexpr u32 wanted[] = {
        hv::msr::guest_os_id, hv::msr::hypercall, hv::msr::reference_tsc, hv::msr::vp_assist_page,
        hv::msr::scontrol,    hv::msr::siefp,     hv::msr::simp,          hv::msr::tsc_invariant_control};
    auto const record = [](u32 msr) { values[msr - hv::msr::first] = try_rdmsr(msr); };
    for (auto const msr : wanted)
        record(msr);
    for (u32 i = 0; i < hv::sint_count; ++i)
        record(hv::msr::sint0 + i);
    for (u32 i = 0; i < 2 * hv::timer_count; ++i)
        record(hv::msr::stimer0_config + i);
}

MsrRead boot_value(u32 msr)
{
    auto const inside = msr >= hv::msr::first && msr <= hv::msr::last && harmless(msr);
    return inside ? values[msr - hv::msr::first] : MsrRead{};
}

} // namespace guest
