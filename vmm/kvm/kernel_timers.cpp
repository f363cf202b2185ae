#include "vmm/kvm/kernel_timers.hpp"

#include "hv/abi/msr.hpp"
#include "hv/abi/registers.hpp"
#include "vmm/kvm/kvm_ioctl.hpp"
#include "vmm/kvm/msr_access.hpp"

#include <linux/kvm.h>

namespace vmm {

namespace {

/// KVM multiplies a delay by 100 in 64 bits. What is further away than this is not urgent anyway.
constexpr std::uint64_t farthest = 3600 * 10'000'000ULL;

constexpr std::uint32_t tsc_emulation_control = 0x4000'0107; ///< HV_X64_MSR_TSC_EMULATION_CONTROL

constexpr std::uint32_t config_msr(unsigned timer)
{
    return hv::abi::msr::stimer0_config + 2 * timer;
}

} // namespace

void KernelReferenceTime::page_enabled(int vcpu_fd, hv::Gpa page)
{
    std::lock_guard const guard{lock_};
    if (state_.load() == State::NoPage) tell(vcpu_fd, page);
}

void KernelReferenceTime::moved(int vcpu_fd, std::optional<hv::Gpa> page)
{
    std::lock_guard const guard{lock_};
    state_.store(State::NoPage);
    if (page) tell(vcpu_fd, *page);
}

void KernelReferenceTime::tsc_moved()
{
    std::lock_guard const guard{lock_};
    if (state_.load() != State::NoPage) state_.store(State::Told);
    looks_ = 0;
}

/// With TSC_EMULATION_CONTROL set KVM supposes that the page has come with the guest from elsewhere, and leaves it as
/// it is (kvm_hv_setup_tsc_page in Linux). The MSR has no other effect, and the guest sees neither.
void KernelReferenceTime::tell(int vcpu_fd, hv::Gpa page)
{
    bool const told =
        set_msr(vcpu_fd, tsc_emulation_control, 1) && set_msr(vcpu_fd, hv::abi::msr::reference_tsc, page.value | 1);
    state_.store(told ? State::Told : State::Refused);
    looks_ = 0;
}

/// KVM does not say whether it has taken the page, but what time it is.
bool KernelReferenceTime::becomes_shared(int vcpu_fd)
{
    constexpr unsigned enough_looks = 64;
    std::lock_guard const guard{lock_};
    if (state_.load() != State::Told) return false;
    auto const before = time_.now();
    auto const kernel = get_msr(vcpu_fd, hv::abi::msr::time_ref_count);
    bool const same = kernel && before.value <= *kernel && *kernel <= time_.now().value;
    if (same)
        state_.store(State::Shared);
    else if (++looks_ > enough_looks)
        state_.store(State::Refused);
    return same;
}

KernelTimers::KernelTimers(int vcpu_fd, KernelReferenceTime& time) : vcpu_fd_{vcpu_fd}, time_{time}
{
    kvm_enable_cap synic{};
    synic.cap = KVM_CAP_HYPERV_SYNIC2;
    kvm_ioctl(vcpu_fd, KVM_ENABLE_CAP, &synic, "its synthetic timers");
}

bool KernelTimers::start(unsigned timer, std::uint8_t vector, hv::RefTime when)
{
    using hv::abi::StimerConfig;
    auto const config = StimerConfig::enable_bit | StimerConfig::direct_bit | std::uint64_t{vector} << 4;
    return time_.shared(vcpu_fd_) && near(when) && set(timer, config, when.value);
}

void KernelTimers::stop(unsigned timer)
{
    (void)set(timer, 0, 0);
}

/// KVM clears the bit when it has asserted the vector.
bool KernelTimers::runs(unsigned timer) const
{
    auto const config = get_msr(vcpu_fd_, config_msr(timer));
    return config && (*config & hv::abi::StimerConfig::enable_bit) != 0;
}

bool KernelTimers::near(hv::RefTime when)
{
    if (when > near_until_) near_until_ = hv::RefTime{time_.now().value + farthest};
    return when <= near_until_;
}

/// The count first: KVM starts what is enabled.
bool KernelTimers::set(unsigned timer, std::uint64_t config, std::uint64_t count) const
{
    return set_msrs(vcpu_fd_, {{{config_msr(timer) + 1, count}, {config_msr(timer), config}}});
}

} // namespace vmm
