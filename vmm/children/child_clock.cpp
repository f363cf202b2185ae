#include "vmm/children/child_clock.hpp"

namespace vmm {

ChildClock::ChildClock(TscClock const& parents)
    : parents_{parents}, apart_{parents.moves() ? -parents.guest_tsc() : 0}
{}

bool ChildClock::set(std::uint64_t tsc)
{
    auto const now = guest_tsc();
    auto const second = tsc_hz();
    if (now - tsc < second || tsc - now < second) return true;
    if (!parents_.moves()) return false;
    apart_.store(apart_.load() + (tsc - now));
    return true;
}

/// A KVM that does not tell offsets takes a TSC.
std::uint64_t ChildClock::begin(Vcpu& vcpu) const
{
    constexpr std::uint32_t ia32_tsc = 0x10;
    auto const given = offset();
    if (!vcpu.set_tsc_offset(given)) (void)vcpu.write_msr(ia32_tsc, guest_tsc());
    return given;
}

} // namespace vmm
