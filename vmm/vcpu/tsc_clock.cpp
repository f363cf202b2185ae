#include "vmm/vcpu/tsc_clock.hpp"

#include "vmm/hypervisor/error.hpp"

#include <algorithm>
#include <x86intrin.h>

namespace vmm {

namespace {

constexpr std::uint32_t ia32_tsc = 0x10;

/// KVM-PVM takes any offset without a word and keeps to 0.
bool takes_offsets(Vcpu* vcpu)
{
    auto const offset = vcpu->tsc_offset();
    if (!offset) return false;
    auto const other = *offset - 1;
    bool const takes = vcpu->set_tsc_offset(other) && vcpu->tsc_offset() == other;
    return vcpu->set_tsc_offset(*offset) && takes;
}

/// The tightest of a few samples of the guest's TSC between two of the host's.
std::uint64_t measured_offset(Vcpu const& vcpu)
{
    constexpr int samples = 16;
    std::uint64_t best_width = ~std::uint64_t{0};
    std::uint64_t offset = 0;
    for (int i = 0; i < samples; ++i) {
        auto const before = __rdtsc();
        auto const guest = vcpu.read_msr(ia32_tsc);
        if (!guest) throw HypervisorError{"this hypervisor does not let the guest's TSC be read"};
        auto const width = __rdtsc() - before;
        if (width >= best_width) continue;
        best_width = width;
        offset = *guest - (before + width / 2);
    }
    return offset;
}

} // namespace

TscClock::TscClock(Vcpu& vcpu)
{
    auto const khz = vcpu.tsc_khz();
    if (khz == 0) throw HypervisorError{"KVM does not know the TSC frequency: this host's TSC is not stable"};
    hz_ = std::uint64_t{khz} * 1000;

    auto const offset = vcpu.tsc_offset();
    exact_ = offset.has_value();
    offset_ = exact_ ? *offset : measured_offset(vcpu);
    moves_ = takes_offsets(&vcpu);
}

void TscClock::synchronise(Vcpu& vcpu) const
{
    if (!exact_) return; // KVM starts vCPUs that are created together at one TSC by itself
    if (!vcpu.set_tsc_offset(offset_.load())) throw HypervisorError{"the hypervisor refused a common TSC offset"};
}

std::uint64_t TscClock::guest_tsc() const
{
    auto const stopped = stopped_.load(std::memory_order_acquire);
    return stopped != 0 ? stopped : __rdtsc() + offset_.load(std::memory_order_relaxed);
}

bool TscClock::stop(std::span<Vcpu* const> vcpus)
{
    if (!exact_ || !std::ranges::all_of(vcpus, takes_offsets)) return false;
    stopped_.store(guest_tsc());
    return true;
}

/// A guest may have set a TSC of its own on a vCPU, so each is wound back from where it is.
void TscClock::go_on(std::span<Vcpu* const> vcpus)
{
    auto const stopped = stopped_.load();
    if (stopped == 0) return;
    auto const lost = __rdtsc() + offset_.load() - stopped;
    for (auto* const vcpu : vcpus) {
        auto const offset = vcpu->tsc_offset();
        if (!offset || !vcpu->set_tsc_offset(*offset - lost))
            throw HypervisorError{"the hypervisor refused to wind a TSC back"};
    }
    offset_.store(offset_.load() - lost);
    stopped_.store(0, std::memory_order_release);
}

} // namespace vmm
