#include "vmm/kvm/msr_access.hpp"

#include "vmm/kvm/counted_list.hpp"

#include <sys/ioctl.h>

namespace vmm {

namespace {

/// A list as long as it must be on a vCPU's thread, where nothing is allocated.
template <std::size_t Count>
struct MsrList {
    std::uint64_t count = Count;
    std::array<kvm_msr_entry, Count> entries{};
};

} // namespace

std::optional<std::uint64_t> get_msr(int vcpu_fd, std::uint32_t index)
{
    MsrList<1> list;
    list.entries[0].index = index;
    if (::ioctl(vcpu_fd, kvm_request::get_msrs, &list) != 1) return std::nullopt;
    return list.entries[0].data;
}

bool set_msr(int vcpu_fd, std::uint32_t index, std::uint64_t value)
{
    MsrList<1> list;
    list.entries[0].index = index;
    list.entries[0].data = value;
    return ::ioctl(vcpu_fd, kvm_request::set_msrs, &list) == 1;
}

bool set_msrs(int vcpu_fd, std::array<MsrValue, 2> const& values)
{
    MsrList<2> list;
    for (std::size_t i = 0; i < values.size(); ++i) {
        list.entries[i].index = values[i].index;
        list.entries[i].data = values[i].value;
    }
    return ::ioctl(vcpu_fd, kvm_request::set_msrs, &list) == 2;
}

} // namespace vmm
