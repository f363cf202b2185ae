#include "vmm/kvm/register_groups.hpp"

#include <sys/ioctl.h>

namespace vmm::register_groups {

namespace {

__u64* member(kvm_debugregs& regs, Name name)
{
    if (auto const index = hv::abi::distance(Name::Dr0, name); index <= 3) return &regs.db[index];
    if (name == Name::Dr6) return &regs.dr6;
    return name == Name::Dr7 ? &regs.dr7 : nullptr;
}

} // namespace

Result<Value> get_debug(int vcpu_fd, Name name)
{
    kvm_debugregs regs{};
    auto const* const wanted = member(regs, name);
    if (!wanted || ::ioctl(vcpu_fd, KVM_GET_DEBUGREGS, &regs) != 0) return Status::InvalidParameter;
    return Value{*wanted, 0};
}

Status set_debug(int vcpu_fd, Name name, Value const& value)
{
    kvm_debugregs regs{};
    auto* const wanted = member(regs, name);
    if (!wanted || ::ioctl(vcpu_fd, KVM_GET_DEBUGREGS, &regs) != 0) return Status::InvalidParameter;
    // Reserved bits are zero, or one, whatever is written (Intel SDM vol. 3 §18.2): the upper half must be zero.
    bool const is_control = name == Name::Dr6 || name == Name::Dr7;
    if (value.high != 0 || (is_control && value.low >> 32 != 0)) return Status::InvalidRegisterValue;
    *wanted = value.low;
    return ::ioctl(vcpu_fd, KVM_SET_DEBUGREGS, &regs) == 0 ? Status::Success : Status::InvalidRegisterValue;
}

} // namespace vmm::register_groups
