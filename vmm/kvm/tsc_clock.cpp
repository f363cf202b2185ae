#include "vmm/kvm/tsc_clock.hpp"

#include "vmm/kvm/kvm_ioctl.hpp"
#include "vmm/kvm/msr_access.hpp"

#include <linux/kvm.h>

#include <algorithm>
#include <x86intrin.h>

namespace vmm {

namespace {

constexpr std::uint32_t ia32_tsc = 0x10;

kvm_device_attr offset_attribute(std::uint64_t& offset)
{
    kvm_device_attr attribute{};
    attribute.group = KVM_VCPU_TSC_CTRL;
    attribute.attr = KVM_VCPU_TSC_OFFSET;
    attribute.addr = reinterpret_cast<std::uintptr_t>(&offset);
    return attribute;
}

bool access_offset(int vcpu_fd, unsigned long request, std::uint64_t& offset)
{
    auto attribute = offset_attribute(offset);
    return ::ioctl(vcpu_fd, request, &attribute) == 0;
}

/// KVM-PVM takes any offset without a word and keeps to 0.
bool takes_offsets(int vcpu_fd)
{
    std::uint64_t offset = 0;
    if (!access_offset(vcpu_fd, KVM_GET_DEVICE_ATTR, offset)) return false;
    auto other = offset - 1;
    std::uint64_t taken = 0;
    bool const takes = access_offset(vcpu_fd, KVM_SET_DEVICE_ATTR, other) &&
                       access_offset(vcpu_fd, KVM_GET_DEVICE_ATTR, taken) && taken == other;
    return access_offset(vcpu_fd, KVM_SET_DEVICE_ATTR, offset) && takes;
}

/// The tightest of a few samples of the guest's TSC between two of the host's.
std::uint64_t measured_offset(int vcpu_fd)
{
    constexpr int samples = 16;
    std::uint64_t best_width = ~std::uint64_t{0};
    std::uint64_t offset = 0;
    for (int i = 0; i < samples; ++i) {
        auto const before = __rdtsc();
        auto const guest = get_msr(vcpu_fd, ia32_tsc);
        if (!guest) throw KvmError{"KVM does not let the guest's TSC be read"};
        auto const width = __rdtsc() - before;
        if (width >= best_width) continue;
        best_width = width;
        offset = *guest - (before + width / 2);
    }
    return offset;
}

} // namespace

TscClock::TscClock(int vcpu_fd)
{
    auto const khz = kvm_ioctl(vcpu_fd, KVM_GET_TSC_KHZ, "to tell the TSC frequency");
    if (khz == 0) throw KvmError{"KVM does not know the TSC frequency: this host's TSC is not stable"};
    hz_ = static_cast<std::uint64_t>(khz) * 1000;

    std::uint64_t offset = 0;
    exact_ = access_offset(vcpu_fd, KVM_GET_DEVICE_ATTR, offset);
    offset_ = exact_ ? offset : measured_offset(vcpu_fd);
}

void TscClock::synchronise(int vcpu_fd) const
{
    if (!exact_) return; // KVM starts vCPUs that are created together at one TSC by itself
    auto offset = offset_.load();
    auto attribute = offset_attribute(offset);
    kvm_ioctl(vcpu_fd, KVM_SET_DEVICE_ATTR, &attribute, "a common TSC offset");
}

std::uint64_t TscClock::guest_tsc() const
{
    auto const stopped = stopped_.load(std::memory_order_acquire);
    return stopped != 0 ? stopped : __rdtsc() + offset_.load(std::memory_order_relaxed);
}

bool TscClock::stop(std::span<int const> vcpu_fds)
{
    if (!exact_ || !std::ranges::all_of(vcpu_fds, takes_offsets)) return false;
    stopped_.store(guest_tsc());
    return true;
}

/// A guest may have set a TSC of its own on a vCPU, so each is wound back from where it is.
void TscClock::go_on(std::span<int const> vcpu_fds)
{
    auto const stopped = stopped_.load();
    if (stopped == 0) return;
    auto const lost = __rdtsc() + offset_.load() - stopped;
    for (auto const fd : vcpu_fds) {
        std::uint64_t offset = 0;
        auto attribute = offset_attribute(offset);
        kvm_ioctl(fd, KVM_GET_DEVICE_ATTR, &attribute, "a vCPU's TSC offset");
        offset -= lost;
        kvm_ioctl(fd, KVM_SET_DEVICE_ATTR, &attribute, "another TSC offset");
    }
    offset_.store(offset_.load() - lost);
    stopped_.store(0, std::memory_order_release);
}

} // namespace vmm
