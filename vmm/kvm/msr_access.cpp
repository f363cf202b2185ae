#include "vmm/kvm/msr_access.hpp"

#include "vmm/kvm/counted_list.hpp"

#include <sys/ioctl.h>

namespace vmm {

std::optional<std::uint64_t> get_msr(int vcpu_fd, std::uint32_t index)
{
    CountedList<kvm_msr_entry> list{1};
    auto& entry = list.entries().front();
    entry.index = index;
    if (::ioctl(vcpu_fd, kvm_request::get_msrs, list.data()) != 1) return std::nullopt;
    return entry.data;
}

bool set_msr(int vcpu_fd, std::uint32_t index, std::uint64_t value)
{
    CountedList<kvm_msr_entry> list{1};
    auto& entry = list.entries().front();
    entry.index = index;
    entry.data = value;
    return ::ioctl(vcpu_fd, kvm_request::set_msrs, list.data()) == 1;
}

} // namespace vmm
