#include "vmm/kvm/kvm_registers.hpp"
#include "vmm/kvm/register_groups.hpp"

#include <array>
#include <sys/ioctl.h>

namespace vmm::register_groups {

namespace {

using Member = std::uint64_t Registers::*;

/// In the order of the names, which is that of instruction encodings.
constexpr std::array<Member, 18> members{
    &Registers::rax, &Registers::rcx, &Registers::rdx, &Registers::rbx, &Registers::rsp, &Registers::rbp,
    &Registers::rsi, &Registers::rdi, &Registers::r8,  &Registers::r9,  &Registers::r10, &Registers::r11,
    &Registers::r12, &Registers::r13, &Registers::r14, &Registers::r15, &Registers::rip, &Registers::rflags,
};

/// nullptr for a name of another group.
Member const* find(Name name)
{
    auto const index = hv::abi::distance(Name::Rax, name);
    return index < members.size() ? &members[index] : nullptr;
}

} // namespace

Result<Value> get_general(kvm_run const& run, Name name)
{
    auto const* const member = find(name);
    if (!member) return Status::InvalidParameter;
    return Value{general_registers(run).*(*member), 0};
}

/// KVM_SET_REGS rather than a mark in the run page: a VP that waits for its start-up would not look there.
Status set_general(int vcpu_fd, kvm_run& run, kvm_sregs const& sregs, Name name, Value const& value)
{
    auto const* const member = find(name);
    if (!member) return Status::InvalidParameter;
    if (value.high != 0) return Status::InvalidRegisterValue;
    if (name == Name::Rflags && !acceptable_rflags(value.low)) return Status::InvalidRegisterValue;
    if (name == Name::Rip && !canonical(value.low, sregs)) return Status::InvalidRegisterValue;
    auto regs = general_registers(run);
    regs.*(*member) = value.low;
    if (::ioctl(vcpu_fd, KVM_SET_REGS, &regs) != 0) return Status::InvalidRegisterValue;
    general_registers(run) = regs;
    return Status::Success;
}

bool acceptable_rflags(std::uint64_t rflags)
{
    constexpr std::uint64_t always_one = 1U << 1;
    constexpr std::uint64_t defined = 0x3F'7FD5; // Intel SDM vol. 1 §3.4.3
    return (rflags & ~(defined | always_one)) == 0 && (rflags & always_one) != 0;
}

} // namespace vmm::register_groups
