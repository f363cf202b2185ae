#include "vmm/kvm/tsc_clock.hpp"

#include "vmm/kvm/kvm_ioctl.hpp"
#include "vmm/kvm/msr_access.hpp"

#include <linux/kvm.h>

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

TscClock::TscClock(int vcpu_fd) : offset_{0}
{
    auto const khz = kvm_ioctl(vcpu_fd, KVM_GET_TSC_KHZ, "to tell the TSC frequency");
    if (khz == 0) throw KvmError{"KVM does not know the TSC frequency: this host's TSC is not stable"};
    hz_ = static_cast<std::uint64_t>(khz) * 1000;

    auto attribute = offset_attribute(offset_);
    exact_ = ::ioctl(vcpu_fd, KVM_GET_DEVICE_ATTR, &attribute) == 0;
    if (!exact_) offset_ = measured_offset(vcpu_fd);
}

void TscClock::synchronise(int vcpu_fd) const
{
    if (!exact_) return; // KVM starts vCPUs that are created together at one TSC by itself
    auto offset = offset_;
    auto attribute = offset_attribute(offset);
    kvm_ioctl(vcpu_fd, KVM_SET_DEVICE_ATTR, &attribute, "a common TSC offset");
}

std::uint64_t TscClock::guest_tsc() const
{
    return __rdtsc() + offset_;
}

} // namespace vmm
