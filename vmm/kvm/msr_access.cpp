#include "vmm/kvm/msr_access.hpp"

#include "vmm/kvm/counted_list.hpp"

#include <sys/ioctl.h>

namespace vmm {

namespace {

/// A list of one, which both functions need on a vCPU's thread, where nothing is allocated.
struct OneMsr {
    std::uint64_t count = 1;
    kvm_msr_entry entry{};
};

} // namespace

std::optional<std::uint64_t> get_msr(int vcpu_fd, std::uint32_t index)
{
    OneMsr list;
    list.entry.index = index;
    if (::ioctl(vcpu_fd, kvm_request::get_msrs, &list) != 1) return std::nullopt;
    return list.entry.data;
}

bool set_msr(int vcpu_fd, std::uint32_t index, std::uint64_t value)
{
    OneMsr list;
    list.entry.index = index;
    list.entry.data = value;
    return ::ioctl(vcpu_fd, kvm_request::set_msrs, &list) == 1;
}

} // namespace vmm
